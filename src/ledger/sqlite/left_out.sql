-- Rows of the list as last read that are no delivery, and why.
CREATE TABLE left_out (
    line   INTEGER NOT NULL,
    key    TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('where', 'suppressed', 'duplicate', 'invalid')),
    detail TEXT NOT NULL,
    columns INTEGER REFERENCES columns (id), -- absent for a row that cannot be read
    cells  TEXT,
    checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(line, key, reason, detail, columns, cells)) STORED
) STRICT;
