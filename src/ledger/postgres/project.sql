-- Requests to one project (a base URL and an API key), of all campaigns that have it. Times in microseconds since 1970, by the
-- server's clock.
CREATE TABLE campaign.project (
    name    text COLLATE "C" PRIMARY KEY,    -- a hash of both
    moments bigint[] NOT NULL DEFAULT '{}'   -- when requests leave, in order; of those that have left only the last one
) WITH (fillfactor = 50);

DROP FUNCTION IF EXISTS campaign.reserve(integer, bigint, bigint, bigint);
ALTER TABLE campaign.pace DROP COLUMN IF EXISTS next_request;

-- Reserves the next moments: for some messages of a ledger, at least `spacing` apart from each other and those before, or for one
-- request (`messages` = 0) that is no message. Each is at least `gap` apart from every other request to the project; 0 is no limit.
CREATE FUNCTION campaign.reserve(of_ledger integer, to_project text, messages bigint, spacing bigint, gap bigint,
    OUT reserved bigint[], OUT now bigint) LANGUAGE plpgsql AS $$
DECLARE
    next_message bigint;
    busy bigint[] := '{}';
    moment bigint;
    other bigint;
BEGIN
    SELECT p.next_message INTO next_message FROM campaign.pace p WHERE p.ledger = of_ledger FOR UPDATE;
    IF gap > 0 THEN
        INSERT INTO campaign.project (name) SELECT to_project
            WHERE NOT EXISTS (SELECT FROM campaign.project p WHERE p.name = to_project) ON CONFLICT (name) DO NOTHING;
        SELECT p.moments INTO busy FROM campaign.project p WHERE p.name = to_project FOR UPDATE;
    END IF;
    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    moment := CASE WHEN messages > 0 THEN greatest(next_message, now) ELSE now END;
    reserved := '{}';
    FOR nth IN 1..greatest(messages, 1) LOOP
        -- The first place that is far enough from the others, from there on.
        FOREACH other IN ARRAY busy LOOP
            EXIT WHEN other - moment >= gap;
            moment := greatest(moment, other + gap);
        END LOOP;
        reserved := reserved || moment;
        moment := moment + greatest(spacing, gap);
    END LOOP;
    IF messages > 0 THEN
        UPDATE campaign.pace p SET next_message = reserved[messages::int] + spacing WHERE p.ledger = of_ledger;
    END IF;
    IF gap > 0 THEN
        UPDATE campaign.project p SET moments = ARRAY(
                SELECT m FROM unnest(busy || reserved) AS m
                WHERE m >= coalesce((SELECT max(past) FROM unnest(busy) AS past WHERE past <= now), 0) ORDER BY m)
            WHERE p.name = to_project;
    END IF;
END $$;
