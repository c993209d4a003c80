CREATE TABLE monitor_note (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel TEXT NOT NULL,
    time    BIGINT NOT NULL, -- microseconds, as all times
    change  TEXT NOT NULL    -- JSON: what the channel was not told yet
);
CREATE INDEX monitor_note_channel ON monitor_note (channel, id);

CREATE TABLE monitor_lease (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires BIGINT NOT NULL
);
