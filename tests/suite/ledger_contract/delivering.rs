//! Leases, claims, and what they end with.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::*;

// A claim is made once, and ended by its run.

pub(super) async fn of_two_leases_of_a_delivery_one_can_be_claimed<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let (one, other) = (lease(&ledger, "a").await, lease(&ledger, "a").await);
    let claim = ledger.claim(one, CONVERSATION).await.unwrap();
    is_conflict(&ledger.claim(other, CONVERSATION).await);
    assert_eq!(pending(&ledger).await, Vec::<String>::new());
    ledger.settle(claim, accepted()).await.unwrap();
}

pub(super) async fn a_lease_that_is_dropped_is_pending<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    drop(lease(&ledger, "a").await);
    assert_eq!(pending(&ledger).await, ["a"]);
}

pub(super) async fn a_claim_ends_once<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let claim = claim(&ledger, "a").await;
    ledger.record_end(&claim, ClaimEnd::Settled(accepted())).await.unwrap();
    for end in [ClaimEnd::Withdrawn, ClaimEnd::Released, ClaimEnd::Settled(failed("131047"))] {
        is_conflict(&ledger.record_end(&claim, end).await);
    }
    assert_eq!(state(&ledger, "a").await, State::Accepted);
}

pub(super) async fn a_claim_of_a_dead_run_is_unknown_and_ended_by_nobody<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    let claim = claim(&ledger, "a").await;
    drop(ledger);
    let ledger = backend.open().await.unwrap();
    assert_eq!(ledger.interrupted(), 1);
    assert_eq!(pending(&ledger).await, ["b"]);
    ledger.begin_run().await.unwrap();
    is_conflict(&ledger.record_end(&claim, ClaimEnd::Settled(accepted())).await);
    is_conflict(&ledger.release(claim).await);
    let record = record(&ledger, "a").await;
    assert_eq!((record.outcome, record.error_code.as_deref()), (State::Unknown, Some("cut-off")));
    totals_add_up(&ledger).await;
}

pub(super) async fn a_run_does_not_end_claims_of_the_one_before<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let claim = claim(&ledger, "a").await;
    ledger.begin_run().await.unwrap();
    is_conflict(&ledger.record_end(&claim, ClaimEnd::Released).await);
    assert_eq!(ledger.settle_interrupted().await.unwrap(), 1);
    assert_eq!(state(&ledger, "a").await, State::Unknown);
}

pub(super) async fn a_claim_that_is_withdrawn_was_no_attempt_and_one_that_is_released_was<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let withdrawn = claim(&ledger, "a").await;
    ledger.withdraw(withdrawn).await.unwrap();
    let record = records(&ledger).await.remove(0);
    assert_eq!((record.outcome, record.attempts, record.first_attempt_at), (State::Pending, 0, None));
    let released = claim(&ledger, "a").await;
    let lease = ledger.release(released).await.unwrap();
    assert_eq!((lease.attempts, lease.conversation_id), (1, Some(CONVERSATION)));
    let record = records(&ledger).await.remove(0);
    assert!((record.outcome, record.attempts) == (State::Pending, 1) && record.first_attempt_at.is_some());
    ledger.claim(lease, CONVERSATION).await.unwrap().leaves(Timestamp::now());
}

pub(super) async fn an_outcome_is_recorded_as_it_was<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    let failure = Failure {
        message_id: Some(MessageId(u64::MAX)),
        livedesk_status: Some("failed".to_owned()),
        ..Failure::new("131047", "too late")
    };
    settle(&ledger, "b", Outcome::Failed(failure)).await;
    settle(&ledger, "c", unknown()).await;
    let records = records(&ledger).await;
    let (a, b, c) = (&records[0], &records[1], &records[2]);
    assert_eq!((a.outcome, a.message_id, a.livedesk_status.as_deref()), (State::Accepted, Some(9), Some("sent")));
    assert_eq!((b.outcome, b.message_id, b.error_code.as_deref()), (State::Failed, Some(u64::MAX), Some("131047")));
    assert_eq!((b.error.as_deref(), b.livedesk_status.as_deref()), (Some("too late"), Some("failed")));
    assert_eq!((c.outcome, c.conversation_id, c.attempts), (State::Unknown, Some(7), 1));
    assert!(
        [a, b, c].iter().all(|record| record.settled_at >= record.first_attempt_at && record.duration_ms.is_some())
    );
    let keys = ["a", "b", "c", "nobody"].map(str::to_owned).to_vec();
    let mut messaged: Vec<_> = ledger.messaged_among(keys).await.unwrap().into_iter().map(|lease| lease.key).collect();
    messaged.sort();
    assert_eq!(messaged, ["a", "c"]);
    totals_add_up(&ledger).await;
}

