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

-- Which events name an address, a domain or a kind. Written behind the events.
CREATE TABLE journal_key (
    day   BIGINT NOT NULL, -- of time, since 1970
    key   BIGINT NOT NULL, -- hash of the address, domain or kind
    time  BIGINT NOT NULL,
    event BIGINT NOT NULL,
    kind  TEXT NOT NULL,
    PRIMARY KEY (day, key, time, event)
);

-- The last event that journal_key knows.
CREATE TABLE journal_mark (name TEXT PRIMARY KEY, event BIGINT NOT NULL);
INSERT INTO journal_mark VALUES ('indexed', 0);
