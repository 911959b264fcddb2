//! `campaign status`: counts, who is running the campaign, and what the next run would do.

use crate::harness::{Desk, Project};

#[test]
fn status_counts_and_says_what_comes_next() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).send("rate: 1/min");
    let ran = project.campaign(&["status", "campaign.yaml"]).exits(8);
    assert!(ran.stdout.contains("not started"), "{}", ran.stdout);
    let ran = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(8);
    assert_eq!(ran.json()[0]["begun"], false);
    project.run(&["--limit", "1"]).exits(0);
    let ran = project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert!(ran.stdout.contains("to send  4 messages, 4 requests to http"), "{}", ran.stdout);
    assert!(ran.stdout.contains("takes    about 3 min 0 s (limited by send.rate)"), "{}", ran.stdout);
    let ran = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(0);
    let counts = &ran.json()[0]["outcomes"];
    assert_eq!((&counts["accepted"], &counts["pending"]), (&1.into(), &4.into()));
}

#[test]
fn status_says_who_runs_it_and_how_fast_and_watches_until_the_end() {
    let desk = Desk::late_for(103, "3s");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    let ran = project.campaign(&["status", "campaign.yaml"]).exits(0);
    let line = format!("run by process {} on ", run.process());
    assert!(ran.stdout.contains(&line) && ran.stdout.contains(": 5 messages in the last minute ("), "{}", ran.stdout);
    let ran = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(0);
    let (begun, active) = (&ran.json()[0]["begun"], &ran.json()[0]["run"]);
    assert_eq!((begun, &active["process"]), (&true.into(), &run.process().into()));
    assert_eq!(active["messages_last_minute"], 5);
    let ran = project.campaign(&["status", "campaign.yaml", "--watch"]).exits(0);
    assert!(ran.stdout.matches("c: 5 recipients").count() > 1, "{}", ran.stdout);
    assert!(ran.stdout.ends_with("next run: nothing to send\n"), "{}", ran.stdout);
    run.finish().exits(0);
    let ran = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(0);
    assert!(ran.json()[0]["run"].is_null());
}

#[test]
fn looking_on_disturbs_no_run() {
    let desk = Desk::late_for(103, "1s");
    let project = Project::at(&desk).people(5);
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    let ran = project.campaign(&["status", "campaign.yaml"]).exits(0);
    assert!(ran.stdout.contains("claimed"), "{}", ran.stdout);
    project.campaign(&["report", "campaign.yaml", "-o", "now.csv"]).exits(0);
    project.run(&["--dry-run"]).exits(0);
    run.finish().exits(0);
    assert_eq!(project.count("accepted"), 5);
}

#[test]
fn every_campaign_below_a_folder_is_in_a_table() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 101 }, status: 404 }]");
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(3);
    let spec = "recipients: list.csv\nto: { conversation_id: '1' }\nmessage: { content: Hi }\n";
    let project = project.file("more/later.yaml", format!("name: sent-later\n{spec}")).file("more/list.csv", "a\nb\n");
    let ran = project.campaign(&["status", "."]).exits(3);
    let lines: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["campaign", "accepted", "failed", "unknown", "pending", "skipped", "run"], "{}", ran.stdout);
    assert_eq!(lines[1], ["c", "2", "1", "0", "0", "0", "-"]);
    assert_eq!(lines[2], ["sent-later", "not", "started"]);
    let data = project.campaign(&["status", ".", "--format", "json"]).exits(3).json();
    assert_eq!((&data[0]["campaign"], &data[0]["outcomes"]["accepted"]), (&"c".into(), &2.into()));
    assert_eq!((&data[1]["campaign"], &data[1]["begun"]), (&"sent-later".into(), &false.into()));
    // A broken one hides nobody, and a folder where nothing was begun says so with its exit code.
    project.campaign(&["status", "more"]).exits(8);
    let project = project.file("more/broken.yaml", "name: x\nmessage: 1\n");
    let ran = project.campaign(&["status", "."]).exits(2).says("broken.yaml");
    assert!(ran.stdout.contains("sent-later not started"), "{}", ran.stdout);
}
