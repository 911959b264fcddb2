//! Messages leave within the hours of `send.window` by each recipient's own clock; whoever is outside is held.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::harness::{Desk, Project};

/// Two zones without summer time. Whatever opens or closes in the west did so in the east an hour ago.
const WEST: &str = "Etc/GMT-1";
const EAST: &str = "Etc/GMT-2";

/// A window of six hours that opens in the west at this moment.
fn opening_at(opens: Timestamp) -> String {
    let clock = |moment: Timestamp| moment.to_zoned(TimeZone::get(WEST).unwrap()).strftime("%H:%M:%S").to_string();
    let (from, to) = (clock(opens), clock(opens + SignedDuration::from_hours(6)));
    format!("window: {{ from: '{from}', to: '{to}', timezone: '{{{{ tz }}}}' }}")
}

/// A window that is open in the east, and opens in the west when every test is over.
fn opening_late() -> String {
    opening_at(later(SignedDuration::from_mins(30)))
}

/// A window that closes in the west at this moment.
fn closing_at(closes: Timestamp) -> String {
    opening_at(closes - SignedDuration::from_hours(6))
}

/// A whole second so far from now.
fn later(by: SignedDuration) -> Timestamp {
    Timestamp::from_second((Timestamp::now() + by).as_second() + 1).unwrap()
}

/// A list of conversations from 101 on, in these zones.
fn in_zones(project: Project, zones: &[&str]) -> Project {
    let rows: Vec<String> = (101..).zip(zones).map(|(id, zone)| format!("{id},{zone}\n")).collect();
    project.list(&format!("conversation_id,tz\n{}", rows.concat()))
}

/// When each message arrived.
fn arrivals(desk: &Desk) -> Vec<Timestamp> {
    desk.messages().iter().map(|entry| entry["at"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn those_whose_window_is_closed_stay_pending_where_nobody_waits() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, EAST, WEST, EAST]).send(&opening_late());
    project.run(&["--no-wait"]).exits(7).says("paused by send.window until").says("2 messages still pending");
    assert_eq!(project.outcomes(), ["101: pending", "102: accepted", "103: pending", "104: accepted"]);
    project.run(&["--no-wait"]).exits(7);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn those_who_are_held_keep_nobody_waiting_and_get_it_when_their_window_opens() {
    let desk = Desk::friendly();
    let opens = later(SignedDuration::from_secs(4));
    let project = in_zones(Project::at(&desk), &[WEST, WEST, WEST, EAST]).send("concurrency: 2");
    project.send(&opening_at(opens)).run(&[]).exits(0).says("paused by send.window until");
    assert_eq!(desk.addressed()[0], 104);
    let arrivals = arrivals(&desk);
    assert!(arrivals[0] < opens && arrivals[1..].iter().all(|at| *at >= opens), "{opens}: {arrivals:?}");
    assert_eq!(arrivals.len(), 4);
}

#[test]
fn one_who_is_held_does_not_keep_an_interrupted_run() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, EAST]).send(&opening_late());
    let run = project.start(&[]);
    run.wait_for("paused by send.window until");
    run.interrupt();
    run.finish().exits(130);
    assert_eq!(project.outcomes(), ["101: pending", "102: accepted"]);
}

#[test]
fn nothing_leaves_after_the_window_has_closed() {
    let desk = Desk::friendly();
    let closes = later(SignedDuration::from_secs(4));
    // Whoever is to leave three seconds after the one before has claimed long before the window closes.
    let project = in_zones(Project::at(&desk), &[WEST; 9]).send("rate: 20/min").send(&closing_at(closes));
    project.run(&["--no-wait"]).exits(7).says("paused by send.window until");
    let arrivals = arrivals(&desk);
    let on_the_way = SignedDuration::from_millis(200);
    assert!(!arrivals.is_empty() && arrivals.iter().all(|at| *at < closes + on_the_way), "{closes}: {arrivals:?}");
    let held: Vec<_> = project.report().into_iter().filter(|row| row["outcome"] == "pending").collect();
    assert_eq!(held.len(), 9 - arrivals.len());
    assert!(held.iter().all(|row| row["first_attempt_at"].is_empty()), "a claim was not taken back: {held:?}");
}

#[test]
fn nobody_waits_for_a_quota_beyond_the_end_of_their_window() {
    let desk = Desk::friendly();
    let closing = closing_at(later(SignedDuration::from_mins(10)));
    let project = in_zones(Project::at(&desk), &[WEST; 4]).send("quota: 2/h").send(&closing);
    let run = project.start(&[]);
    run.wait_for("paused by send.window until");
    run.interrupt();
    run.finish().exits(130);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn those_whom_a_quota_keeps_beyond_their_window_do_not_use_up_a_limit() {
    let desk = Desk::friendly();
    let closing = closing_at(later(SignedDuration::from_mins(10)));
    let project = in_zones(Project::at(&desk), &[WEST; 5]).send("quota: 2/h").send(&closing);
    let run = project.start(&["--limit", "3"]);
    run.wait_for("paused by send.window until");
    run.interrupt();
    run.finish().exits(130);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn a_limit_counts_those_who_are_let_in() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, EAST, WEST, EAST, EAST]).send(&opening_late());
    project.run(&["--limit", "2"]).exits(0);
    assert_eq!(project.outcomes()[..4], ["101: pending", "102: accepted", "103: pending", "104: accepted"]);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn a_canary_is_of_those_whose_window_is_open() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, EAST, EAST]).send("canary: 1").send(&opening_late());
    project.run(&[]).exits(5).says("the canary of 1 was sent");
    assert_eq!(desk.addressed(), [102]);
}

