-- One schema for the ledgers of all campaigns. Times are milliseconds since 1970, UTC, unless they have a type of their own.
CREATE TABLE campaign.format (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    format  bigint NOT NULL
);

-- A campaign: what is sent, and how often the list has been read and a run begun.
CREATE TABLE campaign.ledger (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text COLLATE "C" NOT NULL UNIQUE,
    campaign  text,                          -- null until a list was taken in
    spec      text NOT NULL DEFAULT '',      -- the spec's text as it was when last enrolled
    vars      text NOT NULL DEFAULT '{}',    -- the constants in force, as a JSON object
    enrolment bigint NOT NULL DEFAULT 0,     -- counts the readings of the list
    run       bigint NOT NULL DEFAULT 0,     -- counts the runs: the fence of claims
    complete_until bigint,                   -- all that changed in the server's conversations until then has been seen
    last_request_at bigint                   -- when the last request left of a run that ended in good order
);

-- Processes that run a campaign.
CREATE TABLE campaign.worker (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger    integer NOT NULL REFERENCES campaign.ledger ON DELETE CASCADE,
    host      text NOT NULL,
    process   bigint NOT NULL,
    since     bigint NOT NULL,
    heartbeat timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX worker_of ON campaign.worker (ledger);

-- Each set of column names once for a ledger; the cells of a row stand in the same order.
CREATE TABLE campaign.columns (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger integer NOT NULL REFERENCES campaign.ledger ON DELETE CASCADE,
    names  text NOT NULL                     -- a JSON array
);
CREATE INDEX columns_of ON campaign.columns (ledger);

-- One delivery for each key of a ledger, for ever.
CREATE TABLE campaign.delivery (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger           integer NOT NULL,
    key              text COLLATE "C" NOT NULL,
    line             bigint NOT NULL,
    enrolment        bigint NOT NULL,        -- the reading that saw it last
    first_enrolment  bigint NOT NULL,
    changed_in       bigint,                 -- the reading that last changed the row of a pending delivery
    columns          bigint NOT NULL,
    cells            text NOT NULL,          -- a JSON array
    state            text NOT NULL DEFAULT 'pending'
                     CHECK (state IN ('pending', 'claimed', 'accepted', 'failed', 'unknown')),
    run              bigint NOT NULL DEFAULT 0,
    worker           bigint,                 -- who claimed it last
    leased_by        bigint,
    leased_until     timestamptz,
    attempts         bigint NOT NULL DEFAULT 0,
    contact_id       bigint,
    conversation_id  bigint,
    made_for         text,                   -- the address for which contact and conversation were made
    sent_as          text,                   -- the fingerprint of the message that was last claimed
    again            bigint NOT NULL DEFAULT 0, -- a failed one, while the list is read: 1 will be sent again, 2 if its message has changed
    message_id       bigint,
    livedesk_status  text,
    error_code       text,
    error            text,
    first_attempt_at bigint,
    claimed_at       bigint,
    left_at          bigint,                 -- when the message last left
    settled_at       bigint,
    UNIQUE (ledger, key)
) WITH (fillfactor = 80);
CREATE INDEX delivery_pending ON campaign.delivery (ledger, id) WHERE state = 'pending';
CREATE INDEX delivery_claimed ON campaign.delivery (ledger, worker) WHERE state = 'claimed';

-- Rows of the list as last read that are no delivery, and why.
CREATE TABLE campaign.left_out (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger integer NOT NULL,
    line   bigint NOT NULL,
    key    text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason IN ('where', 'suppressed', 'duplicate', 'invalid')),
    detail text NOT NULL,
    columns bigint,                          -- absent for a row that cannot be read
    cells  text
);
CREATE INDEX left_out_of ON campaign.left_out (ledger);

-- How deliveries had ended before an operator had them settled otherwise or sent again.
CREATE TABLE campaign.history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger     integer NOT NULL,
    delivery   bigint NOT NULL REFERENCES campaign.delivery ON DELETE CASCADE,
    at         bigint NOT NULL,              -- when the operator said so
    outcome    text NOT NULL CHECK (outcome IN ('failed', 'unknown')),
    error_code text,
    error      text,
    message_id bigint,
    claimed_at bigint,                       -- when it was tried, if the delivery counts for another message since
    word       text NOT NULL CHECK (word IN ('resolved as sent', 'resolved as not sent', 'sent again')),
    note       text
);
CREATE INDEX history_of ON campaign.history (delivery);
CREATE INDEX history_in ON campaign.history (ledger);

-- The contents of attachments in the version that is sent: a file that changes is a message that changes.
CREATE TABLE campaign.attachment (
    ledger integer NOT NULL REFERENCES campaign.ledger ON DELETE CASCADE,
    path   text NOT NULL,                    -- as the message names it
    hash   text NOT NULL,
    PRIMARY KEY (ledger, path)
);

-- What became of accepted messages. Each accepted delivery has one row, from the moment when it is accepted until an operator
-- has it sent again.
CREATE TABLE campaign.receipt (
    delivery        bigint PRIMARY KEY REFERENCES campaign.delivery ON DELETE CASCADE,
    ledger          integer NOT NULL,
    conversation_id bigint,
    contact_id      bigint,
    message_id      bigint,
    accepted_at     bigint NOT NULL,
    look_at         bigint,                  -- when to look at it next; null: never again
    status          text CHECK (status IN ('sent', 'failed', 'delivered', 'read')),
    status_at       bigint,                  -- when that was first seen, by our clock
    code            text,                    -- why it failed
    error           text,
    replied_at      bigint,                  -- by LiveDesk's clock
    opted_out       text CHECK (opted_out IN ('maybe', 'yes')),
    checked_at      bigint,
    is_gone         bigint NOT NULL DEFAULT 0
);
CREATE INDEX receipt_due ON campaign.receipt (ledger, delivery);
CREATE INDEX receipt_of_conversation ON campaign.receipt (conversation_id);
CREATE INDEX receipt_of_contact ON campaign.receipt (contact_id);

-- 900000: the first look is 15 minutes later, `receipt::FIRST_LOOK`. Without message or conversation there is nothing to look at.
CREATE FUNCTION campaign.begin_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO campaign.receipt (delivery, ledger, conversation_id, contact_id, message_id, accepted_at, look_at)
    VALUES (new.id, new.ledger, new.conversation_id, new.contact_id, new.message_id, coalesce(new.settled_at, 0),
        CASE WHEN new.conversation_id IS NOT NULL AND new.message_id IS NOT NULL
             THEN coalesce(new.settled_at, 0) + 900000 END);
    RETURN NULL;
END $$;
CREATE FUNCTION campaign.end_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM campaign.receipt WHERE delivery = new.id;
    RETURN NULL;
END $$;
CREATE TRIGGER receipt_begins AFTER UPDATE OF state ON campaign.delivery FOR EACH ROW
    WHEN (new.state = 'accepted' AND old.state <> 'accepted') EXECUTE FUNCTION campaign.begin_receipt();
CREATE TRIGGER receipt_begins_with_its_row AFTER INSERT ON campaign.delivery FOR EACH ROW
    WHEN (new.state = 'accepted') EXECUTE FUNCTION campaign.begin_receipt();
CREATE TRIGGER receipt_ends AFTER UPDATE OF state ON campaign.delivery FOR EACH ROW
    WHEN (old.state = 'accepted' AND new.state <> 'accepted') EXECUTE FUNCTION campaign.end_receipt();
