-- What senders did, appended. Rows of one sender and slot are folded by the sweep.
CREATE TABLE submit_tally (
    principal  TEXT NOT NULL,
    slot       BIGINT NOT NULL, -- five minutes each, since 1970
    messages   BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    remote     BIGINT NOT NULL,
    strangers  BIGINT NOT NULL,
    refused    BIGINT NOT NULL
);
CREATE INDEX submit_tally_principal ON submit_tally (principal, slot);

-- To whom a sender wrote before.
CREATE TABLE submit_contact (
    principal TEXT NOT NULL,
    digest    BIGINT NOT NULL, -- of the address
    PRIMARY KEY (principal, digest)
);

-- Where a sender was seen.
CREATE TABLE submit_network (
    principal TEXT NOT NULL,
    network   TEXT NOT NULL,
    since     BIGINT NOT NULL, -- microseconds
    last      BIGINT NOT NULL, -- microseconds
    PRIMARY KEY (principal, network)
);

-- When a person freed a sender's mail.
CREATE TABLE submit_pardon (
    principal TEXT PRIMARY KEY,
    at        BIGINT NOT NULL -- microseconds
);

-- Requests with an idempotency key, kept a day.
CREATE TABLE submit_request (
    principal TEXT NOT NULL,
    key       TEXT NOT NULL,
    digest    TEXT NOT NULL, -- of the request
    trace     TEXT NOT NULL,
    at        BIGINT NOT NULL, -- microseconds
    PRIMARY KEY (principal, key)
);
CREATE INDEX submit_request_at ON submit_request (at);
