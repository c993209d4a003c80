CREATE TABLE journal_event (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time      BIGINT NOT NULL, -- microseconds
    trace     TEXT COLLATE "C" NOT NULL,
    kind      TEXT NOT NULL,
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    fields    TEXT NOT NULL    -- JSON object of strings, or nothing
);
CREATE INDEX journal_event_trace ON journal_event (trace);
CREATE INDEX journal_event_time ON journal_event (time);

-- Which events name an address, a domain or a kind. Written behind the events, in
-- segments small enough that their writing stays in few pages.
CREATE TABLE journal_posting (
    segment BIGINT NOT NULL, -- of the events, id >> 16
    key     BIGINT NOT NULL, -- hash of the address, domain or kind
    last    BIGINT NOT NULL, -- the newest of the events
    since   BIGINT NOT NULL, -- their times
    until   BIGINT NOT NULL,
    events  BYTEA NOT NULL,   -- newest first: a hash of the kind, its distance to last
    PRIMARY KEY (segment, key, last)
);

-- The last event that journal_posting knows.
CREATE TABLE journal_mark (name TEXT PRIMARY KEY, event BIGINT NOT NULL);
INSERT INTO journal_mark VALUES ('indexed', 0);
