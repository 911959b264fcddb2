//! The canary of the message that counts now.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use super::tracking::{observe, seen};
use super::*;

/// Reads the list again after the message has changed, and somebody has accepted that.
async fn accept_changed_message(ledger: &impl Ledger, keys: &[&str]) {
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(keys)).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    ledger.restart_canary().await.unwrap();
    ledger.keep_enrolment(Some(version())).await.unwrap();
    ledger.begin_run().await.unwrap();
}

pub(super) async fn a_canary_is_what_was_sent_since_the_message_changed<B: Backend>(backend: B) {
    let keys = ["a", "b", "c", "d", "e"];
    let ledger = enrolled(&backend, &keys).await;
    assert_eq!(ledger.canary().await.unwrap().totals.settled(), 0);
    settle(&ledger, "a", accepted()).await;
    settle(&ledger, "b", failed("132001")).await;
    // Its receipts are its own as well.
    observe(&ledger, "a", seen(MessageStatus::Delivered, Timestamp::now()), None).await;
    let CanaryRecord { verdict, totals } = ledger.canary().await.unwrap();
    assert_eq!((verdict, totals.settled(), totals.receipts.delivered), (None, 2, 1));
    assert_eq!(totals, Totals { states: totals.states.clone(), ..ledger.totals().await.unwrap() });
    assert_eq!(ledger.tracked(TrackQuery::Canary, None, 10).await.unwrap().len(), 1);

    accept_changed_message(&ledger, &keys).await;
    assert_eq!(ledger.canary().await.unwrap(), CanaryRecord::default());
    assert_eq!(ledger.tracked(TrackQuery::Canary, None, 10).await.unwrap(), []);
    ledger.refuse(leases(&ledger).await.remove(0), Failure::new("contact-conflict", "no")).await.unwrap();
    settle(&ledger, "d", accepted()).await;
    let totals = ledger.canary().await.unwrap().totals;
    let codes: Vec<&str> = totals.errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!((totals.settled(), codes, totals.receipts.accepted()), (2, vec!["contact-conflict"], 1));
    let tracked = ledger.tracked(TrackQuery::Canary, None, 10).await.unwrap();
    assert_eq!(tracked.len(), 1);
    assert_eq!(ledger.tracked(TrackQuery::Canary, Some(tracked[0].position), 10).await.unwrap(), []);
    assert_eq!(ledger.totals().await.unwrap().settled(), 4);
}

pub(super) async fn what_was_decided_about_a_canary_is_kept_until_it_restarts<B: Backend>(backend: B) {
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    settle(&ledger, "a", accepted()).await;
    ledger.decide_canary(CanaryVerdict::NotConfirmed).await.unwrap();
    assert_eq!(ledger.canary().await.unwrap().verdict, Some(CanaryVerdict::NotConfirmed));
    ledger.decide_canary(CanaryVerdict::Approved).await.unwrap();
    drop(ledger);
    let ledger = enrolled(&backend, &["a", "b", "c"]).await;
    let CanaryRecord { verdict, totals } = ledger.canary().await.unwrap();
    assert_eq!((verdict, totals.settled()), (Some(CanaryVerdict::Approved), 1));
    ledger.begin_enrolment("c", None).await.unwrap();
    ledger.enroll(entries(&["a", "b", "c"])).await.unwrap();
    ledger.finish_enrolment().await.unwrap();
    ledger.restart_canary().await.unwrap();
    ledger.abandon_enrolment().await.unwrap();
    assert_eq!(ledger.canary().await.unwrap().verdict, Some(CanaryVerdict::Approved), "it was declined");
    accept_changed_message(&ledger, &["a", "b", "c"]).await;
    assert_eq!(ledger.canary().await.unwrap().verdict, None);
}
