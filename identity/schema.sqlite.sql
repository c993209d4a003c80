-- Secrets that have no table of their own, sealed: "root", "acme-account <directory>".
CREATE TABLE identity_secret (
	name    TEXT    NOT NULL PRIMARY KEY,
	sealed  BLOB    NOT NULL,
	created INTEGER NOT NULL
) STRICT;

-- DKIM keys. planned: published, not signing yet. active: signs. retired: published for
-- mail under way. revoked: published with an empty p=.
CREATE TABLE identity_dkim (
	domain    TEXT    NOT NULL,
	selector  TEXT    NOT NULL,
	algorithm TEXT    NOT NULL,
	state     TEXT    NOT NULL CHECK (state IN ('planned', 'active', 'retired', 'revoked')),
	sealed    BLOB    NOT NULL,
	created   INTEGER NOT NULL,
	changed   INTEGER NOT NULL,
	PRIMARY KEY (domain, selector)
) STRICT;

-- Of two processes that make a first key at once, one wins.
CREATE UNIQUE INDEX identity_dkim_active ON identity_dkim (domain, algorithm) WHERE state = 'active';

-- A name, its key, and the chain that an authority issued for it; '' while there is none.
CREATE TABLE identity_certificate (
	name     TEXT    NOT NULL PRIMARY KEY,
	sealed   BLOB    NOT NULL,
	chain    TEXT    NOT NULL,
	source   TEXT    NOT NULL,
	renew    INTEGER NOT NULL,
	retry    INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	error    TEXT    NOT NULL,
	changed  INTEGER NOT NULL
) STRICT;

-- Answers to an authority's questions, for any node to give.
CREATE TABLE identity_challenge (
	kind    TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	answer  TEXT    NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (kind, subject)
) STRICT;

-- What only one process may do at a time.
CREATE TABLE identity_lease (
	name    TEXT    NOT NULL PRIMARY KEY,
	holder  TEXT    NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- What was found out and is no secret: whether a zone is signed, who the authority is.
CREATE TABLE identity_fact (
	name    TEXT    NOT NULL PRIMARY KEY,
	value   TEXT    NOT NULL,
	changed INTEGER NOT NULL
) STRICT;
