-- The rows of format 4, see from_4_to_5.sql.
INSERT INTO left_out (line, key, reason, detail) SELECT line, key, reason, detail FROM old_left_out;
DROP TABLE old_left_out;
