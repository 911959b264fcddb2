//! What is in a report: whose rows, which columns, which counts.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;

use crate::harness::{Desk, Project, rows};

const LIST: &str = "Customer No.,Mobile,conversation_id,ok\nC1,+4915112345678,101,yes\nC2,=1+1,102,no\nC3,,103,yes\n";

fn shop(desk: &Desk) -> Project {
    Project::at(desk).setting("recipients: { file: list.csv, where: \"ok == 'yes'\" }").list(LIST)
}

fn report_of(project: &Project, name: &str) -> String {
    fs::read_to_string(project.path(name)).unwrap()
}

#[test]
fn a_report_shows_columns_of_the_list_that_the_spec_names() {
    let desk = Desk::friendly();
    let columns = "columns: [Customer No., Mobile]";
    let project = shop(&desk).setting(&format!(
        "report: [{{ file: r.csv, {columns} }}, {{ file: r.jsonl, {columns} }}, {{ file: r.html, {columns} }}, plain.csv]"
    ));
    project.run(&[]).exits(0);
    let csv = report_of(&project, "r.csv");
    assert!(csv.starts_with("Customer No.,Mobile,line,key,outcome,"), "{csv}");
    let found: Vec<_> = rows(&csv)
        .into_iter()
        .map(|row| [&row["Customer No."], &row["Mobile"], &row["outcome"]].map(Clone::clone))
        .collect();
    // Rows that are left out have theirs as well, and no cell is a formula.
    assert_eq!(
        found,
        [["C1", "+4915112345678", "accepted"], ["C2", "'=1+1", "skipped"], ["C3", "", "accepted"]]
            .map(|row| row.map(str::to_owned))
    );
    let jsonl = report_of(&project, "r.jsonl");
    assert!(
        jsonl.starts_with(r#"{"list":{"Customer No.":"C1","Mobile":"+4915112345678"},"line":2,"key":"101""#),
        "{jsonl}"
    );
    let html = report_of(&project, "r.html");
    assert!(html.contains(r#"data-column="Customer No." data-at="20""#) && html.contains(r#""C1","+4915112345678"]"#));
    assert!(report_of(&project, "plain.csv").starts_with("line,key,"));
    // They are known as reports of this campaign, wherever its own columns are.
    fs::remove_dir_all(project.path(".campaign")).unwrap();
    project.run(&[]).exits(1).says("r.csv says that 2 recipients were messaged");
}

#[test]
fn all_columns_of_the_list_come_in_front_if_asked_for() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("key,conversation_id,outcome\nmine,101,x\n");
    project.run(&[]).exits(0);
    let ran = project.campaign(&["report", "campaign.yaml", "--with-columns", "-o", "-"]).exits(0);
    assert!(ran.stdout.starts_with("list.key,list.conversation_id,list.outcome,line,key,outcome,"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nmine,101,x,2,101,accepted,"), "{}", ran.stdout);
    // JSON Lines may have other columns in each row.
    let project = Project::at(&desk).setting("recipients: people.jsonl").file(
        "people.jsonl",
        "{\"conversation_id\": 201, \"tags\": [\"a\"]}\n{\"conversation_id\": 202, \"vip\": true}\n",
    );
    project.run(&[]).exits(0);
    project.campaign(&["report", "campaign.yaml", "--with-columns", "-o", "all.csv"]).exits(0);
    let all = report_of(&project, "all.csv");
    assert!(all.starts_with("list.conversation_id,tags,vip,line,"), "{all}");
    assert!(all.contains("\n201,\"[\"\"a\"\"]\",,1,") && all.contains("\n202,,true,2,"), "{all}");
}

#[test]
fn a_column_that_the_list_does_not_have_is_a_problem_before_anything_is_sent() {
    let desk = Desk::friendly();
    let project = shop(&desk).setting("report: { file: r.csv, columns: [Mobil] }");
    let ran = project.run(&[]).exits(2).says("the list has no column `Mobil`").says("did you mean `Mobile`?");
    assert!(ran.stderr.contains("campaign.yaml:"), "{}", ran.stderr);
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn totals_are_the_rows_of_the_list_and_those_who_left_it() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).setting("report: [reports/c.csv, r.html]");
    project.run(&[]).exits(0);
    // 101 and 103 leave, and another comes to the line that one of them had.
    let project = project.list("conversation_id\n102\n106\n104\n105\n");
    let ran = project.run(&[]).exits(0);
    assert!(ran.stdout.contains("c: 6 recipients, 4 rows of the list and 2 no longer on it\n"), "{}", ran.stdout);
    let lines: Vec<String> = project.report().iter().map(|row| format!("{} {}", row["line"], row["key"])).collect();
    assert_eq!(lines, ["2 102", "3 106", "4 104", "5 105", " 101", " 103"]);
    let html = report_of(&project, "r.html");
    assert!(html.contains("4 of them are rows of the list; 2 were tried before and are no longer on it"), "{html}");
    let status = project.campaign(&["status", "campaign.yaml", "--format", "json"]).exits(0).json().remove(0);
    assert_eq!((&status["recipients"], &status["no_longer_on_list"]), (&6.into(), &2.into()));
    // Whoever comes back has a line again.
    let project = project.list("conversation_id\n101\n102\n103\n104\n105\n106\n");
    assert!(project.run(&[]).exits(0).stdout.starts_with("c: 6 recipients\n"));
    assert_eq!(desk.messages().len(), 6);
}

#[test]
fn attempts_are_requests_for_the_message() {
    let desk = Desk::start(
        "faults:\n- { on: contact, match: { phone_number: '+4915112345678' }, times: 1, status: 500 }\n\
         - { on: contact, match: { phone_number: '+4915112345679' }, status: 404 }\n\
         - { on: message, match: { phone_number: '+4915112345670' }, times: 2, status: 429 }\n",
    );
    let project = Project::at(&desk)
        .to("{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }")
        .message("{ content: Hi }")
        .list("phone\n+4915112345678\n+4915112345679\n+4915112345670\n");
    project.run(&[]).exits(3);
    let attempts: Vec<String> =
        project.report().iter().map(|row| format!("{} {}", row["outcome"], row["attempts"])).collect();
    assert_eq!(attempts, ["accepted 1", "failed 0", "accepted 3"]);
}

#[test]
fn the_page_can_be_sorted_by_every_column_and_draws_shares_as_they_are() {
    let desk = Desk::start("faults: [{ on: message, match: { conversation_id: 101 }, status: 404 }]");
    let project = Project::at(&desk).people(3_000).setting("report: r.html");
    project.run(&[]).exits(3);
    let html = report_of(&project, "r.html");
    let heads = html.matches("<th scope=\"col\" data-column=").count();
    assert!(heads >= 13 && html.matches("<button type=\"button\" class=\"sort\">").count() == heads);
    // One of 3,000 is drawn as wide as it is.
    assert!(
        html.contains(r#"<rect class="failed" x="99.9667%" width="0.0333%""#),
        "{}",
        &html[html.find("<svg").unwrap()..][..600]
    );
}

/// Keys that a spreadsheet would run, or take for numbers.
const ODD_KEYS: [&str; 7] = ["=1+1", "=7", "+49 151 x", "@ada", "-1", "-", "'=2"];

#[test]
fn keys_like_formulas_come_back_from_a_report_as_they_are() {
    let people: Vec<_> = ODD_KEYS.iter().zip(101..).map(|(key, id)| format!("{id},\"{key}\"")).collect();
    let recipients = "recipients: { file: list.csv, key: '{{ id }}' }";
    let desk = Desk::start("faults: [{ on: message, times: 7, status: 500 }]");
    let list = format!("conversation_id,id\n{}\n", people.join("\n"));
    let project = Project::at(&desk).setting(recipients).list(&list).send("outage: 30s");
    // The first run gives up before the last one if it meets the faults one by one.
    project.run(&[]);
    project.run(&[]).exits(4);
    let written: Vec<String> = project.report().into_iter().map(|row| row["key"].clone()).collect();
    assert_eq!(written, ["'=1+1", "'=7", "'+49 151 x", "'@ada", "-1", "'-", "''=2"]);
    for (at, (key, of_report)) in ODD_KEYS.iter().zip(&written).enumerate() {
        let resolve = |key: &str| project.campaign(&["resolve", "campaign.yaml", "--key", key, "--not-sent"]);
        resolve(of_report).exits(0);
        resolve(key).exits(1).says("nothing was resolved");
        project.run(&["--only", key, "--dry-run"]).exits(0).says("1 message would be sent");
        project.run(&["--only", of_report]);
        assert_eq!(desk.addressed().len(), ODD_KEYS.len() + at + 1, "{of_report}");
    }
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed().len(), 2 * ODD_KEYS.len(), "each once in doubt, and once more as resolved");

    // The report as a list of opt-outs, and as a list: these are the same people.
    let report = report_of(&project, "reports/c.csv");
    let stop = "recipients: { file: list.csv, key: '{{ id }}', suppress: [former.csv] }";
    let project = project.file("former.csv", report).setting(stop);
    project.campaign(&["check", "campaign.yaml"]).exits(0).says("every row of the list is skipped");
    let project = project.setting("recipients: { file: former.csv, key: '{{ key }}' }").to("{ conversation_id: 101 }");
    let words = ["--dry-run", "--format", "json", "--preview", "all", "--ledger", "new.sqlite", "--first-run"];
    let ran = project.run(&words).exits(0).says("a report of this program");
    let keys: Vec<_> = ran.json().iter().filter_map(|line| line["key"].as_str().map(str::to_owned)).collect();
    assert_eq!(keys, ODD_KEYS);
}

#[test]
fn a_key_that_may_be_either_of_two_recipients_is_refused() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, key: '{{ id }}' }";
    let project = Project::at(&desk).setting(recipients).list("conversation_id,id\n101,=1\n102,'=1\n");
    project.run(&["--only", "'=1"]).exits(2).says("`'=1` is a key, and so is `=1`");
    project.run(&["--only", "''=1"]).exits(0);
    assert_eq!(desk.addressed(), [102]);
}
