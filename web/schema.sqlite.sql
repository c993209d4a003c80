-- Programs that may use the API of the administration.
CREATE TABLE web_token (
    name      TEXT PRIMARY KEY,
    hash      BLOB NOT NULL UNIQUE, -- SHA-256 of the secret
    read_only INTEGER NOT NULL,
    created   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
