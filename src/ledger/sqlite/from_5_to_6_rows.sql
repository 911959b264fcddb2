-- Format 5 had no receipts: what it has accepted is followed from now on.
INSERT INTO receipt (delivery, conversation_id, contact_id, message_id, accepted_at, look_at)
    SELECT id, conversation_id, contact_id, message_id, coalesce(settled_at, 0),
        iif(conversation_id IS NULL OR message_id IS NULL, NULL, coalesce(settled_at, 0) + 900000)
    FROM delivery WHERE state = 'accepted';
