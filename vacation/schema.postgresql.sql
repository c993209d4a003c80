CREATE TABLE vacation_told (
    account BIGINT NOT NULL,
    whom    TEXT NOT NULL,   -- an address in normal form; empty: the account itself
    what    TEXT NOT NULL,   -- which answer
    until   BIGINT NOT NULL, -- microseconds: not again before
    PRIMARY KEY (account, whom, what)
);
CREATE INDEX vacation_told_until ON vacation_told (until);

CREATE TABLE vacation_reply (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL,
    made    BIGINT NOT NULL, -- microseconds
    reply   TEXT NOT NULL    -- JSON
);
