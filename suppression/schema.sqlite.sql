CREATE TABLE suppression_entry (
    address TEXT NOT NULL,     -- normal form
    stream  TEXT NOT NULL,     -- "token:news"
    kind    TEXT NOT NULL,     -- unsubscribed, complained, bounced, added
    why     TEXT NOT NULL,     -- for people; '': the kind says it
    since   INTEGER NOT NULL,  -- microseconds
    PRIMARY KEY (address, stream, kind)
) STRICT, WITHOUT ROWID;
