//! Receipts of accepted messages.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::*;

// Receipts.

pub(super) fn seen(status: MessageStatus, at: Timestamp) -> Receipt {
    Receipt { seen: Some(StatusUpdate::new(status, at)), checked_at: Some(at), ..Receipt::default() }
}

pub(super) fn undelivered(code: &str, at: Timestamp, checked_at: Timestamp) -> Receipt {
    let why = StatusUpdate {
        code: Some(code.to_owned()),
        error: Some("no".to_owned()),
        ..StatusUpdate::new(MessageStatus::Failed, at)
    };
    Receipt { seen: Some(why), checked_at: Some(checked_at), ..Receipt::default() }
}

/// Records that somebody has looked at the message of a key.
pub(super) async fn observe(ledger: &impl Ledger, key: &str, receipt: Receipt, next_look: Option<Timestamp>) {
    let all = ledger.tracked_in(vec![CONVERSATION], Vec::new()).await.unwrap();
    let accepted = records(ledger).await.into_iter().filter(|record| record.outcome == State::Accepted);
    let at = accepted.into_iter().position(|record| record.key == key).unwrap();
    let (position, message_id) = (all[at].position, all[at].message_id);
    ledger.observe(vec![Observation { position, message_id, receipt, next_look, contact_id: None }]).await.unwrap();
}

/// Times are kept in milliseconds.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

pub(super) fn hours_ago(hours: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_hours(hours)
}

pub(super) async fn an_accepted_message_is_due_for_a_first_look_and_then_as_was_said<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    let due = async |by: Timestamp| ledger.tracked(TrackQuery::DueBy(by), None, 10).await.unwrap();
    assert_eq!(due(Timestamp::now()).await, []);
    let first = due(Timestamp::MAX).await.remove(0);
    assert_eq!(due(Timestamp::MAX).await.len(), 1);
    assert_eq!((first.message_id, first.conversation_id), (MessageId(9), CONVERSATION));
    assert_eq!(first.receipt, Receipt::default());
    let wait = first.next_look.unwrap().duration_since(first.accepted_at);
    assert!((wait.as_secs() - 15 * 60).abs() <= 1 && FIRST_LOOK == Duration::from_mins(15), "{wait}");
    observe(&ledger, "a", seen(MessageStatus::Sent, now()), Some(hours_ago(1))).await;
    assert_eq!(due(Timestamp::now()).await.len(), 1);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), Some(first.position), 10).await.unwrap(), []);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 0).await.unwrap(), []);
    observe(&ledger, "a", seen(MessageStatus::Delivered, now()), None).await;
    assert_eq!(due(Timestamp::MAX).await, []);
    assert_eq!(ledger.tracked(TrackQuery::Open, None, 10).await.unwrap(), []);
    totals_add_up(&ledger).await;
}

pub(super) async fn what_is_seen_is_merged_and_stands_in_the_record<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    settle(&ledger, "a", accepted()).await;
    assert_eq!(record(&ledger, "a").await.receipt.receipt, None);
    let (early, late) = (hours_ago(2), hours_ago(1));
    observe(&ledger, "a", undelivered("131050", early, early), Some(late)).await;
    let line = record(&ledger, "a").await.receipt;
    assert_eq!((line.receipt, line.receipt_at), (Some(ReceiptState::Failed), Some(early)));
    assert_eq!((line.receipt_code.as_deref(), line.receipt_error.as_deref()), (Some("131050"), Some("no")));
    assert_eq!((line.opted_out, line.checked_at), (Some(OptOut::Yes), Some(early)));
    totals_add_up(&ledger).await;
    let reply = Receipt { replied_at: Some(early), ..seen(MessageStatus::Read, late) };
    observe(&ledger, "a", reply, None).await;
    let line = record(&ledger, "a").await.receipt;
    assert_eq!((line.receipt, line.receipt_at), (Some(ReceiptState::Read), Some(late)));
    assert_eq!((line.receipt_code, line.replied_at, line.opted_out), (None, Some(early), Some(OptOut::Yes)));
    let totals = ledger.totals().await.unwrap().receipts;
    assert_eq!((totals.read, totals.replied, totals.opted_out, totals.checked_at), (1, 1, 1, Some(late)));
    assert_eq!(record(&ledger, "a").await.outcome, State::Accepted, "receipts change no outcome");
    totals_add_up(&ledger).await;
}

