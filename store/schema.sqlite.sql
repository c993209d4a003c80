-- A body stands in data (small), or in head and the object named place (large).
CREATE TABLE store_body (
    id      INTEGER PRIMARY KEY,
    created INTEGER NOT NULL, -- microseconds
    size    INTEGER NOT NULL, -- bytes, head included
    place   TEXT,
    head    BLOB,
    data    BLOB
) STRICT;

CREATE UNIQUE INDEX store_body_place ON store_body (place) WHERE place IS NOT NULL;

-- Bodies that lost a reference, to be looked at by the sweep.
CREATE TABLE store_released (body INTEGER NOT NULL) STRICT;

-- Large bodies where the database is their place: pieces of a bounded size.
CREATE TABLE store_piece (
    place   TEXT NOT NULL,
    n       INTEGER NOT NULL,
    created INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (place, n)
) STRICT;

-- How far the sweep has come: bodies up to this one were looked at once.
CREATE TABLE store_swept (body INTEGER NOT NULL) STRICT;
INSERT INTO store_swept (body) VALUES (0);
