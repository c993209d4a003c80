-- Why it was held before a person let it go: what is released is not held again for the same.
ALTER TABLE queue_job ADD COLUMN released TEXT NOT NULL DEFAULT '';
