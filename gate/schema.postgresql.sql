-- Who was told of which red; owner 0 is the administrator.
CREATE TABLE gate_told (
	owner BIGINT NOT NULL,
	red   TEXT   NOT NULL,
	at    BIGINT NOT NULL,
	PRIMARY KEY (owner, red)
);
