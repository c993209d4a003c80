-- What is known of this store and its backups: "store" is its name for ever,
-- "repository" the one it writes into, "restoring" that a disaster is being undone.
CREATE TABLE backup_fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What only one process may do at a time.
CREATE TABLE backup_lease (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires INTEGER NOT NULL -- microseconds
) STRICT, WITHOUT ROWID;

-- Backups that were tried.
CREATE TABLE backup_run (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    started  INTEGER NOT NULL, -- microseconds
    ended    INTEGER NOT NULL, -- 0: under way, or killed
    snapshot TEXT NOT NULL,    -- empty: none came of it
    error    TEXT NOT NULL
) STRICT;

-- Folders that are being filled: whoever fills them holds them, and when it is gone they
-- are given up.
CREATE TABLE backup_filling (
    folder  INTEGER PRIMARY KEY,
    tree    TEXT NOT NULL,
    expires INTEGER NOT NULL -- microseconds
) STRICT;

-- Trees whose owner was told that they go tomorrow.
CREATE TABLE backup_reminded (
    account INTEGER NOT NULL,
    name    TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;
