CREATE TABLE web_session (
    hash    BLOB NOT NULL PRIMARY KEY, -- SHA-256 of what the cookie holds
    account INTEGER NOT NULL,          -- 0: an administrator without an account here
    mark    BLOB NOT NULL,             -- of the administrator when it began
    whole   INTEGER NOT NULL,          -- 0: came by a link, and may only enrol
    created INTEGER NOT NULL,          -- microseconds, as all times
    seen    INTEGER NOT NULL,
    network TEXT NOT NULL,
    agent   TEXT NOT NULL
) STRICT;

CREATE TABLE web_factor (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    kind    TEXT NOT NULL,    -- passkey, code
    label   TEXT NOT NULL,
    value   BLOB NOT NULL,    -- passkey: the credential in JSON; code: the secret, sealed
    step    INTEGER NOT NULL, -- code: the last time step that was used
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL  -- 0: never
) STRICT;
CREATE INDEX web_factor_account ON web_factor (account);

CREATE TABLE web_link (
    hash    BLOB NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT;
