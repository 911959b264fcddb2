//! What operators decide, and who is retried.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::*;

pub(super) async fn what_is_settled_is_not_sent_again_by_reading_the_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("131047")).await;
    settle(&ledger, "c", unknown()).await;
    enroll_rows(&ledger, entries(&["a", "b", "c"]), None).await;
    assert_eq!(pending(&ledger).await, Vec::<String>::new());
}

pub(super) async fn failed_deliveries_are_retried_by_code_time_and_key<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d", "e"]).await;
    for (key, code) in [("a", "now"), ("b", "later"), ("c", "never"), ("d", "now"), ("e", "now")] {
        settle(&ledger, key, failed(code)).await;
    }
    let yesterday = Timestamp::now() - Duration::from_hours(24);
    let codes = retry(&[("now", RetryIf::FailedBy(Timestamp::MAX)), ("later", RetryIf::FailedBy(yesterday))]);
    let only = Some(["a", "b", "c", "e"].map(str::to_owned).to_vec());
    let enrolment = enroll_rows(&ledger, entries(&["a", "b", "c", "d"]), Some(RetryRules { only, ..codes })).await;
    assert_eq!(enrolment.retried, 1, "`e` is no longer on the list");
    assert_eq!(pending(&ledger).await, ["a"]);
    let record = record(&ledger, "a").await;
    assert_eq!((record.error_code, record.settled_at), (None, None));
    assert_eq!(record.earlier.len(), 1, "how it had ended stays on record");
    let earlier = &record.earlier[0];
    assert_eq!((earlier.outcome, earlier.error_code.as_deref()), (State::Failed, Some("now")));
    assert_eq!(earlier.action, OperatorAction::Retried);
    totals_add_up(&ledger).await;
}

pub(super) async fn a_failure_of_the_message_is_retried_if_the_message_has_changed<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    for key in ["a", "b"] {
        let mut lease = lease(&ledger, key).await;
        lease.target("address".to_owned(), "message".to_owned());
        let claim = ledger.claim(lease, CONVERSATION).await.unwrap();
        ledger.settle(claim, failed("132000")).await.unwrap();
    }
    let entry = |line: u64, key: &str, message: &str| Entry::Delivery {
        key: key.to_owned(),
        row: row_of(line, "name", "new"),
        message: Some(message.to_owned()),
    };
    let list = vec![entry(2, "a", "message"), entry(3, "b", "another")];
    enroll_rows(&ledger, list, Some(retry(&[("132000", RetryIf::MessageChanged)]))).await;
    assert_eq!(pending(&ledger).await, ["b"]);
    assert_eq!(&*lease(&ledger, "b").await.row.cells, ["new"], "with the row of today");
}

pub(super) async fn failed_deliveries_are_retried_without_a_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", failed("now")).await;
    settle(&ledger, "b", failed("132000")).await;
    ledger.begin_without_list().await.unwrap();
    let codes = retry(&[("now", RetryIf::FailedBy(Timestamp::MAX)), ("132000", RetryIf::MessageChanged)]);
    assert_eq!(ledger.retry_failed(codes).await.unwrap(), 1);
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["a"]);
}

pub(super) async fn an_unknown_delivery_is_settled_by_an_operator<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    for key in ["a", "b", "c"] {
        settle(&ledger, key, unknown()).await;
    }
    let note = Some("asked her".to_owned());
    let resolved = ledger.resolve(Some(vec!["a".to_owned()]), true, note).await.unwrap();
    assert_eq!(resolved, Resolved::All(1));
    assert_eq!(ledger.resolve(None, false, None).await.unwrap(), Resolved::All(2));
    assert_eq!(pending(&ledger).await, ["b", "c"]);
    let (a, b) = (record(&ledger, "a").await, record(&ledger, "b").await);
    assert_eq!((a.outcome, a.error_code.as_deref()), (State::Accepted, Some(RESOLVED)));
    assert_eq!(
        (a.earlier[0].action, a.earlier[0].note.as_deref()),
        (OperatorAction::ResolvedAsSent, Some("asked her"))
    );
    assert_eq!((b.outcome, b.earlier[0].action), (State::Pending, OperatorAction::ResolvedAsNotSent));
    assert_eq!(b.earlier[0].error_code.as_deref(), Some("timeout"));
    totals_add_up(&ledger).await;
}

pub(super) async fn an_operators_word_is_for_all_the_keys_or_for_none<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", unknown()).await;
    settle(&ledger, "b", accepted()).await;
    let keys = ["a", "b", "nobody"].map(str::to_owned).to_vec();
    let resolved = ledger.resolve(Some(keys), false, None).await.unwrap();
    assert_eq!(resolved, Resolved::NotUnknown(["b", "nobody"].map(str::to_owned).to_vec()));
    assert_eq!((state(&ledger, "a").await, state(&ledger, "b").await), (State::Unknown, State::Accepted));
}
