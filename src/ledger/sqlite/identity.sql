-- Which ledger this is, how many claims it has recorded (compared with the counter that is kept beside the file), and what
-- tells whether its pages belong together.
CREATE TABLE identity (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    id       TEXT NOT NULL,
    claims   INTEGER NOT NULL DEFAULT 0,
    schema   INTEGER NOT NULL DEFAULT 0,    -- the checksum of the definitions of all tables
    progress INTEGER NOT NULL DEFAULT 0,    -- the sum of the checksums of what was tried, see below
    checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(one, id, claims, schema, progress)) STORED
) STRICT;
INSERT INTO identity (one, id) VALUES (1, lower(hex(randomblob(16))));

-- A page that is older than the others, or another ledger's, holds rows whose own checksums are right. So each delivery that
-- was tried counts into one sum, which SQLite itself keeps with each statement; it is compared when the ledger is opened.
CREATE TRIGGER progress_insert AFTER INSERT ON delivery WHEN new.attempts > 0 OR new.state <> 'pending' BEGIN
    UPDATE identity SET progress = progress + checksum(new.id, new.key, new.state, new.attempts, new.run);
END;
CREATE TRIGGER progress_update AFTER UPDATE OF state, attempts, run ON delivery BEGIN
    UPDATE identity SET progress = progress
        - iif(old.attempts > 0 OR old.state <> 'pending', checksum(old.id, old.key, old.state, old.attempts, old.run), 0)
        + iif(new.attempts > 0 OR new.state <> 'pending', checksum(new.id, new.key, new.state, new.attempts, new.run), 0);
END;
CREATE TRIGGER progress_delete AFTER DELETE ON delivery WHEN old.attempts > 0 OR old.state <> 'pending' BEGIN
    UPDATE identity SET progress = progress - checksum(old.id, old.key, old.state, old.attempts, old.run);
END;