#[test]
fn a_window_that_opens_only_after_the_end_is_not_waited_for() {
    let desk = Desk::friendly();
    let end = later(SignedDuration::from_mins(10));
    let project = in_zones(Project::at(&desk), &[WEST, EAST]).send(&opening_late());
    let project = project.send(&format!("not_after: '{end}'"));
    project.run(&[]).exits(5).says("and `send.not_after` is");
    assert_eq!(project.outcomes(), ["101: pending", "102: accepted"]);
}

#[test]
fn one_zone_may_be_everybodys() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    let project = project.send(&opening_late().replace("{{ tz }}", WEST));
    project.run(&["--no-wait"]).exits(7).says("3 messages still pending");
    assert_eq!(desk.journal().len(), 0);
    let project = project.send(&opening_late().replace("{{ tz }}", EAST));
    project.run(&["--no-wait"]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_window_is_closed_on_other_days() {
    let desk = Desk::friendly();
    let day = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).strftime("%a").to_string();
    let whole_days = |days: &str| format!("window: {{ from: 00:00, to: 24:00, timezone: UTC, days: {days} }}");
    let project = Project::at(&desk).people(2).send(&whole_days(&day(3)));
    project.run(&["--no-wait"]).exits(7).says("paused by send.window until");
    let project = project.send(&whole_days(&format!("'{}-{}'", day(-1), day(1))));
    project.run(&["--no-wait"]).exits(0);
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn a_dry_run_shows_everybody_and_waits_for_nobody() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, EAST]).send(&opening_late());
    let ran = project.run(&["--dry-run"]).exits(0).says("dry run: nothing was sent");
    assert!(ran.stdout.contains("key 101") && ran.stdout.contains("key 102"), "{}", ran.stdout);
    assert_eq!(desk.journal().len(), 0);
}

#[test]
fn a_row_without_a_zone_is_a_problem_and_so_is_one_with_a_wrong_one() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &["Europe/Berlin", "", "Mars/Olympus", " ", "+02:00"]);
    let ran = project.send(&opening_late()).run(&[]).exits(2);
    assert_eq!(desk.journal().len(), 0);
    assert!(!ran.stderr.contains("Olympus"), "a customer's data is shown: {}", ran.stderr);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn a_fallback_takes_those_whose_zone_is_missing_or_wrong() {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[WEST, "", "Mars/Olympus", EAST]);
    let window = opening_late().replace("timezone:", &format!("fallback: {EAST}, timezone:"));
    let project = project.send(&window);
    project.run(&["--no-wait"]).exits(7);
    assert_eq!(project.outcomes(), ["101: pending", "102: accepted", "103: accepted", "104: accepted"]);
}

/// What `campaign check` says of a window.
fn refused(window: &str) -> String {
    let desk = Desk::friendly();
    let project = in_zones(Project::at(&desk), &[EAST]).send(window);
    project.campaign(&["check", "campaign.yaml"]).exits(2).stderr
}

#[test]
fn mistakes_in_a_window_come_all_at_once() {
    insta::assert_snapshot!(refused(
        "window:\n    from: 9am\n    to: '24:30'\n    timezone: Europe/Berln\n    fallback: CEST\n    days: [mon-fri, \
         samstag, thrusday]"
    ));
}

#[test]
fn a_window_that_never_opens_is_a_problem() {
    insta::assert_snapshot!("no hours", refused("window: { from: 09:00, to: 9:00, timezone: UTC }"));
    insta::assert_snapshot!("no days", refused("window: { from: 09:00, to: 20:00, timezone: UTC, days: [] }"));
}

#[test]
fn keys_of_a_window_are_checked() {
    insta::assert_snapshot!("no zone", refused("window: { from: 09:00, to: 20:00 }"));
    insta::assert_snapshot!("unknown", refused("window: { from: 09:00, until: 20:00, timezone: UTC }"));
    insta::assert_snapshot!("a column", refused("window: { from: 09:00, to: 20:00, timezone: '{{ t }}' }"));
}

#[test]
fn the_plan_has_local_time_beside_utc() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(200).environment("TZ", Some("Asia/Tokyo"));
    let project = project.send("not_after: '2100-01-05T08:00:00Z'").send("rate: 1/s");
    let ran = project.run(&["--dry-run", "--preview", "0"]).exits(0);
    let ran = ran.says("not after 2100-01-05T08:00:00Z (Tue 5 Jan 17:00 Asia/Tokyo)");
    assert!(
        ran.stderr.lines().any(|line| line.contains("  when ") && line.ends_with("(Asia/Tokyo)")),
        "{}",
        ran.stderr
    );
}
