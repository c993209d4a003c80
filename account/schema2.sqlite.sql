-- Bulk is a stream to many that did not write first: each message says how to leave it.
ALTER TABLE account_token ADD COLUMN bulk INTEGER NOT NULL DEFAULT 0;
