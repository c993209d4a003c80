-- MTA-STS policies as fetched (RFC 8461 section 3.3).
CREATE TABLE deliver_policy (
	domain  TEXT   PRIMARY KEY,
	id      TEXT   NOT NULL,
	body    BYTEA  NOT NULL,
	fetched BIGINT NOT NULL,
	expires BIGINT NOT NULL
);

-- Domains that were seen to offer TLS.
CREATE TABLE deliver_tls (
	domain TEXT   PRIMARY KEY,
	seen   BIGINT NOT NULL, -- last
	lost   BIGINT NOT NULL  -- when it was first missed since; 0: it was not
);
