-- Several processes at work on one ledger.

-- A worker lives as long as its row: the others delete it when `alive_until` has passed, or when its connection has ended and
-- it was not heard of since. Without `alive_until` it works alone, and lives as long as its connection.
ALTER TABLE campaign.worker ADD alive_until timestamptz;
ALTER TABLE campaign.worker ADD messages bigint NOT NULL DEFAULT 0;   -- how many it has settled
ALTER TABLE campaign.worker ADD stop boolean NOT NULL DEFAULT false;  -- whether it was asked to stop

ALTER TABLE campaign.ledger ADD fingerprint text;                     -- what all workers send, as a JSON object

-- A lease is one worker's as long as that lives.
ALTER TABLE campaign.delivery DROP leased_until;

-- Limits that count for all workers of a ledger. Times in microseconds since 1970, by the server's clock.
CREATE TABLE campaign.pace (
    ledger       integer PRIMARY KEY REFERENCES campaign.ledger ON DELETE CASCADE,
    next_message bigint NOT NULL DEFAULT 0,  -- when the next message may leave
    next_request bigint NOT NULL DEFAULT 0   -- when the next request may leave that is no message
) WITH (fillfactor = 50);

-- Reserves the next moments: for some messages, `spacing` apart, or for one request (`messages` = 0) that is no message.
-- Two requests, messages included, are at least `gap` apart; 0 is no limit. Reserved messages that have not left yet are
-- `spacing` apart, the last one that long before `next_message`; a request is put in between where it fits.
CREATE FUNCTION campaign.reserve(of_ledger integer, messages bigint, spacing bigint, gap bigint,
    OUT moment bigint, OUT now bigint) LANGUAGE plpgsql AS $$
DECLARE
    pace campaign.pace;
    last bigint;
    phase bigint;
BEGIN
    SELECT * INTO pace FROM campaign.pace WHERE ledger = of_ledger FOR UPDATE;
    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    IF messages > 0 THEN
        moment := greatest(pace.next_message, pace.next_request, now);
        UPDATE campaign.pace SET next_message = moment + messages * spacing WHERE ledger = of_ledger;
        RETURN;
    END IF;
    moment := greatest(pace.next_request, now);
    last := pace.next_message - spacing;
    IF spacing > 0 AND moment < last + gap THEN
        IF spacing < 2 * gap OR moment > last - gap THEN
            moment := last + gap;
        ELSE
            phase := ((moment - last) % spacing + spacing) % spacing;
            IF phase < gap THEN
                moment := moment + gap - phase;
            ELSIF phase > spacing - gap THEN
                moment := moment + spacing - phase + gap;
            END IF;
        END IF;
    END IF;
    UPDATE campaign.pace SET next_request = moment + gap WHERE ledger = of_ledger;
END $$;
