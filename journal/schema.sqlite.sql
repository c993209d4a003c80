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

-- Which events name an address, a domain or a kind. Written behind the events.
CREATE TABLE journal_key (
    day   INTEGER NOT NULL, -- of time, since 1970
    key   INTEGER NOT NULL, -- hash of the address, domain or kind
    time  INTEGER NOT NULL,
    event INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    PRIMARY KEY (day, key, time, event)
) STRICT, WITHOUT ROWID;

-- The last event that journal_key knows.
CREATE TABLE journal_mark (name TEXT PRIMARY KEY, event INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO journal_mark VALUES ('indexed', 0);
