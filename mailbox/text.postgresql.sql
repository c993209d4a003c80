-- Words in the form of package mailbox, in pieces: positions in a tsvector end at
-- 16,383. Each has the folder as a word, too, so that the index finds those of one
-- folder alone.
CREATE TABLE mailbox_text (
    message BIGINT NOT NULL, -- folder << 32 | uid
    piece   BIGINT NOT NULL,
    words   TSVECTOR NOT NULL,
    PRIMARY KEY (message, piece)
);
CREATE INDEX mailbox_text_words ON mailbox_text USING GIN (words);

-- How far each folder is indexed.
CREATE TABLE mailbox_text_folder (
    folder      BIGINT PRIMARY KEY,
    uidvalidity BIGINT NOT NULL,
    indexed     BIGINT NOT NULL, -- UID
    cleaned     BIGINT NOT NULL  -- MODSEQ: what was expunged until then is out of the index
);