pub(super) async fn a_refusal_is_a_failure_without_a_message<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let (mut one, other) = (lease(&ledger, "a").await, lease(&ledger, "a").await);
    one.attempts += 1;
    ledger.refuse(one, Failure::new("http-404", "no such inbox")).await.unwrap();
    is_conflict(&ledger.refuse(other, Failure::new("x", "y")).await);
    let record = record(&ledger, "a").await;
    assert_eq!(
        (record.outcome, record.error_code.as_deref(), record.message_id),
        (State::Failed, Some("http-404"), None)
    );
    assert_eq!(ledger.failed_with("http-404").await.unwrap().len(), 1);
    assert_eq!(ledger.failed_with("131050").await.unwrap().len(), 0);
}

pub(super) async fn what_is_on_disk_outlives_the_process<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    let (in_flight, before) = (claim(&ledger, "c").await, records(&ledger).await);
    drop((in_flight, ledger));
    let ledger = backend.open().await.unwrap();
    let after = records(&ledger).await;
    assert_eq!((&after[..2], &after[3..]), (&before[..2], &before[3..]));
    assert_eq!(after[2].outcome, State::Unknown);
}

// Ids of earlier attempts.

pub(super) async fn ids_are_kept_for_the_next_attempt_until_they_are_forgotten<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    ledger.note(&mut first, Found::Conversation(CONVERSATION)).await.unwrap();
    assert!(!first.has_kept_contact(), "what was found just now is not kept from before");
    let mut next = lease(&ledger, "a").await;
    assert_eq!((next.contact_id, next.conversation_id), (Some(ContactId(5)), Some(CONVERSATION)));
    assert!(next.has_kept_contact() && next.has_kept_conversation());
    next.target("address".to_owned(), "another message".to_owned());
    assert!(next.has_kept_contact(), "the address is the same");
    ledger.forget(&mut next, Gone::Conversation).await.unwrap();
    let next = lease(&ledger, "a").await;
    assert_eq!((next.contact_id, next.conversation_id), (Some(ContactId(5)), None));
}

pub(super) async fn ids_are_not_kept_for_another_address<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    ledger.note(&mut first, Found::Contact(ContactId(5))).await.unwrap();
    let mut next = lease(&ledger, "a").await;
    next.target("another".to_owned(), "message".to_owned());
    assert_eq!((next.contact_id, next.conversation_id, next.failed_message), (None, None, None));
}

pub(super) async fn a_message_that_failed_is_known_to_the_retry_of_the_same_message_alone<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a"]).await;
    let mut first = lease(&ledger, "a").await;
    first.target("address".to_owned(), "message".to_owned());
    let claim = ledger.claim(first, CONVERSATION).await.unwrap();
    let failure = Failure { message_id: Some(MessageId(4)), ..Failure::new("131053", "no") };
    ledger.settle(claim, Outcome::Failed(failure)).await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), Some(retry(&[("131053", RetryIf::FailedBy(Timestamp::MAX))]))).await;
    let mut same = lease(&ledger, "a").await;
    same.target("address".to_owned(), "message".to_owned());
    assert_eq!(same.failed_message, Some(MessageId(4)));
    same.target("address".to_owned(), "another".to_owned());
    assert_eq!(same.failed_message, None);
}

/// Steps that change a delivery, in a row: nobody is ever in two states, and no walk ends where a person would be messaged
/// twice.
pub(super) async fn nobody_is_claimed_twice_whoever_tries<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    let copies = [leases(&ledger).await, leases(&ledger).await, leases(&ledger).await];
    let mut claimed = HashSet::new();
    for lease in copies.into_iter().flatten() {
        let key = lease.key.clone();
        match ledger.claim(lease, CONVERSATION).await {
            Ok(claim) => {
                assert!(claimed.insert(key), "claimed twice");
                ledger.settle(claim, accepted()).await.unwrap();
            }
            Err(error) => assert!(matches!(error, LedgerError::Conflict(_)) && claimed.contains(&key), "{error}"),
        }
    }
    assert_eq!(claimed.len(), 4);
}
