-- The UIDs below uidnext that are no messages any more. What is left of the rest is the
-- folder: to open it reads these instead of a row for each message. A delivery does not
-- touch them.
CREATE TABLE mailbox_gap (
    folder INTEGER NOT NULL,
    first  INTEGER NOT NULL, -- UID
    last   INTEGER NOT NULL, -- UID
    PRIMARY KEY (folder, first)
) STRICT, WITHOUT ROWID;
INSERT INTO mailbox_gap (folder, first, last)
    SELECT folder, before + 1, uid - 1
    FROM (SELECT folder, uid, LAG(uid, 1, 0) OVER (PARTITION BY folder ORDER BY uid) AS before FROM mailbox_message)
    WHERE uid > before + 1;
INSERT INTO mailbox_gap (folder, first, last)
    SELECT id, top + 1, uidnext - 1
    FROM (SELECT id, uidnext, COALESCE((SELECT MAX(uid) FROM mailbox_message WHERE folder = id), 0) AS top FROM mailbox_folder)
    WHERE uidnext > top + 1;

-- modseq stays what the message came with; altered is that of its last change, 0
-- before there is one. So the index of changes costs a delivery nothing.
ALTER TABLE mailbox_message ADD COLUMN altered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX mailbox_message_altered ON mailbox_message (folder, altered) WHERE altered > 0;

-- A tombstone is for the UIDs from uid to last.
ALTER TABLE mailbox_tombstone ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
UPDATE mailbox_tombstone SET last = uid;

-- Tombstones up to this MODSEQ may have been swept.
ALTER TABLE mailbox_folder ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;

-- Subscribed names that are no folders: a folder that was deleted stays subscribed.
CREATE TABLE mailbox_subscription (
    account INTEGER NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- Sieve scripts.
CREATE TABLE mailbox_script (
    account INTEGER NOT NULL,
    name    TEXT NOT NULL,
    text    TEXT NOT NULL,
    active  INTEGER NOT NULL, -- 1 for at most one of an account
    changed INTEGER NOT NULL, -- microseconds
    PRIMARY KEY (account, name)
) STRICT;

-- Messages that somebody put into Junk or took out of it.
CREATE TABLE mailbox_junk_move (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL,
    body    INTEGER NOT NULL,
    was     TEXT NOT NULL, -- role
    now     TEXT NOT NULL, -- role
    time    INTEGER NOT NULL -- microseconds
) STRICT;
CREATE INDEX mailbox_junk_move_body ON mailbox_junk_move (body);
