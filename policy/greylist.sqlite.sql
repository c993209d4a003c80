-- Who came once, and who came back. id is a digest: no addresses are kept.
CREATE TABLE policy_greylist (
	id    INTEGER PRIMARY KEY,
	first INTEGER NOT NULL, -- microseconds
	until INTEGER NOT NULL, -- microseconds; forgotten then
	times INTEGER NOT NULL  -- how often it came back
) STRICT;
CREATE INDEX policy_greylist_until ON policy_greylist (until);
