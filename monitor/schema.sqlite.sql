CREATE TABLE monitor_note (
    id      INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    time    INTEGER NOT NULL, -- microseconds, as all times
    change  TEXT NOT NULL     -- JSON: what the channel was not told yet
) STRICT;
CREATE INDEX monitor_note_channel ON monitor_note (channel, id);

CREATE TABLE monitor_lease (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
