-- Quotas that count for all workers of a ledger, in the order of the spec. Whoever comes when nobody is at work begins anew, from
-- the deliveries.
CREATE TABLE campaign.quota (
    ledger integer NOT NULL REFERENCES campaign.ledger ON DELETE CASCADE,
    nth    smallint NOT NULL,
    count  bigint NOT NULL,                  -- so many messages
    per    interval NOT NULL,                -- in any time as long as this
    places bigint NOT NULL,                  -- how many of its places have a row
    PRIMARY KEY (ledger, nth)
);

-- A place in a quota is one message's, from before it leaves until `per` after. As many places as the quota has messages, each
-- used again only then, are never more messages in any time as long as `per`.
CREATE TABLE campaign.quota_place (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger  integer NOT NULL REFERENCES campaign.ledger ON DELETE CASCADE,
    nth     smallint NOT NULL,
    left_at timestamptz NOT NULL,            -- when the last message with this place left; never: '-infinity'
    held_by bigint,                          -- whose message on its way has it
    ticket  bigint                           -- which of that worker's
) WITH (fillfactor = 70);
CREATE INDEX quota_place_free ON campaign.quota_place (ledger, nth, left_at) WHERE held_by IS NULL;
CREATE INDEX quota_place_held ON campaign.quota_place (held_by, ticket) WHERE held_by IS NOT NULL;

-- Takes a place in every quota for a message of the worker `me`, or in none. Asking again with the same ticket takes nothing more.
-- Where a quota is full, `wait` says for how many milliseconds; null: until messages on their way have left.
CREATE FUNCTION campaign.take_places(of_ledger integer, me bigint, my_ticket bigint, OUT taken boolean, OUT wait bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    q campaign.quota;
    free record;
    ids bigint[] := '{}';
    unused smallint[] := '{}';
    now timestamptz;
BEGIN
    PERFORM FROM campaign.quota WHERE ledger = of_ledger ORDER BY nth FOR UPDATE;
    taken := true;
    IF EXISTS (SELECT FROM campaign.quota_place p WHERE p.held_by = me AND p.ticket = my_ticket) THEN
        RETURN;
    END IF;
    now := clock_timestamp();
    -- When the messages of dead workers have left is not known: not after now.
    UPDATE campaign.quota_place p SET left_at = now, held_by = NULL, ticket = NULL
        WHERE p.ledger = of_ledger AND p.held_by IS NOT NULL
            AND NOT EXISTS (SELECT FROM campaign.worker w WHERE w.id = p.held_by);
    FOR q IN SELECT * FROM campaign.quota o WHERE o.ledger = of_ledger ORDER BY o.nth LOOP
        SELECT p.id, p.left_at INTO free FROM campaign.quota_place p
            WHERE p.ledger = of_ledger AND p.nth = q.nth AND p.held_by IS NULL ORDER BY p.left_at LIMIT 1;
        IF free.left_at <= now - q.per THEN
            ids := ids || free.id;
        ELSIF q.places < q.count THEN
            unused := unused || q.nth;
        ELSE
            taken := false;
            wait := greatest(wait, (extract(epoch FROM free.left_at + q.per - now) * 1000)::bigint + 1);
        END IF;
    END LOOP;
    IF NOT taken OR NOT EXISTS (SELECT FROM campaign.worker w WHERE w.id = me) THEN
        taken := false;
        RETURN;
    END IF;
    UPDATE campaign.quota_place SET held_by = me, ticket = my_ticket WHERE id = ANY(ids);
    INSERT INTO campaign.quota_place (ledger, nth, left_at, held_by, ticket)
        SELECT of_ledger, nth, '-infinity', me, my_ticket FROM unnest(unused) AS nth;
    UPDATE campaign.quota o SET places = o.places + 1 WHERE o.ledger = of_ledger AND o.nth = ANY(unused);
END $$;
