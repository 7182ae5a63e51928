-- The journal of all accounts. Rows of `event` are only ever added.

PRAGMA application_id = 1414087751;

CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  server TEXT NOT NULL,
  login INTEGER NOT NULL,
  UNIQUE (server, login)
) STRICT;

-- `number` runs from 1 through all accounts; `hash` is over the hash of the row before, the
-- account, `seq` and `body`. `body` is the record's line of JSON without its newline.
CREATE TABLE event (
  number INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  body BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  UNIQUE (account_id, seq)
) STRICT;

CREATE TRIGGER event_follows_the_row_before BEFORE INSERT ON event
WHEN NEW.number <> coalesce((SELECT max(number) FROM event), 0) + 1
BEGIN
  SELECT raise(ABORT, 'a gap or a repeat in number');
END;

CREATE TRIGGER event_follows_in_its_account BEFORE INSERT ON event
WHEN NEW.seq <> coalesce((SELECT max(seq) FROM event WHERE account_id = NEW.account_id), 0) + 1
BEGIN
  SELECT raise(ABORT, 'a gap or a repeat in seq');
END;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
  SELECT raise(ABORT, 'a kept record is never changed');
END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN
  SELECT raise(ABORT, 'a kept record is never deleted');
END;

-- Where the chain ends: so that rows missing from the end show.
CREATE TABLE head (
  only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
  number INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;

INSERT INTO head VALUES (1, 0, zeroblob(32));

-- States, so that a restart replays only what came after. `digest` is the engine's own name of the
-- state, `sha256` is over `body`.
CREATE TABLE state (
  account_id INTEGER NOT NULL REFERENCES account (id),
  seq INTEGER NOT NULL,
  digest TEXT NOT NULL,
  body BLOB NOT NULL,
  sha256 BLOB NOT NULL,
  PRIMARY KEY (account_id, seq)
) STRICT;

CREATE TABLE epoch (
  account_id INTEGER PRIMARY KEY REFERENCES account (id),
  epoch INTEGER NOT NULL
) STRICT;
