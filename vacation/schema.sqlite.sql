CREATE TABLE vacation_told (
    account INTEGER NOT NULL,
    whom    TEXT NOT NULL,    -- an address in normal form; empty: the account itself
    what    TEXT NOT NULL,    -- which answer
    until   INTEGER NOT NULL, -- microseconds: not again before
    PRIMARY KEY (account, whom, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX vacation_told_until ON vacation_told (until);

CREATE TABLE vacation_reply (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    made    INTEGER NOT NULL, -- microseconds
    reply   TEXT NOT NULL     -- JSON
) STRICT;
