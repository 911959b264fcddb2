-- Messages to an operator's own address. They are no deliveries: they count for limits, and for nothing else.
CREATE TABLE proof (
    id              INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    sent_by         TEXT NOT NULL,
    line            INTEGER NOT NULL,
    key             TEXT NOT NULL,
    address         TEXT NOT NULL,          -- masked
    state           TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'accepted', 'failed', 'unknown')),
    left_at         INTEGER,
    conversation_id INTEGER,
    message_id      INTEGER,
    livedesk_status TEXT,
    error_code      TEXT,
    error           TEXT,
    checksum        INTEGER NOT NULL GENERATED ALWAYS AS (checksum(
                        id, at, sent_by, line, key, address, state, left_at, conversation_id, message_id, livedesk_status,
                        error_code, error)) STORED
) STRICT;
