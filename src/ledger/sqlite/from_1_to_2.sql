-- Format 1 had no fingerprints, and kept the operator's word without what it was about.
ALTER TABLE delivery ADD COLUMN sent_as TEXT;
ALTER TABLE delivery ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
CREATE TABLE history (
    delivery   INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('failed', 'unknown')),
    error_code TEXT,
    error      TEXT,
    message_id INTEGER,
    claimed_at INTEGER,
    word       TEXT NOT NULL CHECK (word IN ('resolved as sent', 'resolved as not sent', 'sent again')),
    note       TEXT
) STRICT;
CREATE INDEX history_of ON history (delivery);
INSERT INTO history (delivery, at, outcome, word, note)
    SELECT delivery, at, 'unknown', iif(verdict = 'sent', 'resolved as sent', 'resolved as not sent'), note FROM resolution;
DROP TABLE resolution;
