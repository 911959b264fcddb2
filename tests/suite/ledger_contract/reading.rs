//! What reports and plans read.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::*;

// Reading.

pub(super) async fn records_come_in_the_order_of_the_list_and_as_asked_for<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["c", "a"]).await;
    settle(&ledger, "a", accepted()).await;
    enroll_rows(&ledger, vec![left_out(2, "x"), entry_at(3, "a"), entry_at(4, "b"), left_out(5, "")], None).await;
    let all = records(&ledger).await;
    assert_eq!(all.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 3, 4, 5].map(Some));
    let mut skipped = Vec::new();
    let each = |record: Record| {
        skipped.push(record.line);
        Ok::<_, LedgerError>(())
    };
    ledger.records(&RecordQuery { only: vec![State::Skipped, State::Failed], with_rows: false }, each).await.unwrap();
    assert_eq!(skipped, [2, 5].map(Some));
    totals_add_up(&ledger).await;
}

pub(super) async fn records_come_with_the_rows_of_the_list<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    let other = Entry::Delivery { key: "b".to_owned(), row: row_of(4, "mobile", "123"), message: None };
    enroll_rows(&ledger, vec![entry_at(2, "a"), left_out(3, "x"), other, entry_at(5, "a"), left_out(6, "")], None)
        .await;
    let cell = |record: &Record, column: &str| record.row.as_ref().and_then(|row| row.get(column).cloned());
    let all = records(&ledger).await;
    let names: Vec<_> = all.iter().map(|record| cell(record, "name")).collect();
    assert_eq!(names, [Some("a".into()), Some("x".into()), None, Some("a".into()), None]);
    assert_eq!(cell(&all[2], "mobile"), Some("123".into()));
    assert_eq!(ledger.columns().await.unwrap(), ["name", "mobile"]);
}

pub(super) async fn whoever_wants_no_more_records_gets_no_more<B: Backend>(backend: B) {
    let keys: Vec<String> = (0..6_000).map(|at| at.to_string()).collect();
    let ledger = enrolled(&backend, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let taken = Cell::new(0);
    let each = |_| {
        taken.set(taken.get() + 1);
        if taken.get() == 3 { Err(LedgerError::Closed) } else { Ok(()) }
    };
    assert!(matches!(ledger.records(&RecordQuery::default(), each).await, Err(LedgerError::Closed)));
    assert_eq!(taken.get(), 3);
    assert_eq!(records(&ledger).await.len(), 6_000, "and the ledger goes on");
}

pub(super) async fn errors_are_counted_by_code<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c", "d"]).await;
    settle(&ledger, "a", Outcome::Failed(Failure::new("131047", "too late"))).await;
    settle(&ledger, "b", Outcome::Failed(Failure::new("131047", "another text"))).await;
    settle(&ledger, "c", unknown()).await;
    let errors = ledger.totals().await.unwrap().errors;
    let counted: Vec<_> = errors
        .iter()
        .map(|error| (error.state, error.code.as_str(), error.text.as_str(), error.varies, error.count))
        .collect();
    assert_eq!(
        counted,
        [(State::Failed, "131047", "another text", true, 2), (State::Unknown, "timeout", "no answer", false, 1)]
    );
}

pub(super) async fn keys_are_looked_up<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", unknown()).await;
    let keys = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let found = ledger.look_up(keys.clone()).await.unwrap();
    assert_eq!((found.pending, found.missing), (1, vec!["d".to_owned()]));
    assert_eq!(ledger.messaged().await.unwrap(), 2);
    ledger.resolve(None, false, None).await.unwrap();
    assert_eq!(ledger.untouched(keys).await.unwrap(), 1, "`b` is pending by an operator's word");
    assert_eq!(ledger.messaged().await.unwrap(), 2, "whatever was decided about it since");
}

