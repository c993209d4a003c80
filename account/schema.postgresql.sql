-- One row. A change of anything below draws a new stamp.
CREATE TABLE account_stamp (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    stamp  BIGINT NOT NULL,
    secret BYTEA              -- makes up the SCRAM salts of those who do not exist
);
INSERT INTO account_stamp VALUES (1, 0, NULL);

CREATE TABLE account_account (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address    TEXT NOT NULL UNIQUE, -- the login, normal form
    password   TEXT NOT NULL,        -- PHC string; empty: none
    salt       BYTEA NOT NULL,        -- SCRAM, of all its app passwords
    disabled   BIGINT NOT NULL,
    per_hour   BIGINT NOT NULL,     -- recipients; 0: the default
    per_day    BIGINT NOT NULL,
    created    BIGINT NOT NULL      -- microseconds
);

-- App passwords.
CREATE TABLE account_secret (
    account    BIGINT NOT NULL,
    label      TEXT NOT NULL,
    stored_key BYTEA NOT NULL,        -- RFC 5802 section 3
    server_key BYTEA NOT NULL,
    created    BIGINT NOT NULL,
    PRIMARY KEY (account, label)
);

-- Every address that exists: of an account, an alias, or both (a mailbox that is also
-- forwarded). "@example.com" is a catch-all.
CREATE TABLE account_address (
    address TEXT PRIMARY KEY,        -- normal form
    account BIGINT,
    owner   BIGINT                  -- NULL: the admin of the domain
);

-- Where an alias leads.
CREATE TABLE account_target (
    address  TEXT NOT NULL,
    position BIGINT NOT NULL,
    target   TEXT NOT NULL,
    PRIMARY KEY (address, position)
);
CREATE INDEX account_target_target ON account_target (target);

CREATE TABLE account_domain (
    domain TEXT PRIMARY KEY,
    admin  BIGINT NOT NULL
);

CREATE TABLE account_token (
    name       TEXT PRIMARY KEY,
    hash       BYTEA NOT NULL UNIQUE, -- SHA-256 of the secret
    owner      BIGINT NOT NULL,
    senders    TEXT NOT NULL,        -- a line each
    per_hour   BIGINT NOT NULL,
    per_day    BIGINT NOT NULL,
    local_only BIGINT NOT NULL,
    created    BIGINT NOT NULL
);

CREATE TABLE account_device (
    name       TEXT PRIMARY KEY,
    networks   TEXT NOT NULL,        -- a line each
    senders    TEXT NOT NULL,        -- a line each
    owner      TEXT NOT NULL,        -- address; empty: the admin
    per_hour   BIGINT NOT NULL,
    per_day    BIGINT NOT NULL,
    local_only BIGINT NOT NULL
);

-- Principals whose mail is held.
CREATE TABLE account_hold (
    principal TEXT PRIMARY KEY,
    why       TEXT NOT NULL,
    since     BIGINT NOT NULL
);

-- Networks from which a login succeeded.
CREATE TABLE account_familiar (
    account BIGINT NOT NULL,
    network TEXT NOT NULL,
    seen    BIGINT NOT NULL,
    PRIMARY KEY (account, network)
);
CREATE INDEX account_familiar_seen ON account_familiar (seen);
