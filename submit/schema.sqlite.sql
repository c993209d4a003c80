-- What senders did, appended. Rows of one sender and slot are folded by the sweep.
CREATE TABLE submit_tally (
    principal  TEXT NOT NULL,
    slot       INTEGER NOT NULL, -- five minutes each, since 1970
    messages   INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    remote     INTEGER NOT NULL,
    strangers  INTEGER NOT NULL,
    refused    INTEGER NOT NULL
) STRICT;
CREATE INDEX submit_tally_principal ON submit_tally (principal, slot);

-- To whom a sender wrote before.
CREATE TABLE submit_contact (
    principal TEXT NOT NULL,
    digest    INTEGER NOT NULL, -- of the address
    PRIMARY KEY (principal, digest)
) STRICT, WITHOUT ROWID;

-- Where a sender was seen.
CREATE TABLE submit_network (
    principal TEXT NOT NULL,
    network   TEXT NOT NULL,
    since     INTEGER NOT NULL, -- microseconds
    last      INTEGER NOT NULL, -- microseconds
    PRIMARY KEY (principal, network)
) STRICT, WITHOUT ROWID;

-- When a person freed a sender's mail.
CREATE TABLE submit_pardon (
    principal TEXT PRIMARY KEY,
    at        INTEGER NOT NULL -- microseconds
) STRICT, WITHOUT ROWID;

-- Requests with an idempotency key, kept a day.
CREATE TABLE submit_request (
    principal TEXT NOT NULL,
    key       TEXT NOT NULL,
    digest    TEXT NOT NULL, -- of the request
    trace     TEXT NOT NULL,
    at        INTEGER NOT NULL, -- microseconds
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX submit_request_at ON submit_request (at);
