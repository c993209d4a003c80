CREATE TABLE queue_job (
	id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	trace       TEXT   NOT NULL,
	destination TEXT   NOT NULL COLLATE "C",
	origin      TEXT   NOT NULL,
	owner       BIGINT NOT NULL,
	body        BIGINT NOT NULL,
	size        BIGINT NOT NULL,
	envelope    TEXT   NOT NULL, -- JSON: reverse-path, options, recipients still to do
	state       BIGINT NOT NULL, -- 0 waiting, 1 leased, 2 parked, 3 held
	queued      BIGINT NOT NULL,
	due         BIGINT NOT NULL, -- waiting: next attempt; parked: next look
	worker      BIGINT NOT NULL DEFAULT 0,
	lane        TEXT   NOT NULL DEFAULT '' COLLATE "C",
	attempts    BIGINT NOT NULL DEFAULT 0,
	tried       BIGINT NOT NULL DEFAULT 0,
	warned      BIGINT NOT NULL DEFAULT 0,
	why         TEXT   NOT NULL DEFAULT '', -- of a held one; on a leased one: hold it when it comes back
	reply       TEXT   NOT NULL DEFAULT ''  -- the last answer, in words
) WITH (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0.01);
-- A fifth of a million rows, as usual, is too much to be left dead at the beginning
-- of an index that is always read from its beginning.
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
	job        BIGINT PRIMARY KEY,
	at         BIGINT NOT NULL,
	transcript BYTEA  NOT NULL
);

CREATE TABLE queue_worker (
	worker BIGINT PRIMARY KEY,
	name   TEXT   NOT NULL,
	beat   BIGINT NOT NULL
);

-- How many there are: the sum of rows that are appended, so that no two
-- transactions wait for one another; Queue.Run folds them.
CREATE TABLE queue_count (
	total    BIGINT NOT NULL,
	held     BIGINT NOT NULL,
	deferred BIGINT NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE FUNCTION queue_count_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO queue_count SELECT count(*), count(*) FILTER (WHERE state = 3),
		count(*) FILTER (WHERE state <> 3 AND attempts > 0) FROM fresh;
	RETURN NULL;
END $$;
CREATE FUNCTION queue_count_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO queue_count SELECT -count(*), -count(*) FILTER (WHERE state = 3),
		-count(*) FILTER (WHERE state <> 3 AND attempts > 0) FROM gone HAVING count(*) > 0;
	RETURN NULL;
END $$;
CREATE FUNCTION queue_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO queue_count VALUES (0, (new.state = 3)::int - (old.state = 3)::int,
		(new.state <> 3 AND new.attempts > 0)::int - (old.state <> 3 AND old.attempts > 0)::int);
	RETURN NULL;
END $$;
CREATE TRIGGER queue_count_in AFTER INSERT ON queue_job
	REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION queue_count_in();
CREATE TRIGGER queue_count_out AFTER DELETE ON queue_job
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION queue_count_out();
CREATE TRIGGER queue_count_change AFTER UPDATE OF state, attempts ON queue_job FOR EACH ROW
	WHEN ((old.state = 3) <> (new.state = 3) OR (old.attempts > 0) <> (new.attempts > 0))
	EXECUTE FUNCTION queue_count_change();
