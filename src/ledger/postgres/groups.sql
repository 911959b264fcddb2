-- Which group of changes, committed together, changed a delivery last: whoever lost the connection before the answer to a commit
-- came asks.
ALTER TABLE campaign.delivery ADD changed_by bigint;
