CREATE TABLE mailbox_account (
    account        BIGINT PRIMARY KEY,
    quota_bytes    BIGINT NOT NULL, -- 0: no limit
    quota_messages BIGINT NOT NULL, -- 0: no limit
    uidvalidity    BIGINT NOT NULL  -- the last one given to a folder
);

CREATE TABLE mailbox_folder (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     BIGINT,          -- NULL: deleted, its messages are being removed
    name        TEXT NOT NULL,    -- full, levels divided by "/"
    role        TEXT,             -- special use; NULL: none
    subscribed  BIGINT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uidnext     BIGINT NOT NULL,
    modseq      BIGINT NOT NULL, -- the highest given
    messages    BIGINT NOT NULL,
    unseen      BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    uncounted   BIGINT NOT NULL, -- 1: outside of the quota
    sealed      BIGINT NOT NULL, -- 1: takes nothing in
    created     BIGINT NOT NULL, -- microseconds
    expires     BIGINT NOT NULL, -- microseconds; 0: never
    UNIQUE (account, name),
    UNIQUE (account, role)
) WITH (fillfactor = 50); -- each delivery changes a row: in its page, without its indexes

CREATE TABLE mailbox_message (
    folder   BIGINT NOT NULL,
    uid      BIGINT NOT NULL,
    modseq   BIGINT NOT NULL,
    body     BIGINT NOT NULL,
    size     BIGINT NOT NULL, -- bytes
    received BIGINT NOT NULL, -- microseconds, IMAP's internal date
    flags    BIGINT NOT NULL, -- bits: seen 1, answered 2, flagged 4, deleted 8, draft 16
    keywords TEXT NOT NULL,    -- divided by blanks
    trace    TEXT NOT NULL,
    PRIMARY KEY (folder, uid)
);
CREATE INDEX mailbox_message_body ON mailbox_message (body);

-- Envelope and body structure. Apart from the message, so that reading all flags of
-- a folder reads narrow rows, and by folder, so that a listing reads side by side.
CREATE TABLE mailbox_structure (
    message   BIGINT PRIMARY KEY, -- folder << 32 | uid
    structure BYTEA NOT NULL
);

CREATE TABLE mailbox_tombstone (
    folder BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    uid    BIGINT NOT NULL,
    time   BIGINT NOT NULL,
    PRIMARY KEY (folder, modseq, uid)
);
CREATE INDEX mailbox_tombstone_time ON mailbox_tombstone (time);
