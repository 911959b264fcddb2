-- The canary of the message that counts now: what runs after this one have sent. No row: what all runs have sent.
CREATE TABLE campaign.canary (
    ledger    integer PRIMARY KEY REFERENCES campaign.ledger ON DELETE CASCADE,
    after_run bigint NOT NULL,
    verdict   text CHECK (verdict IN ('approved', 'not confirmed'))
);
