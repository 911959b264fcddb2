-- What concerns all who work on a ledger. Whoever comes when nobody is at work begins anew.
CREATE TABLE campaign.shared_state (
    ledger        integer PRIMARY KEY REFERENCES campaign.ledger ON DELETE CASCADE,
    paused_until  timestamptz,               -- "too many requests": nobody sends before then
    paused_by     text,                      -- who was told so, as all the `..._by` that are words
    was_asked_for boolean NOT NULL DEFAULT false, -- whether LiveDesk itself said for how long
    outages       bigint NOT NULL DEFAULT 0, -- how often there was no clear answer, after which all wait for one
    is_in_doubt   boolean NOT NULL DEFAULT false, -- whether one of those was to a message, and none was answered since
    failed_trials bigint NOT NULL DEFAULT 0, -- messages that went alone, one after the other, and were not answered either
    outage_why    text,
    outage_by     text,
    trial_by      bigint,                    -- whose message goes alone; it is free when that worker is dead
    stopped_why   text,                      -- the guard that has stopped all
    stopped_by    text,
    settled       bigint NOT NULL DEFAULT 0, -- what guards count
    accepted      bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    unknown       bigint NOT NULL DEFAULT 0,
    last_code     text,
    in_a_row      bigint NOT NULL DEFAULT 0  -- how often `last_code` came, and nothing was accepted in between
) WITH (fillfactor = 50);
INSERT INTO campaign.shared_state (ledger) SELECT id FROM campaign.ledger;

-- What was counted of a worker: settled, accepted, failed, unknown, the ends of a row of failures, and the length of the last one.
ALTER TABLE campaign.worker ADD counted bigint[] NOT NULL DEFAULT '{0, 0, 0, 0, 0, 0}';

-- Adds what a worker has counted since it last said so. `counts` are all since it began, so that nothing is counted twice when
-- it says the same again; `code` is that of its last row of failures.
CREATE FUNCTION campaign.count_outcomes(me bigint, of_ledger integer, counts bigint[], code text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    old bigint[];
BEGIN
    SELECT w.counted INTO old FROM campaign.worker w WHERE w.id = me FOR UPDATE;
    IF NOT FOUND OR old = counts THEN
        RETURN;
    END IF;
    UPDATE campaign.worker SET counted = counts WHERE id = me;
    UPDATE campaign.shared_state s SET
        settled = s.settled + counts[1] - old[1],
        accepted = s.accepted + counts[2] - old[2],
        failed = s.failed + counts[3] - old[3],
        unknown = s.unknown + counts[4] - old[4],
        last_code = CASE WHEN counts[5] > old[5] OR counts[6] > old[6] THEN code ELSE s.last_code END,
        in_a_row = CASE
            WHEN counts[5] > old[5] THEN counts[6]
            WHEN counts[6] > old[6] AND s.last_code = code THEN s.in_a_row + counts[6] - old[6]
            WHEN counts[6] > old[6] THEN counts[6] - old[6]
            ELSE s.in_a_row END
    WHERE s.ledger = of_ledger;
END $$;

-- Whoever looks for the dead looks at those alone who were not heard of for a while.
CREATE INDEX worker_heard_of ON campaign.worker (ledger, heartbeat);
