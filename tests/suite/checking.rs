//! What a spec says about its list and its surroundings, and what `campaign check` makes of it.

use std::fs;

use crate::harness::{Desk, Project};

/// A project without a server.
fn offline() -> Project {
    Project::at_address(&Desk::friendly().close())
}

#[test]
fn the_sheet_of_a_workbook_is_the_one_that_is_named() {
    let workbook = fs::read("tests/lists/two_sheets.xlsx").unwrap();
    let mut project = offline().file("list.xlsx", workbook).message("{ content: 'Hi {{ name }}' }");
    for (sheet, text) in [("", "Hi Ada"), ("sheet: Second", "Hi Bob"), ("sheet: SECOND", "Hi Bob")] {
        project = project.setting(&format!("recipients: {{ file: list.xlsx, {sheet} }}"));
        let ran = project.run(&["--dry-run", "--format", "json"]).exits(0);
        assert_eq!(ran.json()[0]["requests"][0]["body"]["content"], text, "{sheet}");
    }
    let project = project.setting("recipients: { file: list.xlsx, sheet: Secnd }");
    project.campaign(&["check", "campaign.yaml"]).exits(2).says("no sheet `Secnd`").says("did you mean `Second`?");
    let project = project.setting("recipients: { file: list.csv, sheet: Second }").people(1);
    project.campaign(&["check", "campaign.yaml"]).exits(2).says("only a workbook has sheets");
}

#[test]
fn a_list_has_the_columns_that_its_spec_declares() {
    let project = offline().list("conversation_id,nmae\n101,Ada\n");
    let project = project.setting("recipients: { file: list.csv, columns: [conversation_id, name, city] }");
    let ran = project.campaign(&["check", "campaign.yaml"]).exits(2);
    let ran = ran.says("the list has no column `name`").says("did you mean `nmae`?");
    ran.says("the list has no column `city`").says("campaign.yaml:");
}

#[test]
fn a_spec_may_skip_rows_that_are_wrong() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id\n101\nnone\n103\n");
    project.run(&[]).exits(2);
    let project = project.setting("checks: { invalid: skip }");
    project.run(&[]).exits(0);
    assert_eq!((project.count("accepted"), project.count("skipped")), (2, 1));
}

#[test]
fn the_address_may_come_from_the_environment() {
    let desk = Desk::friendly();
    let project = Project::at_address("${LIVEDESK_BASE_URL}").people(1);
    project.campaign(&["check", "campaign.yaml"]).exits(0);
    project.run(&["--dry-run"]).exits(0).says("to ${LIVEDESK_BASE_URL}");
    project.run(&[]).exits(1).says("`LIVEDESK_BASE_URL` is not set").says("campaign.yaml:2");
    project.run(&["--sandbox"]).exits(0);
    let project = project.environment("LIVEDESK_BASE_URL", Some("http://user:hunter2@example.com"));
    let ran = project.run(&[]).exits(1).says("the value of `LIVEDESK_BASE_URL`: credentials are sent only over https");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let project = project.environment("LIVEDESK_BASE_URL", Some(&desk.base_url));
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 1);
    let project = project.environment("LIVEDESK_BASE_URL", None);
    let project = project.file(".env", format!("LIVEDESK_BASE_URL={}\n", desk.base_url)).people(2);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 2);
}

const PLAIN: &str = "to: { conversation_id: '{{ conversation_id }}' }\nmessage: { content: 'Hi {{ name }}' }\n";

/// A folder with specs, one of them wrong, and files that are none.
fn folder() -> Project {
    offline()
        .file("all/list.csv", "conversation_id,name\n101,Ada\n")
        .file("all/good.yaml", format!("name: good\nrecipients: list.csv\n{PLAIN}"))
        .file("all/more/bad.yml", format!("name: bad\nrecipients: ../list.csv\n{}", PLAIN.replace("name", "nmae")))
        .file("all/compose.yaml", "services: { web: { image: nginx } }\n")
        .file("all/.hidden/bad.yaml", "message: {}\n")
}

