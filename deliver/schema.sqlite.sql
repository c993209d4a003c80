-- MTA-STS policies as fetched (RFC 8461 section 3.3).
CREATE TABLE deliver_policy (
	domain  TEXT    PRIMARY KEY,
	id      TEXT    NOT NULL,
	body    BLOB    NOT NULL,
	fetched INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- Domains that were seen to offer TLS.
CREATE TABLE deliver_tls (
	domain TEXT    PRIMARY KEY,
	seen   INTEGER NOT NULL, -- last
	lost   INTEGER NOT NULL  -- when it was first missed since; 0: it was not
) STRICT;
