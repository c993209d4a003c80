-- Words in the form of package mailbox. It keeps no text: what was found is in the
-- mailbox. The rowid is folder << 32 | uid, so that the hits of a folder stand together.
CREATE VIRTUAL TABLE mailbox_text USING fts5 (
    subject, people, header, body,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);
-- The words of many messages are merged in memory before they are written.
INSERT INTO mailbox_text (mailbox_text, rank) VALUES ('hashsize', 8000000);

-- How far each folder is indexed.
CREATE TABLE mailbox_text_folder (
    folder      INTEGER PRIMARY KEY,
    uidvalidity INTEGER NOT NULL,
    indexed     INTEGER NOT NULL, -- UID
    cleaned     INTEGER NOT NULL  -- MODSEQ: what was expunged until then is out of the index
) STRICT;