pub(super) async fn departures_count_as_long_as_the_message_may_have_been_taken<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    assert_eq!(ledger.last_send_time().await.unwrap(), None);
    let times = [3, 2, 1].map(|minutes| Timestamp::now() - Duration::from_mins(minutes));
    // As precise as a ledger keeps it.
    let times = times.map(|time| Timestamp::from_millisecond(time.as_millisecond()).unwrap());
    for (key, at) in ["a", "b", "c"].into_iter().zip(times) {
        let mut claim = claim(&ledger, key).await;
        claim.leaves(at);
        match key {
            "a" => ledger.settle(claim, accepted()).await.unwrap(),
            "b" => drop(ledger.release(claim).await.unwrap()),
            _ => ledger.settle(claim, unknown()).await.unwrap(),
        }
    }
    let within = async |minutes: u64, most| ledger.send_times_within(Duration::from_mins(minutes), most).await.unwrap();
    assert_eq!(within(60, 9).await, [times[0], times[2]]);
    assert_eq!(within(60, 1).await, [times[2]], "the newest");
    assert_eq!(within(2, 9).await, [times[2]]);
    assert_eq!(ledger.last_send_time().await.unwrap(), Some(times[2]));
    assert_eq!(ledger.sent_within(Duration::from_mins(60)).await.unwrap(), 2);
    ledger.resolve(None, false, None).await.unwrap();
    assert_eq!(within(60, 9).await, [times[0], times[2]], "it may have been taken, whatever is decided now");
}

pub(super) async fn a_run_knows_when_the_last_request_of_the_one_before_left<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    enroll_rows(&ledger, entries(&["a"]), None).await;
    assert_eq!(ledger.begin_run().await.unwrap(), None);
    let last = Timestamp::from_second(1_790_000_000).unwrap();
    ledger.end_run(last).await.unwrap();
    assert_eq!(ledger.begin_run().await.unwrap().map(Timestamp::as_second), Some(last.as_second()));
    let killed = ledger.begin_run().await.unwrap().unwrap();
    assert!(Timestamp::now().duration_since(killed).as_secs() < 60, "one that was killed says nothing: not after now");
}

fn proof(state: State, left_at: Option<Timestamp>) -> Proof {
    Proof {
        at: Timestamp::from_second(1_790_000_000).unwrap(),
        by: "ada on host".to_owned(),
        line: 2,
        key: "a".to_owned(),
        to: "phone_number=+49…89".to_owned(),
        state,
        left_at,
        conversation_id: Some(CONVERSATION),
        message_id: None,
        livedesk_status: None,
        error_code: None,
        error: None,
    }
}

pub(super) async fn proofs_count_for_limits_and_for_nothing_else<B: Backend>(backend: B) {
    let ledger = backend.open().await.unwrap();
    ledger.begin_proofs("c").await.unwrap();
    assert_eq!(ledger.begin_run().await.unwrap(), None);
    assert_eq!(ledger.proofs().await.unwrap(), Proofs::default());
    let at = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let number = ledger.record_proof(None, &proof(State::Claimed, Some(at))).await.unwrap();
    let hour = Duration::from_mins(60);
    assert_eq!(ledger.send_times_within(hour, 9).await.unwrap(), [at]);
    let taken = Proof { message_id: Some(MessageId(3)), ..proof(State::Accepted, Some(at)) };
    assert_eq!(ledger.record_proof(Some(number), &taken).await.unwrap(), number);
    let refused = ledger.record_proof(None, &proof(State::Pending, Some(at))).await.unwrap();
    assert_ne!(refused, number);
    assert_eq!(ledger.send_times_within(hour, 9).await.unwrap(), [at], "what certainly was not taken is no departure");
    assert_eq!(ledger.last_send_time().await.unwrap(), Some(at));
    assert_eq!(ledger.proofs().await.unwrap(), Proofs { count: 1, last: Some(taken.clone()) });
    assert_eq!((ledger.totals().await.unwrap(), ledger.messaged().await.unwrap()), (Totals::default(), 0));
    assert_eq!(ledger.version().await.unwrap(), None);
    drop(ledger);
    let ledger = backend.open().await.unwrap();
    assert!(matches!(ledger.belongs_to("other").await, Err(LedgerError::OtherCampaign(_))));
    let enrolment = enroll_rows(&ledger, entries(&["a"]), None).await;
    assert!(!enrolment.is_reenrolment, "the first reading of the list is the first one all the same");
    assert_eq!(leases(&ledger).await.len(), 1, "whose row was shown is pending");
    assert_eq!(ledger.proofs().await.unwrap(), Proofs { count: 1, last: Some(taken) });
}
