-- Which worker sends the canary and has it approved; another one may when that one is dead or has left.
ALTER TABLE campaign.shared_state ADD canary_by bigint;
-- The guard that has stopped all, by its key in the spec.
ALTER TABLE campaign.shared_state ADD stopped_guard text;
