-- Inputs of `step` beside the records: rows of `entry` are only ever added, and they stand in the
-- same chain as those of `event`: `number` runs through both tables.

CREATE TABLE entry (
  number INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account (id),
  ordinal INTEGER NOT NULL CHECK (ordinal >= 1),
  digest TEXT NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  UNIQUE (account_id, ordinal)
) STRICT;

DROP TRIGGER event_follows_the_row_before;

CREATE TRIGGER event_follows_the_row_before BEFORE INSERT ON event
WHEN NEW.number <> 1 + max(
  coalesce((SELECT max(number) FROM event), 0), coalesce((SELECT max(number) FROM entry), 0))
BEGIN
  SELECT raise(ABORT, 'a gap or a repeat in number');
END;

CREATE TRIGGER entry_follows_the_row_before BEFORE INSERT ON entry
WHEN NEW.number <> 1 + max(
  coalesce((SELECT max(number) FROM event), 0), coalesce((SELECT max(number) FROM entry), 0))
BEGIN
  SELECT raise(ABORT, 'a gap or a repeat in number');
END;

CREATE TRIGGER entry_follows_in_its_account BEFORE INSERT ON entry
WHEN NEW.ordinal <>
  coalesce((SELECT max(ordinal) FROM entry WHERE account_id = NEW.account_id), 0) + 1
BEGIN
  SELECT raise(ABORT, 'a gap or a repeat in ordinal');
END;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN
  SELECT raise(ABORT, 'a kept entry is never changed');
END;

CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
BEGIN
  SELECT raise(ABORT, 'a kept entry is never deleted');
END;

-- The last entry that is in a kept state; 0: the state is of a journal without entries.
ALTER TABLE state ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;
