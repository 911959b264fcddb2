-- What became of accepted messages. Each accepted delivery has one row, from the moment when it is accepted until an operator
-- has it sent again. Whoever follows messages uses only this table, beside a run that is under way.
CREATE TABLE receipt (
    delivery        INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
    conversation_id INTEGER,
    contact_id      INTEGER,
    message_id      INTEGER,
    accepted_at     INTEGER NOT NULL,
    look_at         INTEGER,               -- when to look at it next; NULL: never again
    status          TEXT CHECK (status IN ('sent', 'failed', 'delivered', 'read')),
    status_at       INTEGER,               -- when that was first seen, by our clock
    code            TEXT,                  -- why it failed
    error           TEXT,
    replied_at      INTEGER,               -- by LiveDesk's clock
    opted_out       TEXT CHECK (opted_out IN ('maybe', 'yes')),
    checked_at      INTEGER,
    is_gone         INTEGER NOT NULL DEFAULT 0,
    checksum        INTEGER NOT NULL GENERATED ALWAYS AS (checksum(
                        delivery, conversation_id, contact_id, message_id, accepted_at, look_at, status, status_at, code,
                        error, replied_at, opted_out, checked_at, is_gone)) STORED
) STRICT;
CREATE INDEX receipt_of_conversation ON receipt (conversation_id);
CREATE INDEX receipt_of_contact ON receipt (contact_id);

-- 900000: the first look is 15 minutes later, `receipt::FIRST_LOOK`. Without message or conversation there is nothing to look at.
CREATE TRIGGER receipt_begins AFTER UPDATE OF state ON delivery WHEN new.state = 'accepted' AND old.state <> 'accepted' BEGIN
    INSERT OR REPLACE INTO receipt (delivery, conversation_id, contact_id, message_id, accepted_at, look_at)
    SELECT new.id, new.conversation_id, new.contact_id, new.message_id, new.settled_at,
        iif(new.conversation_id IS NULL OR new.message_id IS NULL, NULL, new.settled_at + 900000);
END;
CREATE TRIGGER receipt_begins_with_its_row AFTER INSERT ON delivery WHEN new.state = 'accepted' BEGIN
    INSERT OR REPLACE INTO receipt (delivery, conversation_id, contact_id, message_id, accepted_at, look_at)
    SELECT new.id, new.conversation_id, new.contact_id, new.message_id, coalesce(new.settled_at, 0),
        iif(new.conversation_id IS NULL OR new.message_id IS NULL, NULL, coalesce(new.settled_at, 0) + 900000);
END;
CREATE TRIGGER receipt_ends AFTER UPDATE OF state ON delivery WHEN old.state = 'accepted' AND new.state <> 'accepted' BEGIN
    DELETE FROM receipt WHERE delivery = new.id;
END;

-- How far the conversations of the server have been looked through.
CREATE TABLE tracking (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    complete_until INTEGER,                -- all that changed until then has been seen
    checksum       INTEGER NOT NULL GENERATED ALWAYS AS (checksum(one, complete_until)) STORED
) STRICT;
INSERT INTO tracking (one) VALUES (1);
