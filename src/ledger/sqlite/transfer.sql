-- What a copy to another ledger has left here; no row in a ledger that was never part of one, or whose copy is complete.
CREATE TABLE transfer (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    id       TEXT NOT NULL,               -- the same in both ledgers of a copy
    word     TEXT NOT NULL CHECK (word IN ('moved', 'arriving')),
    place    TEXT NOT NULL,               -- where the campaign was moved to, or arrives from
    checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(one, id, word, place)) STORED
) STRICT;
