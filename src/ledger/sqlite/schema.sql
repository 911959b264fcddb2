-- Each row carries a checksum of its other columns, which SQLite keeps by itself and which is compared when the ledger is
-- opened: a bit that flips inside a cell is nothing that `integrity_check` can see.

-- The campaign of this file: what is sent, and how often the list has been read and a run begun.
CREATE TABLE campaign (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    name       TEXT NOT NULL,
    spec       TEXT NOT NULL,               -- the spec's text as it was when last enrolled
    vars       TEXT NOT NULL,               -- the constants in force, as a JSON object
    enrolment  INTEGER NOT NULL DEFAULT 0,  -- counts the readings of the list
    run        INTEGER NOT NULL DEFAULT 0,  -- counts the runs: the fence of claims
    last_request_at INTEGER,                -- when the last request left of a run that ended in good order
    clock      TEXT,                        -- what the clock showed when the last run began, to find out if it was set since
    checksum   INTEGER NOT NULL GENERATED ALWAYS AS (checksum(
                   one, name, spec, vars, enrolment, run, last_request_at, clock)) STORED
) STRICT;

-- Each set of column names once; the cells of a row stand in the same order.
CREATE TABLE columns (
    id       INTEGER PRIMARY KEY,
    names    TEXT NOT NULL UNIQUE,          -- a JSON array
    checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(id, names)) STORED
) STRICT;

-- One delivery for each key, for ever.
CREATE TABLE delivery (
    id               INTEGER PRIMARY KEY,
    key              TEXT NOT NULL UNIQUE,
    line             INTEGER NOT NULL,
    enrolment        INTEGER NOT NULL,      -- the reading that saw it last
    first_enrolment  INTEGER NOT NULL,
    changed_in       INTEGER,               -- the reading that last changed the row of a pending delivery
    columns          INTEGER NOT NULL REFERENCES columns (id),
    cells            TEXT NOT NULL,         -- a JSON array
    state            TEXT NOT NULL DEFAULT 'pending'
                     CHECK (state IN ('pending', 'claimed', 'accepted', 'failed', 'unknown')),
    run              INTEGER NOT NULL DEFAULT 0,
    attempts         INTEGER NOT NULL DEFAULT 0,
    contact_id       INTEGER,
    conversation_id  INTEGER,
    made_for         TEXT,                  -- the address for which contact and conversation were made
    sent_as          TEXT,                  -- the fingerprint of the message that was last claimed
    again            INTEGER NOT NULL DEFAULT 0, -- a failed one, while the list is read: 1 will be sent again, 2 will be if its message has changed
    message_id       INTEGER,
    livedesk_status  TEXT,
    error_code       TEXT,
    error            TEXT,
    first_attempt_at INTEGER,               -- milliseconds since 1970, UTC, as all times
    claimed_at       INTEGER,
    left_at          INTEGER,               -- when the message last left, by a clock that is not set during a run
    settled_at       INTEGER,
    checksum         INTEGER NOT NULL GENERATED ALWAYS AS (checksum(
                         id, key, line, enrolment, first_enrolment, changed_in, columns, cells, state, run, attempts,
                         contact_id, conversation_id, made_for, sent_as, again, message_id, livedesk_status, error_code,
                         error, first_attempt_at, claimed_at, left_at, settled_at)) STORED
) STRICT;

-- How deliveries had ended before an operator had them settled otherwise or sent again.
CREATE TABLE history (
    delivery   INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,           -- when the operator said so
    outcome    TEXT NOT NULL CHECK (outcome IN ('failed', 'unknown')),
    error_code TEXT,
    error      TEXT,
    message_id INTEGER,
    claimed_at INTEGER,                    -- when it was tried, if the delivery counts for another message since
    word       TEXT NOT NULL CHECK (word IN ('resolved as sent', 'resolved as not sent', 'sent again')),
    note       TEXT,
    checksum   INTEGER NOT NULL GENERATED ALWAYS AS (checksum(
                   delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)) STORED
) STRICT;
CREATE INDEX history_of ON history (delivery);

-- The contents of attachments in the version that is sent: a file that changes is a message that changes.
CREATE TABLE attachment (
    path TEXT PRIMARY KEY,                  -- as the message names it
    hash TEXT NOT NULL,
    checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(path, hash)) STORED
) STRICT;
