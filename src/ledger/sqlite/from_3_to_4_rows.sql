-- The identity of format 3, see from_3_to_4.sql.
UPDATE identity SET (id, claims) = (SELECT id, claims FROM old_identity),
    progress = (SELECT coalesce(sum(checksum(id, key, state, attempts, run)), 0) FROM delivery
                WHERE attempts > 0 OR state <> 'pending');
DROP TABLE old_identity;
