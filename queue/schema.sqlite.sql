CREATE TABLE queue_job (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	trace       TEXT    NOT NULL,
	destination TEXT    NOT NULL,
	origin      TEXT    NOT NULL,
	owner       INTEGER NOT NULL,
	body        INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	envelope    TEXT    NOT NULL, -- JSON: reverse-path, options, recipients still to do
	state       INTEGER NOT NULL, -- 0 waiting, 1 leased, 2 parked, 3 held
	queued      INTEGER NOT NULL,
	due         INTEGER NOT NULL, -- waiting: next attempt; parked: next look
	worker      INTEGER NOT NULL DEFAULT 0,
	lane        TEXT    NOT NULL DEFAULT '',
	attempts    INTEGER NOT NULL DEFAULT 0,
	tried       INTEGER NOT NULL DEFAULT 0,
	warned      INTEGER NOT NULL DEFAULT 0,
	why         TEXT    NOT NULL DEFAULT '', -- of a held one; on a leased one: hold it when it comes back
	reply       TEXT    NOT NULL DEFAULT ''  -- the last answer, in words
) STRICT;
CREATE INDEX queue_due         ON queue_job (due)         WHERE state = 0;
CREATE INDEX queue_leased      ON queue_job (worker)      WHERE state = 1;
CREATE INDEX queue_parked      ON queue_job (lane, id)    WHERE state = 2;
CREATE INDEX queue_parked_due  ON queue_job (due)         WHERE state = 2;
CREATE INDEX queue_held        ON queue_job (id)          WHERE state = 3;
CREATE INDEX queue_trace       ON queue_job (trace);
CREATE INDEX queue_destination ON queue_job (destination, id);
CREATE INDEX queue_origin      ON queue_job (origin, id);
CREATE INDEX queue_body        ON queue_job (body);

-- The transcript of the last attempt, kept apart so that the rows above stay small.
CREATE TABLE queue_attempt (
	job        INTEGER PRIMARY KEY,
	at         INTEGER NOT NULL,
	transcript BLOB    NOT NULL
) STRICT;

CREATE TABLE queue_worker (
	worker INTEGER PRIMARY KEY,
	name   TEXT    NOT NULL,
	beat   INTEGER NOT NULL
) STRICT;

-- How many there are: one row, changed in place, because there is one writer.
CREATE TABLE queue_count (
	total    INTEGER NOT NULL,
	held     INTEGER NOT NULL,
	deferred INTEGER NOT NULL
) STRICT;
INSERT INTO queue_count VALUES (0, 0, 0);

CREATE TRIGGER queue_count_in AFTER INSERT ON queue_job BEGIN
	UPDATE queue_count SET total = total + 1, held = held + (new.state = 3),
		deferred = deferred + (new.state <> 3 AND new.attempts > 0);
END;
CREATE TRIGGER queue_count_out AFTER DELETE ON queue_job BEGIN
	UPDATE queue_count SET total = total - 1, held = held - (old.state = 3),
		deferred = deferred - (old.state <> 3 AND old.attempts > 0);
END;
CREATE TRIGGER queue_count_change AFTER UPDATE OF state, attempts ON queue_job
WHEN (old.state = 3) <> (new.state = 3) OR (old.attempts > 0) <> (new.attempts > 0) BEGIN
	UPDATE queue_count SET held = held + (new.state = 3) - (old.state = 3),
		deferred = deferred + (new.state <> 3 AND new.attempts > 0) - (old.state <> 3 AND old.attempts > 0);
END;
