-- Format 2 had no checksums, and did not say which ledger it was, how many claims it had recorded, nor when messages left.
-- Its rows move into the tables of schema.sql and identity.sql, which stand between this file and from_2_to_4_rows.sql. Foreign keys are off.
DROP INDEX history_of;
ALTER TABLE campaign RENAME TO old_campaign;
ALTER TABLE columns RENAME TO old_columns;
ALTER TABLE delivery RENAME TO old_delivery;
ALTER TABLE left_out RENAME TO old_left_out;
ALTER TABLE history RENAME TO old_history;
