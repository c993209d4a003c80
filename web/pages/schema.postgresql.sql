CREATE TABLE web_session (
    hash    BYTEA NOT NULL PRIMARY KEY, -- SHA-256 of what the cookie holds
    account BIGINT NOT NULL,          -- 0: an administrator without an account here
    mark    BYTEA NOT NULL,             -- of the administrator when it began
    whole   BIGINT NOT NULL,          -- 0: came by a link, and may only enrol
    created BIGINT NOT NULL,          -- microseconds, as all times
    seen    BIGINT NOT NULL,
    network TEXT NOT NULL,
    agent   TEXT NOT NULL
);

CREATE TABLE web_factor (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL,
    kind    TEXT NOT NULL,    -- passkey, code
    label   TEXT NOT NULL,
    value   BYTEA NOT NULL,    -- passkey: the credential in JSON; code: the secret, sealed
    step    BIGINT NOT NULL, -- code: the last time step that was used
    created BIGINT NOT NULL,
    used    BIGINT NOT NULL  -- 0: never
);
CREATE INDEX web_factor_account ON web_factor (account);

CREATE TABLE web_link (
    hash    BYTEA NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
