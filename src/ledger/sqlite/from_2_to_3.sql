-- Format 2 did not say which ledger it is, how many claims it had recorded, nor when messages left.
CREATE TABLE identity (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    id     TEXT NOT NULL,
    claims INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO identity (one, id, claims) SELECT 1, lower(hex(randomblob(16))), coalesce(sum(attempts), 0) FROM delivery;

-- The contents of attachments in the version that is sent: a file that changes is a message that changes.
CREATE TABLE attachment (
    path TEXT PRIMARY KEY,                  -- as the message names it
    hash TEXT NOT NULL
) STRICT;

-- When messages and requests left, and what the clock showed: limits hold across runs.
ALTER TABLE delivery ADD COLUMN left_at INTEGER;
ALTER TABLE campaign ADD COLUMN last_request_at INTEGER;
ALTER TABLE campaign ADD COLUMN clock TEXT;
