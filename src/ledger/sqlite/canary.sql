-- The canary of the message that counts now: what runs after this one have sent. No row: what all runs have sent.
CREATE TABLE canary (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    after_run INTEGER NOT NULL,
    verdict   TEXT CHECK (verdict IN ('approved', 'not confirmed')),
    checksum  INTEGER NOT NULL GENERATED ALWAYS AS (checksum(one, after_run, verdict)) STORED
) STRICT;
