-- Two states may be of one record, each of another entry: a state is named by both. Before this the
-- later one took the other's place, and no state was left when it did not read.

CREATE TABLE state_by_entry (
  account_id INTEGER NOT NULL REFERENCES account (id),
  entry INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  digest TEXT NOT NULL,
  body BLOB NOT NULL,
  sha256 BLOB NOT NULL,
  PRIMARY KEY (account_id, entry, seq)
) STRICT;

INSERT INTO state_by_entry SELECT account_id, entry, seq, digest, body, sha256 FROM state;
DROP TABLE state;
ALTER TABLE state_by_entry RENAME TO state;
