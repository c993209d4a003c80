CREATE TABLE standing_row (
    target    TEXT NOT NULL,
    check_id  TEXT NOT NULL,
    subject   TEXT NOT NULL,
    status    TEXT NOT NULL,    -- confirmed, or the first seen
    since     INTEGER NOT NULL, -- microseconds, as all times
    seen      INTEGER NOT NULL,
    runs      INTEGER NOT NULL,
    blind     INTEGER NOT NULL, -- since when; 0: not
    unseen    TEXT NOT NULL,
    finding   TEXT NOT NULL,    -- JSON
    next      TEXT NOT NULL,    -- a colour on trial
    next_runs INTEGER NOT NULL,
    next_at   INTEGER NOT NULL,
    told      TEXT NOT NULL,    -- the colour that somebody was told last
    told_of   INTEGER NOT NULL, -- 1: that it is blind
    missed    INTEGER NOT NULL,
    PRIMARY KEY (target, check_id, subject)
) STRICT;

CREATE TABLE standing_change (
    id       INTEGER PRIMARY KEY,
    time     INTEGER NOT NULL,
    since    INTEGER NOT NULL, -- it was seen first
    kind     TEXT NOT NULL,
    target   TEXT NOT NULL,
    check_id TEXT NOT NULL,
    subject  TEXT NOT NULL,
    was      TEXT NOT NULL,
    became   TEXT NOT NULL,
    finding  TEXT NOT NULL,    -- JSON
    told     INTEGER NOT NULL  -- 1: somebody was told
) STRICT;
CREATE INDEX standing_change_target ON standing_change (target, check_id);
CREATE INDEX standing_change_untold ON standing_change (id) WHERE told = 0;