pub(super) async fn without_a_receipt_until_the_end_there_is_none<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    observe(&ledger, "a", seen(MessageStatus::Sent, now()), None).await;
    assert_eq!(record(&ledger, "a").await.receipt.receipt, Some(ReceiptState::None));
    // What an operator knows to be sent has no message that could be looked at.
    settle(&ledger, "b", unknown()).await;
    ledger.resolve(Some(vec!["b".to_owned()]), true, None).await.unwrap();
    assert_eq!(record(&ledger, "b").await.receipt.receipt, Some(ReceiptState::None));
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 10).await.unwrap(), []);
    totals_add_up(&ledger).await;
}

pub(super) async fn messages_are_found_by_conversation_and_by_contact<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", accepted()).await;
    let found = async |conversations: &[u64], contacts: &[u64]| {
        let conversations = conversations.iter().copied().map(ConversationId).collect();
        let contacts = contacts.iter().copied().map(ContactId).collect();
        ledger.tracked_in(conversations, contacts).await.unwrap().len()
    };
    assert_eq!(found(&[7, 8], &[]).await, 2);
    assert_eq!(found(&[], &[5, 7]).await, 1);
    assert_eq!(found(&[7], &[5]).await, 2);
    assert_eq!(found(&[u64::MAX], &[0]).await, 0);
    // Contacts are merged, and of the second it was not known.
    for message in ledger.tracked_in(vec![CONVERSATION], Vec::new()).await.unwrap() {
        let (position, message_id, next_look) = (message.position, message.message_id, message.next_look);
        let observe = async |contact_id| {
            let receipt = Receipt::default();
            ledger.observe(vec![Observation { position, message_id, receipt, next_look, contact_id }]).await.unwrap();
        };
        observe(Some(ContactId(6))).await;
        observe(None).await;
    }
    assert_eq!((found(&[], &[5]).await, found(&[], &[6]).await), (0, 2));
}

pub(super) async fn whoever_tracks_beside_a_run_is_seen_by_it_and_keeps_it_from_nothing<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    let in_flight = claim(&ledger, "b").await;
    let tracker = backend.track().await;
    observe(&tracker, "a", seen(MessageStatus::Read, now()), None).await;
    assert_eq!(tracker.unknown_deliveries().await.unwrap().len(), 0, "what a run has in flight is not in doubt");
    ledger.settle(in_flight, accepted()).await.unwrap();
    assert_eq!(ledger.totals().await.unwrap().receipts.read, 1);
    drop((tracker, ledger));
    assert_eq!(state(&backend.open().await.unwrap(), "b").await, State::Accepted);
}

pub(super) async fn how_far_all_was_seen_only_grows<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    assert_eq!(ledger.complete_until().await.unwrap(), None);
    let (early, late) = (hours_ago(2), hours_ago(1));
    for until in [late, early] {
        ledger.set_complete_until(until).await.unwrap();
        assert_eq!(ledger.complete_until().await.unwrap(), Some(late));
    }
}

pub(super) fn retry_undelivered(code: &str, hours: u64, if_message_changed: bool) -> RetryRules {
    let rule = RetryUndelivered { after: Duration::from_secs(hours * 3600), if_message_changed };
    RetryRules { undelivered: BTreeMap::from([(code.to_owned(), rule)]), ..RetryRules::default() }
}

pub(super) async fn an_undelivered_message_is_sent_again_only_after_a_late_look_and_never_once_it_arrived<
    B: Backend,
