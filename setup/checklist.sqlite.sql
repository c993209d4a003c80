-- What a person said is done. The subject is an address or a domain, '' the server: a new
-- address has no ticks.
CREATE TABLE checklist_tick (
	item    TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	time    INTEGER NOT NULL, -- microseconds
	note    TEXT    NOT NULL,
	PRIMARY KEY (item, subject)
) STRICT;
