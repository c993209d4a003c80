CREATE TABLE exhibit_exhibit (
    id       TEXT PRIMARY KEY,  -- who knows it sees it
    kind     TEXT NOT NULL,
    title    TEXT NOT NULL,
    document TEXT NOT NULL,     -- JSON
    made     INTEGER NOT NULL,  -- microseconds
    ends     INTEGER NOT NULL   -- forgotten from then on
) STRICT, WITHOUT ROWID;
CREATE INDEX exhibit_ends ON exhibit_exhibit (ends);