>(
    backend: B,
) {
    let keys = ["late", "fresh", "unchecked", "arrived", "other", "sent", "stopped"];
    let ledger = enrolled(&backend, &keys).await;
    for key in keys {
        settle(&ledger, key, accepted()).await;
    }
    let (before, after) = (hours_ago(30), hours_ago(1));
    observe(&ledger, "late", undelivered("131049", before, after), None).await;
    observe(&ledger, "fresh", undelivered("131049", after, now()), None).await;
    observe(&ledger, "unchecked", undelivered("131049", before, hours_ago(28)), None).await;
    observe(&ledger, "arrived", undelivered("131049", before, after), None).await;
    observe(&ledger, "arrived", seen(MessageStatus::Delivered, after), None).await;
    observe(&ledger, "other", undelivered("131026", before, after), None).await;
    observe(&ledger, "sent", seen(MessageStatus::Sent, after), None).await;
    let stopped = Receipt { opted_out: Some(OptOut::Maybe), ..undelivered("131049", before, after) };
    observe(&ledger, "stopped", stopped, None).await;
    assert_eq!(ledger.retry_failed(retry_undelivered("131049", 24, false)).await.unwrap(), 1);
    assert_eq!(pending(&ledger).await, ["late"]);
    let line = record(&ledger, "late").await;
    assert_eq!(line.receipt, campaign::report::ReceiptColumns::default());
    assert_eq!(line.earlier.len(), 1);
    let past = &line.earlier[0];
    assert_eq!((past.outcome, past.error_code.as_deref()), (State::Failed, Some("131049")));
    assert_eq!(past.action, OperatorAction::Retried);
    totals_add_up(&ledger).await;
    // Its next message is followed like any other, and looks at the one before count for nothing.
    let again = claim(&ledger, "late").await;
    let second = Outcome::Accepted { message_id: MessageId(10), livedesk_status: "sent".to_owned() };
    ledger.settle(again, second).await.unwrap();
    let position = ledger.tracked_in(vec![CONVERSATION], Vec::new()).await.unwrap()[0].position;
    let receipt = seen(MessageStatus::Read, now());
    let stale = Observation { position, message_id: MessageId(9), receipt, next_look: None, contact_id: None };
    ledger.observe(vec![stale]).await.unwrap();
    assert_eq!(record(&ledger, "late").await.receipt.receipt, None);
    totals_add_up(&ledger).await;
}

pub(super) async fn an_undelivered_message_that_must_change_waits_for_the_change<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    settle(&ledger, "a", accepted()).await;
    observe(&ledger, "a", undelivered("132000", hours_ago(30), hours_ago(1)), None).await;
    assert_eq!(ledger.retry_failed(retry_undelivered("132000", 24, true)).await.unwrap(), 0);
    let changed = Entry::Delivery { key: "a".to_owned(), row: row_of(2, "name", "a"), message: Some("new".to_owned()) };
    let enrolment = enroll_rows(&ledger, vec![changed], Some(retry_undelivered("132000", 24, true))).await;
    assert_eq!((enrolment.retried, pending(&ledger).await), (1, vec!["a".to_owned()]));
}

pub(super) async fn an_unknown_delivery_is_settled_by_what_was_seen<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    let before = Timestamp::now() - jiff::SignedDuration::from_secs(1);
    settle(&ledger, "a", unknown()).await;
    settle(&ledger, "b", unknown()).await;
    drop(claim(&ledger, "c").await);
    drop(ledger);
    let ledger = backend.open().await.unwrap();
    let unknown_deliveries = ledger.unknown_deliveries().await.unwrap();
    assert_eq!(unknown_deliveries.iter().map(|it| it.lease.key.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(
        unknown_deliveries.iter().all(|it| it.lease.conversation_id == Some(CONVERSATION) && it.claimed_at > before)
    );
    let resolution = |at: usize, message_id| Resolution {
        position: unknown_deliveries[at].lease.position(),
        message_id,
        note: "seen there".to_owned(),
    };
    let resolutions = vec![resolution(0, Some(MessageId(44))), resolution(1, None)];
    assert_eq!(ledger.settle_by_evidence(resolutions.clone()).await.unwrap(), 2);
    assert_eq!(ledger.settle_by_evidence(resolutions).await.unwrap(), 0, "they are no longer unknown");
    let (sent, not) = (record(&ledger, "a").await, record(&ledger, "b").await);
    assert_eq!((sent.outcome, sent.message_id), (State::Accepted, Some(44)));
    assert_eq!(sent.error_code.as_deref(), Some(RESOLVED));
    assert_eq!((not.outcome, not.message_id), (State::Pending, None));
    assert_eq!(sent.earlier[0].note.as_deref(), Some("seen there"));
    assert_eq!(not.earlier[0].action, OperatorAction::ResolvedAsNotSent);
    assert_eq!(ledger.tracked(TrackQuery::DueBy(Timestamp::MAX), None, 10).await.unwrap()[0].message_id, MessageId(44));
    assert_eq!(state(&ledger, "c").await, State::Unknown);
    totals_add_up(&ledger).await;
}
