CREATE TABLE standing_row (
    target    TEXT NOT NULL,
    check_id  TEXT NOT NULL,
    subject   TEXT NOT NULL,
    status    TEXT NOT NULL,    -- confirmed, or the first seen
    since     BIGINT NOT NULL, -- microseconds, as all times
    seen      BIGINT NOT NULL,
    runs      BIGINT NOT NULL,
    blind     BIGINT NOT NULL, -- since when; 0: not
    unseen    TEXT NOT NULL,
    finding   TEXT NOT NULL,    -- JSON
    next      TEXT NOT NULL,    -- a colour on trial
    next_runs BIGINT NOT NULL,
    next_at   BIGINT NOT NULL,
    told      TEXT NOT NULL,    -- the colour that somebody was told last
    told_of   BIGINT NOT NULL, -- 1: that it is blind
    missed    BIGINT NOT NULL,
    PRIMARY KEY (target, check_id, subject)
);

CREATE TABLE standing_change (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time     BIGINT NOT NULL,
    since    BIGINT NOT NULL, -- it was seen first
    kind     TEXT NOT NULL,
    target   TEXT NOT NULL,
    check_id TEXT NOT NULL,
    subject  TEXT NOT NULL,
    was      TEXT NOT NULL,
    became   TEXT NOT NULL,
    finding  TEXT NOT NULL,    -- JSON
    told     BIGINT NOT NULL  -- 1: somebody was told
);
CREATE INDEX standing_change_target ON standing_change (target, check_id);
CREATE INDEX standing_change_untold ON standing_change (id) WHERE told = 0;
