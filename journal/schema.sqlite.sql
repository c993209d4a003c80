CREATE TABLE journal_event (
    id        INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL, -- microseconds
    trace     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    fields    TEXT NOT NULL     -- JSON object of strings, or nothing
) STRICT;
CREATE INDEX journal_event_trace ON journal_event (trace);
CREATE INDEX journal_event_time ON journal_event (time);

-- Which events name an address, a domain or a kind. Written behind the events, in
-- segments small enough that their writing stays in few pages.
CREATE TABLE journal_posting (
    segment INTEGER NOT NULL, -- of the events, id >> 16
    key     INTEGER NOT NULL, -- hash of the address, domain or kind
    last    INTEGER NOT NULL, -- the newest of the events
    since   INTEGER NOT NULL, -- their times
    until   INTEGER NOT NULL,
    events  BLOB NOT NULL,   -- newest first: a hash of the kind, its distance to last
    PRIMARY KEY (segment, key, last)
) STRICT, WITHOUT ROWID;

-- The last event that journal_posting knows.
CREATE TABLE journal_mark (name TEXT PRIMARY KEY, event INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO journal_mark VALUES ('indexed', 0);
