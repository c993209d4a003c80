CREATE TABLE testaddress_address (
    id       TEXT PRIMARY KEY,     -- of the page: who knows it sees the verdicts
    local    TEXT NOT NULL,        -- local part, lower case
    domain   TEXT NOT NULL,
    made     BIGINT NOT NULL,     -- microseconds, as all times
    closes   BIGINT NOT NULL,     -- takes no mail from then on
    ends     BIGINT NOT NULL,     -- forgotten from then on
    messages BIGINT NOT NULL,     -- taken so far
    UNIQUE (local, domain)
);
CREATE INDEX testaddress_ends ON testaddress_address (ends);

CREATE TABLE testaddress_message (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address TEXT NOT NULL,
    number  BIGINT NOT NULL,      -- from 1
    arrival TEXT NOT NULL,         -- JSON: what the session knew
    header  TEXT NOT NULL,
    body    BIGINT,               -- the whole message, until it is judged
    claimed BIGINT NOT NULL,      -- when somebody began to judge it
    again   BIGINT NOT NULL DEFAULT 0, -- judged without the results of the session
    verdict TEXT NOT NULL DEFAULT '', -- JSON
    UNIQUE (address, number)
);
CREATE INDEX testaddress_open ON testaddress_message (claimed) WHERE body IS NOT NULL;
CREATE INDEX testaddress_body ON testaddress_message (body);
