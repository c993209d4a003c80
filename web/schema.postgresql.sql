-- Programs that may use the API of the administration.
CREATE TABLE web_token (
    name      TEXT PRIMARY KEY,
    hash      BYTEA NOT NULL UNIQUE, -- SHA-256 of the secret
    read_only BIGINT NOT NULL,
    created   BIGINT NOT NULL
);
