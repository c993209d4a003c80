CREATE TABLE exhibit_exhibit (
    id       TEXT PRIMARY KEY,  -- who knows it sees it
    kind     TEXT NOT NULL,
    title    TEXT NOT NULL,
    document TEXT NOT NULL,     -- JSON
    made     BIGINT NOT NULL,  -- microseconds
    ends     BIGINT NOT NULL   -- forgotten from then on
);
CREATE INDEX exhibit_ends ON exhibit_exhibit (ends);
