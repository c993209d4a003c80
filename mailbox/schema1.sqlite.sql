CREATE TABLE mailbox_account (
    account        INTEGER PRIMARY KEY,
    quota_bytes    INTEGER NOT NULL, -- 0: no limit
    quota_messages INTEGER NOT NULL, -- 0: no limit
    uidvalidity    INTEGER NOT NULL  -- the last one given to a folder
) STRICT;

CREATE TABLE mailbox_folder (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    account     INTEGER,          -- NULL: deleted, its messages are being removed
    name        TEXT NOT NULL,    -- full, levels divided by "/"
    role        TEXT,             -- special use; NULL: none
    subscribed  INTEGER NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uidnext     INTEGER NOT NULL,
    modseq      INTEGER NOT NULL, -- the highest given
    messages    INTEGER NOT NULL,
    unseen      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    uncounted   INTEGER NOT NULL, -- 1: outside of the quota
    sealed      INTEGER NOT NULL, -- 1: takes nothing in
    created     INTEGER NOT NULL, -- microseconds
    expires     INTEGER NOT NULL, -- microseconds; 0: never
    UNIQUE (account, name),
    UNIQUE (account, role)
) STRICT;

CREATE TABLE mailbox_message (
    folder   INTEGER NOT NULL,
    uid      INTEGER NOT NULL,
    modseq   INTEGER NOT NULL,
    body     INTEGER NOT NULL,
    size     INTEGER NOT NULL, -- bytes
    received INTEGER NOT NULL, -- microseconds, IMAP's internal date
    flags    INTEGER NOT NULL, -- bits: seen 1, answered 2, flagged 4, deleted 8, draft 16
    keywords TEXT NOT NULL,    -- divided by blanks
    trace    TEXT NOT NULL,
    PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX mailbox_message_body ON mailbox_message (body);

-- Envelope and body structure. Apart from the message, so that reading all flags of
-- a folder reads narrow rows, and by folder, so that a listing reads side by side.
CREATE TABLE mailbox_structure (
    message   INTEGER PRIMARY KEY, -- folder << 32 | uid
    structure BLOB NOT NULL
) STRICT;

CREATE TABLE mailbox_tombstone (
    folder INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    uid    INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    PRIMARY KEY (folder, modseq, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX mailbox_tombstone_time ON mailbox_tombstone (time);
