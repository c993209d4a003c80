-- Which messages of which source a mailbox has had. A row is written in the
-- transaction that stores the message.
CREATE TABLE transfer_known (
    account INTEGER NOT NULL,
    source  TEXT NOT NULL,
    folder  TEXT NOT NULL,
    key     TEXT NOT NULL,
    PRIMARY KEY (account, source, folder, key)
) STRICT, WITHOUT ROWID;
