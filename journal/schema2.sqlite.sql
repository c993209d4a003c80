-- How many events of a kind there were in an hour: the keeper counts each when it
-- indexes it. Those that were indexed before are counted here, once.
CREATE TABLE journal_hour (
    hour   INTEGER NOT NULL, -- its beginning, in microseconds
    kind   TEXT NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO journal_hour SELECT time - time % 3600000000, kind, COUNT(*) FROM journal_event
    WHERE id <= (SELECT event FROM journal_mark WHERE name = 'indexed') GROUP BY 1, 2;
