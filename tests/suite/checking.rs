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
    let ran = project.run(&[]).exits(1).says("the value of `LIVEDESK_BASE_URL`: credentials may only go over https");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let project = project.environment("LIVEDESK_BASE_URL", Some(&desk.base_url));
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 1);
    let project = project.environment("LIVEDESK_BASE_URL", None);
    let project = project.file(".env", format!("LIVEDESK_BASE_URL={}\n", desk.base_url)).people(2);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 2);
}
