-- The rows of format 2, see from_2_to_4.sql.
INSERT INTO campaign (one, name, spec, vars, enrolment, run)
    SELECT one, name, spec, vars, enrolment, run FROM old_campaign;
INSERT INTO columns (id, names)
    SELECT id, names FROM old_columns;
INSERT INTO delivery (id, key, line, enrolment, first_enrolment, changed_in, columns, cells, state, run, attempts, contact_id, conversation_id, made_for, sent_as, again, message_id, livedesk_status, error_code, error, first_attempt_at, claimed_at, settled_at)
    SELECT id, key, line, enrolment, first_enrolment, changed_in, columns, cells, state, run, attempts, contact_id, conversation_id, made_for, sent_as, again, message_id, livedesk_status, error_code, error, first_attempt_at, claimed_at, settled_at FROM old_delivery;
INSERT INTO left_out (line, key, reason, detail)
    SELECT line, key, reason, detail FROM old_left_out;
INSERT INTO history (delivery, at, outcome, error_code, error, message_id, claimed_at, word, note)
    SELECT delivery, at, outcome, error_code, error, message_id, claimed_at, word, note FROM old_history;
UPDATE identity SET claims = (SELECT coalesce(sum(attempts), 0) FROM delivery);
DROP TABLE old_history;
DROP TABLE old_left_out;
DROP TABLE old_delivery;
DROP TABLE old_columns;
DROP TABLE old_campaign;
