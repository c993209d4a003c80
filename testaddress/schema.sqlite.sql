CREATE TABLE testaddress_address (
    id       TEXT PRIMARY KEY,     -- of the page: who knows it sees the verdicts
    local    TEXT NOT NULL,        -- local part, lower case
    domain   TEXT NOT NULL,
    made     INTEGER NOT NULL,     -- microseconds, as all times
    closes   INTEGER NOT NULL,     -- takes no mail from then on
    ends     INTEGER NOT NULL,     -- forgotten from then on
    messages INTEGER NOT NULL,     -- taken so far
    UNIQUE (local, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX testaddress_ends ON testaddress_address (ends);

CREATE TABLE testaddress_message (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL,
    number  INTEGER NOT NULL,      -- from 1
    arrival TEXT NOT NULL,         -- JSON: what the session knew
    header  TEXT NOT NULL,
    body    INTEGER,               -- the whole message, until it is judged
    claimed INTEGER NOT NULL,      -- when somebody began to judge it
    again   INTEGER NOT NULL DEFAULT 0, -- judged without the results of the session
    verdict TEXT NOT NULL DEFAULT '', -- JSON
    UNIQUE (address, number)
) STRICT;
CREATE INDEX testaddress_open ON testaddress_message (claimed) WHERE body IS NOT NULL;
CREATE INDEX testaddress_body ON testaddress_message (body);
