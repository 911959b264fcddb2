//! Taking a list in.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::*;

// One delivery a key.

pub(super) async fn a_key_is_one_delivery_however_often_the_list_names_it<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    assert_eq!(ledger.enroll(entries(&["a", "b"])).await.unwrap(), []);
    let duplicates = ledger.enroll(vec![entry_at(4, "a"), entry_at(5, "c")]).await.unwrap();
    assert_eq!(duplicates.iter().map(|row| (row.line, row.first_line)).collect::<Vec<_>>(), [(4, 2)]);
    ledger.finish_enrolment().await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["a", "b", "c"]);
    let of_a: Vec<_> = records(&ledger).await.into_iter().filter(|record| record.key == "a").collect();
    assert_eq!(
        of_a.iter().map(|record| (record.line, record.outcome)).collect::<Vec<_>>(),
        [(Some(2), State::Pending), (Some(4), State::Skipped)]
    );
    totals_add_up(&ledger).await;
}

pub(super) async fn a_known_row_is_taken_over_while_it_is_pending<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    let changed =
        |line: u64, key: &str| Entry::Delivery { key: key.to_owned(), row: row_of(line, "name", "x"), message: None };
    let enrolment = enroll_rows(&ledger, vec![changed(7, "a"), changed(8, "b"), entry_at(9, "c")], None).await;
    assert_eq!((enrolment.new, enrolment.known, enrolment.changed, enrolment.gone), (1, 2, 1, 0));
    assert_eq!((enrolment.first.new, enrolment.first.changed), (vec![9], vec![8]));
    assert_eq!(&*lease(&ledger, "b").await.row.cells, ["x"]);
    assert_eq!(record(&ledger, "a").await.line, Some(7), "the line is the one of today's list");
    assert_eq!(state(&ledger, "a").await, State::Accepted);
}

pub(super) async fn deliveries_come_in_the_order_in_which_they_were_first_enrolled<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    enroll_rows(&ledger, entries(&["e", "d", "b", "a"]), None).await;
    assert_eq!(pending(&ledger).await, ["a", "b", "d", "e"]);
    let first = ledger.lease(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let next = ledger.lease(Some(first[1].position()), 2).await.unwrap();
    assert_eq!(next.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["d", "e"]);
    assert!(ledger.lease(Some(next[1].position()), 2).await.unwrap().is_empty());
}

// Enrolment is all or nothing.

pub(super) async fn an_enrolment_is_seen_by_others_when_it_is_kept<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    let other = backend.look().await;
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    assert_eq!(ledger.totals().await.unwrap().of(State::Pending), 1, "whoever enrols sees it at once");
    assert_eq!(other.totals().await.unwrap(), Totals::default());
    ledger.keep_enrolment(Some(version())).await.unwrap();
    assert_eq!(other.totals().await.unwrap().of(State::Pending), 1);
    assert_eq!(other.version().await.unwrap(), Some(version()));
}

pub(super) async fn an_abandoned_enrolment_changes_nothing<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", failed("131047")).await;
    let (before, pending_before) = (records(&ledger).await, pending(&ledger).await);
    let codes = [("131047".to_owned(), RetryIf::FailedBy(Timestamp::MAX))].into();
    let retry = RetryRules { only: None, codes, undelivered: BTreeMap::new() };
    ledger.begin_enrolment("c", Some(retry)).await.unwrap();
    ledger.enroll(vec![entry_at(2, "a"), left_out(3, "x"), entry_at(4, "new")]).await.unwrap();
    assert_eq!(ledger.finish_enrolment().await.unwrap().retried, 1);
    ledger.abandon_enrolment().await.unwrap();
    assert_eq!((records(&ledger).await, pending(&ledger).await), (before, pending_before));
}

pub(super) async fn an_enrolment_that_was_cut_off_changes_nothing<B: Backend>(backend: B) {
    drop(enrolled(&backend, &["a"]).await);
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["b"])).await.unwrap();
    drop(ledger);
    assert_eq!(pending(&backend.open().await.unwrap()).await, ["a"]);
}

pub(super) async fn a_version_counts_when_it_is_kept_with_one<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    assert_eq!(ledger.version().await.unwrap(), None);
    enroll_rows(&ledger, entries(&["a"]), None).await;
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(ledger.version().await.unwrap(), Some(version()));
}

pub(super) async fn whoever_left_the_list_is_forgotten_unless_they_were_tried<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", accepted()).await;
    let tried = claim(&ledger, "b").await;
    ledger.release(tried).await.unwrap();
    let enrolment = enroll_rows(&ledger, entries(&["d"]), None).await;
    assert_eq!((enrolment.gone, enrolment.first.gone), (1, vec!["c".to_owned()]));
    assert_eq!(pending(&ledger).await, ["d"]);
    let left = record(&ledger, "b").await;
    assert_eq!((left.outcome, left.error_code.as_deref()), (State::Skipped, Some(Totals::GONE)));
    let lines: Vec<_> = records(&ledger).await.into_iter().map(|record| (record.key, record.line)).collect();
    assert_eq!(lines, [("d".to_owned(), Some(2)), ("a".to_owned(), None), ("b".to_owned(), None)]);
    assert_eq!((ledger.totals().await.unwrap().on_list(), ledger.totals().await.unwrap().off_list), (1, 2));
    totals_add_up(&ledger).await;
    enroll_rows(&ledger, entries(&["d", "a"]), None).await;
    assert_eq!(record(&ledger, "a").await.line, Some(3), "who comes back has a line again");
}

pub(super) async fn a_row_that_is_left_out_today_and_was_tried_before_has_one_record<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    settle(&ledger, "a", accepted()).await;
    enroll_rows(&ledger, vec![left_out(5, "a"), left_out(6, "b")], None).await;
    let outcomes: Vec<_> =
        records(&ledger).await.into_iter().map(|record| (record.key, record.line, record.outcome)).collect();
    assert_eq!(
        outcomes,
        [("a".to_owned(), Some(5), State::Accepted), ("b".to_owned(), Some(6), State::Skipped)],
        "it has the line of its row"
    );
    totals_add_up(&ledger).await;
}

pub(super) async fn somebody_can_be_left_out_without_a_list<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b"]).await;
    ledger.begin_without_list().await.unwrap();
    let reason = SkipReason::Suppressed { place: "stop.csv:2".to_owned() };
    ledger.skip(vec![(lease(&ledger, "a").await, reason)]).await.unwrap();
    ledger.keep_enrolment(None).await.unwrap();
    assert_eq!(pending(&ledger).await, ["b"]);
    let record = record(&ledger, "a").await;
    assert_eq!((record.outcome, record.error_code.as_deref()), (State::Skipped, Some("suppressed")));
    totals_add_up(&ledger).await;
}

pub(super) async fn a_new_ledger_that_is_discarded_leaves_no_trace<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a"])).await.unwrap();
    ledger.abandon_enrolment().await.unwrap();
    ledger.discard_if_new().await;
    let ledger = backend.open().await.unwrap();
    ledger.belongs_to("another").await.unwrap();
    assert_eq!(records(&ledger).await, []);
}

pub(super) async fn a_ledger_is_one_campaigns<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.belongs_to("another").await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), None).await;
    ledger.belongs_to("c").await.unwrap();
    assert!(matches!(ledger.belongs_to("another").await, Err(LedgerError::OtherCampaign(name)) if name == "c"));
}
