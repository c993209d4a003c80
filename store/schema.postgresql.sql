-- A body stands in data (small), or in head and the object named place (large).
CREATE TABLE store_body (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created BIGINT NOT NULL, -- microseconds
    size    BIGINT NOT NULL, -- bytes, head included
    place   TEXT,
    head    BYTEA,
    data    BYTEA
);
-- Mail hardly compresses in pieces of this size and is read as often as written.
ALTER TABLE store_body ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX store_body_place ON store_body (place) WHERE place IS NOT NULL;

-- Bodies that lost a reference, to be looked at by the sweep.
CREATE TABLE store_released (body BIGINT NOT NULL);

-- Large bodies where the database is their place: pieces of a bounded size.
CREATE TABLE store_piece (
    place   TEXT NOT NULL,
    n       BIGINT NOT NULL,
    created BIGINT NOT NULL,
    data    BYTEA NOT NULL,
    PRIMARY KEY (place, n)
);
ALTER TABLE store_piece ALTER COLUMN data SET STORAGE EXTERNAL;

-- How far the sweep has come: bodies up to this one were looked at once.
CREATE TABLE store_swept (body BIGINT NOT NULL);
INSERT INTO store_swept (body) VALUES (0);
