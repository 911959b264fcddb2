
-- What a copy to another ledger has left here; no row of a ledger that was never part of one, or whose copy is complete.
CREATE TABLE campaign.transfer (
    ledger integer PRIMARY KEY REFERENCES campaign.ledger ON DELETE CASCADE,
    id     text NOT NULL,                    -- the same in both ledgers of a copy
    word   text NOT NULL CHECK (word IN ('moved', 'arriving')),
    place  text NOT NULL                     -- where the campaign was moved to, or arrives from
);
