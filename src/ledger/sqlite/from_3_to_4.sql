-- Format 3 could not tell that some of its pages were older than the others. Today's identity.sql stands between this file
-- and from_3_to_4_rows.sql.
ALTER TABLE identity RENAME TO old_identity;
