-- Who was told of which red; owner 0 is the administrator.
CREATE TABLE gate_told (
	owner INTEGER NOT NULL,
	red   TEXT    NOT NULL,
	at    INTEGER NOT NULL,
	PRIMARY KEY (owner, red)
) STRICT, WITHOUT ROWID;
