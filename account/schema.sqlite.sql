-- One row. A change of anything below draws a new stamp.
CREATE TABLE account_stamp (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    stamp  INTEGER NOT NULL,
    secret BLOB              -- makes up the SCRAM salts of those who do not exist
) STRICT;
INSERT INTO account_stamp VALUES (1, 0, NULL);

CREATE TABLE account_account (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    address    TEXT NOT NULL UNIQUE, -- the login, normal form
    password   TEXT NOT NULL,        -- PHC string; empty: none
    salt       BLOB NOT NULL,        -- SCRAM, of all its app passwords
    disabled   INTEGER NOT NULL,
    per_hour   INTEGER NOT NULL,     -- recipients; 0: the default
    per_day    INTEGER NOT NULL,
    created    INTEGER NOT NULL      -- microseconds
) STRICT;

-- App passwords.
CREATE TABLE account_secret (
    account    INTEGER NOT NULL,
    label      TEXT NOT NULL,
    stored_key BLOB NOT NULL,        -- RFC 5802 section 3
    server_key BLOB NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (account, label)
) STRICT, WITHOUT ROWID;

-- Every address that exists: of an account, an alias, or both (a mailbox that is also
-- forwarded). "@example.com" is a catch-all.
CREATE TABLE account_address (
    address TEXT PRIMARY KEY,        -- normal form
    account INTEGER,
    owner   INTEGER                  -- NULL: the admin of the domain
) STRICT, WITHOUT ROWID;

-- Where an alias leads.
CREATE TABLE account_target (
    address  TEXT NOT NULL,
    position INTEGER NOT NULL,
    target   TEXT NOT NULL,
    PRIMARY KEY (address, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_target_target ON account_target (target);

CREATE TABLE account_domain (
    domain TEXT PRIMARY KEY,
    admin  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_token (
    name       TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE, -- SHA-256 of the secret
    owner      INTEGER NOT NULL,
    senders    TEXT NOT NULL,        -- a line each
    per_hour   INTEGER NOT NULL,
    per_day    INTEGER NOT NULL,
    local_only INTEGER NOT NULL,
    created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_device (
    name       TEXT PRIMARY KEY,
    networks   TEXT NOT NULL,        -- a line each
    senders    TEXT NOT NULL,        -- a line each
    owner      TEXT NOT NULL,        -- address; empty: the admin
    per_hour   INTEGER NOT NULL,
    per_day    INTEGER NOT NULL,
    local_only INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Principals whose mail is held.
CREATE TABLE account_hold (
    principal TEXT PRIMARY KEY,
    why       TEXT NOT NULL,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Networks from which a login succeeded.
CREATE TABLE account_familiar (
    account INTEGER NOT NULL,
    network TEXT NOT NULL,
    seen    INTEGER NOT NULL,
    PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_familiar_seen ON account_familiar (seen);
