-- Who came once, and who came back. id is a digest: no addresses are kept.
CREATE TABLE policy_greylist (
	id    bigint PRIMARY KEY,
	first bigint NOT NULL, -- microseconds
	until bigint NOT NULL, -- microseconds; forgotten then
	times bigint NOT NULL  -- how often it came back
);
CREATE INDEX policy_greylist_until ON policy_greylist (until);