#[test]
fn many_specs_and_folders_are_checked_together() {
    let ran = folder().campaign(&["check", "all"]).exits(2).says("unknown column \"nmae\"");
    assert_eq!(ran.stdout, "all/good.yaml: no problems: 1 row in all/list.csv, 1 message to send\n");
    let ran = folder().campaign(&["check", "all/good.yaml", "all/good.yaml", "gone.yaml"]).exits(1).says("gone.yaml");
    assert_eq!(ran.stdout.lines().count(), 2);
    folder().campaign(&["check", "all/.hidden", "all/more"]).exits(2);
    offline().file("none/x.txt", "").campaign(&["check", "none"]).exits(1).says("there is no spec in this folder");
}

#[test]
fn github_shows_problems_where_they_are() {
    let ran = folder().campaign(&["check", "all", "--format", "github"]).exits(2);
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.starts_with("::error file=all/more/bad.yml,line="), "{}", ran.stdout);
    assert!(ran.stdout.contains("unknown column \"nmae\"%0Adid you mean `name`?"), "{}", ran.stdout);
}

#[test]
fn junit_has_a_test_case_for_each_spec() {
    let ran = folder().campaign(&["check", "all", "--format", "junit"]).exits(2);
    insta::assert_snapshot!("junit", ran.stdout);
}

#[test]
fn a_spec_is_checked_without_its_list_by_the_columns_that_it_declares() {
    let declared = "recipients: { file: secret.csv, columns: [conversation_id, name], suppress: [stop.csv] }";
    let project = offline().file("a.yaml", format!("name: a\n{declared}\n{PLAIN}"));
    let ran = project.campaign(&["check", "a.yaml", "--no-list"]).exits(0);
    assert_eq!(ran.stdout, "no problems: checked against 2 declared columns\n");
    let project = project.file("a.yaml", format!("name: a\n{declared}\n{}", PLAIN.replace(" name ", " nmae ")));
    project.campaign(&["check", "a.yaml", "--no-list"]).exits(2).says("unknown column \"nmae\"").says("`name`?");
    let project = project.file("a.yaml", format!("name: a\nrecipients: secret.csv\n{PLAIN}"));
    project.campaign(&["check", "a.yaml", "--no-list"]).exits(0).says("columns: [name, phone]");
}

#[test]
fn specs_of_one_folder_that_share_a_name_or_a_report_are_named() {
    let spec = |name: &str, report: &str| format!("name: {name}\nrecipients: list.csv\n{PLAIN}report: {report}\n");
    let project = offline().file("f/list.csv", "conversation_id,name\n101,Ada\n");
    let project = project.file("f/a.yaml", spec("a", "a.csv")).file("f/b.yaml", spec("a", "b.csv"));
    project.campaign(&["check", "f/a.yaml"]).exits(0).says("b.yaml is the campaign `a` as well");
    let project = project.file("f/b.yaml", spec("b", "./a.csv"));
    project.campaign(&["check", "f/a.yaml"]).exits(0).says("b.yaml writes the same report, a.csv").says("a.yaml:5:");
    let project = project.file("f/b.yaml", spec("b", "b.csv"));
    let ran = project.campaign(&["check", "f"]).exits(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn wrong_commands_and_flags_are_answered_with_what_was_meant() {
    let project = offline().people(1);
    for (words, tip) in [
        (&["preview", "campaign.yaml"][..], "campaign run FILE --dry-run"),
        (&["validate", "campaign.yaml"], "campaign check FILE"),
        (&["retry", "campaign.yaml"], "campaign run FILE --retry-failed"),
        (&["run", "campaign.yaml", "--plan"], "--dry-run"),
        (&["check", "campaign.yaml", "--json"], "--format json"),
    ] {
        project.campaign(words).exits(2).says(tip);
    }
    for wrong in ["--yess", "--ye", "--force", "-y"] {
        let ran = project.run(&[wrong]).exits(2);
        assert!(!ran.stderr.contains("'--yes'") && !ran.stderr.contains("`--yes`"), "{}", ran.stderr);
    }
}
