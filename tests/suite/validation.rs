//! What is wrong with a spec or a list is found before anything is sent, all of it, each with its place.

use std::fs;

use crate::harness::{Desk, Project, Ran};

/// The answer to a project whose problems are found, with nothing at all sent.
pub(super) fn refused(make: impl FnOnce(Project) -> Project, words: &[&str]) -> String {
    let desk = Desk::friendly();
    let project = make(Project::at(&desk).file("list.csv", "conversation_id,name\n101,Ada\n102,Bob\n"));
    let ran: Ran = project.run(words).exits(2);
    assert_eq!(desk.journal().len(), 0, "something was sent");
    assert!(!project.path("reports").exists(), "a report was written");
    assert_eq!(ran.stdout, "", "problems go to standard error");
    ran.stderr
}

const SPEC: &str = "\
name: c
recipients: list.csv
to: { conversation_id: '{{ conversation_id }}' }
message:
  content: >-
    Hi
";

fn spec(project: Project, from: &str, to: &str) -> Project {
    assert!(SPEC.contains(from), "{from}");
    project.spec(&SPEC.replace(from, to))
}

#[test]
fn an_unknown_key_is_marked() {
    let stderr = refused(|project| spec(project, "recipients:", "recipient:"), &[]);
    assert!(stderr.contains("unknown key `recipient`") && stderr.contains("campaign.yaml:2:1"), "{stderr}");
}

#[test]
fn an_unknown_column_is_marked_inside_the_template() {
    let content = "  content: \"Hi {{ name }}, é your order {{ odrer }} is here\"\n";
    let list = "conversation_id,name,order\n101,Ada,7\n";
    insta::assert_snapshot!(refused(|project| spec(project.list(list), "  content: >-\n    Hi\n", content), &[]));
}

#[test]
fn an_unknown_column_is_marked_inside_a_block_of_several_lines() {
    let content = "  content: |\n    Hi {{ name }},\n    your order {{ nmae | upper }}\n";
    insta::assert_snapshot!(refused(|project| spec(project, "  content: >-\n    Hi\n", content), &[]));
}

#[test]
fn a_template_that_is_not_closed_is_marked() {
    insta::assert_snapshot!(refused(
        |project| spec(project, "  content: >-\n    Hi\n", "  content: 'Hi {{ name'\n"),
        &[]
    ));
}

#[test]
fn a_brace_without_quotes_is_explained() {
    insta::assert_snapshot!(refused(|project| spec(project, "'{{ conversation_id }}'", "{{ conversation_id }}"), &[]));
}

#[test]
fn all_problems_of_a_spec_come_at_once() {
    let rest = "    Hi\nlivedesk: { base_url: 'http://example.com' }\nreport: out.pdf\n\
        send: { rate: 20, burst: 0, timeout: soon, not_after: tomorrow, retry: { backoff: 10s, max_backoff: 1s } }\n";
    insta::assert_snapshot!(refused(|project| spec(project, "    Hi\n", rest), &[]));
}

#[test]
fn a_constant_that_the_spec_does_not_have_cannot_be_set() {
    insta::assert_snapshot!(refused(
        |project| spec(project, "    Hi\n", "    Hi\nvars: { shop: Acme }\n"),
        &["--var", "shpo=Other"]
    ));
}

#[test]
fn a_secret_in_the_spec_is_a_problem_that_does_not_show_it() {
    let stderr =
        refused(|project| spec(project, "name: c\n", "name: c\nlivedesk: { api_secret: s3cr3t-value }\n"), &[]);
    assert!(!stderr.contains("s3cr3t"), "{stderr}");
    insta::assert_snapshot!(stderr);
}

#[test]
fn every_bad_row_is_named_by_its_line() {
    let list = "conversation_id,name\n101,Ada\n,Bob\nabc,Cy\n104,\n-5,Eve\n1.5,Flo\n107,Gus\n";
    let message = "{ content: 'Hi', template_params: { name: t, language: de, \
        processed_params: { '1': '{{ name }}' } } }";
    insta::assert_snapshot!(refused(|project| project.message(message).list(list), &[]));
}

#[test]
fn bad_rows_can_be_left_out_and_are_reported() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n,Bob\nabc,Cy,too,many\n104,Dee\n");
    project.run(&["--skip-invalid"]).exits(0);
    assert_eq!(desk.addressed(), [101, 104]);
    let rows: Vec<_> = project
        .report()
        .iter()
        .map(|row| format!("{} {} {}", row["line"], row["outcome"], row["error_code"]))
        .collect();
    assert_eq!(rows, ["2 accepted ", "3 skipped invalid", "4 skipped invalid", "5 accepted "]);
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_named() {
    let list = "conversation_id,name\n101,Ada\n102\n103,Cy,1\n104,\"Dee\nDee\"\n105\n";
    insta::assert_snapshot!(refused(|project| project.list(list), &[]));
}

#[test]
fn two_columns_of_one_name_that_nothing_uses_are_a_note() {
    let list = "conversation_id,name,note,note\n101,Ada,a,b\n";
    let check = |more: &str| {
        let project = Project::at_address("http://127.0.0.1:9").list(list).message("{ content: 'Hi {{ name }}' }");
        project.setting(more).campaign(&["check", "campaign.yaml"])
    };
    check("").exits(0).says("list.csv: columns 3 and 4 are both named `note`; nothing uses them");
    for used in [
        "report: { file: out.csv, columns: [note] }",
        "recipients: { file: list.csv, where: 'note != \"\"' }",
        "recipients: { file: list.csv, columns: [note] }",
        "recipients: { file: list.csv, key: '{{ row|length }}' }",
    ] {
        check(used).exits(2).says("columns 3 and 4 are both named `note`").says("list.csv:1");
    }
}

#[test]
fn a_key_that_is_too_long_for_a_ledger_is_a_problem_of_its_row() {
    let list = format!("conversation_id,id\n101,{}\n102,{}\n", "x".repeat(1024), "é".repeat(513));
    let recipients = "recipients: { file: list.csv, key: '{{ id }}' }";
    insta::assert_snapshot!(refused(|project| project.list(&list).setting(recipients), &[]));
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let list = "conversation_id,name, name\n101,Ada,L\n";
    insta::assert_snapshot!(refused(|project| project.list(list).message("{ content: 'Hi {{ name }}' }"), &[]));
}

#[test]
fn a_list_that_is_not_utf_8_names_the_line_and_the_way_out() {
    let list = b"conversation_id,name\n101,Ada\n102,Jos\xe9\n";
    insta::assert_snapshot!(refused(|project| project.file("list.csv", list), &[]));
}

#[test]
fn a_list_of_nobody_is_refused() {
    insta::assert_snapshot!("header alone", refused(|project| project.list("conversation_id,name\n"), &[]));
    insta::assert_snapshot!("no byte", refused(|project| project.list(""), &[]));
}

#[test]
fn duplicates_stop_the_run_where_the_spec_says_so() {
    let list = "conversation_id,name\n101,Ada\n102,Bob\n101,Ada\n102,B.\n";
    let recipients = "recipients: { file: list.csv, on_duplicate: stop }";
    insta::assert_snapshot!(refused(|project| project.list(list).setting(recipients), &[]));
}

#[test]
fn what_the_server_would_evaluate_is_refused() {
    let list = "conversation_id,name\n101,\"{{ contact.email }}\"\n102,\"{% if x %}\"\n";
    let stderr = refused(|project| project.list(list).message("{ content: 'Hi {{ name }}' }"), &[]);
    assert!(!stderr.contains("contact.email"), "a customer's data is shown: {stderr}");
    insta::assert_snapshot!(stderr);
}

#[test]
fn a_null_is_not_written_into_a_message() {
    let recipients = "recipients: list.jsonl";
    let rows = "{\"conversation_id\": 101, \"name\": null}\n{\"conversation_id\": 102}\n[1]\n{\"conv\n";
    insta::assert_snapshot!(refused(
        |project| project.file("list.jsonl", rows).setting(recipients).message("{ content: 'Hi {{ name }}' }"),
        &[]
    ));
}

#[test]
fn problems_as_data_have_their_places() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,Ada\n,Bob\nabc,Cy\n");
    let ran = project.campaign(&["check", "campaign.yaml", "--format", "json"]).exits(2);
    let lines: Vec<_> = ran.json().iter().map(|problem| problem["line"].as_u64()).collect();
    assert_eq!(lines, [Some(3), Some(4)]);
}

#[test]
fn a_bad_new_row_stops_the_run_and_leaves_the_ledger_as_it_was() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3);
    project.run(&["--limit", "1"]).exits(0);
    let project = project.list("conversation_id\n101\n102\n103\nabc\n");
    project.run(&[]).exits(2);
    assert_eq!(desk.messages().len(), 1);
    let project = project.people(3);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
}

#[test]
fn a_list_as_spreadsheets_write_it_is_read() {
    let desk = Desk::friendly();
    let list = "\u{feff}conversation_id;name\r\n101;\"Müller; Eva\"\r\n\r\n102;\"O\"\"Neil\"\r\n";
    let project = Project::at(&desk).list(list).message("{ content: 'Hi {{ name }}' }").send("concurrency: 1");
    project.run(&[]).exits(0).says("delimiter ';'");
    let texts: Vec<_> = desk.messages().iter().map(|entry| entry["body"]["content"].clone()).collect();
    assert_eq!(texts, ["Hi Müller; Eva", "Hi O\"Neil"]);
}

#[test]
fn a_list_in_another_encoding_is_read_when_it_is_named() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, encoding: windows-1252 }";
    let project = Project::at(&desk).setting(recipients).file("list.csv", b"conversation_id,name\n101,Jos\xe9\n");
    project.message("{ content: 'Hi {{ name }}' }").run(&[]).exits(0).says("encoding windows-1252");
    assert_eq!(desk.messages()[0]["body"]["content"], "Hi José");
}

#[test]
fn people_on_a_suppression_list_are_left_out_with_its_line() {
    let desk = Desk::friendly();
    let recipients = "recipients: { file: list.csv, suppress: [stop.csv], where: 'name != \"Cy\"' }";
    let project = Project::at(&desk).setting(recipients).file("stop.csv", "someone\n102\n");
    let project = project.list("conversation_id,name\n101,Ada\n102,Bob\n103,Cy\n");
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101]);
    let report = project.report();
    assert_eq!(report[1]["error"], "on the suppression list at stop.csv:2");
    assert_eq!(report[2]["error_code"], "where");
}

#[test]
fn no_secret_of_a_spec_is_shown_in_any_problem_with_it() {
    let project = Project::at_address("http://127.0.0.1:9").people(1);
    let spec = fs::read_to_string(project.path("campaign.yaml")).unwrap();
    let mut project = project;
    for livedesk in [
        "{ base_url: 'https://key:s3cr3t@livedesk-api.engagelab.com' }",
        "{ base_url: 'ftp://key:s3cr3t@livedesk-api.engagelab.com' }",
        "{ api_secrt: s3cr3t }",
        "{ api_secret: [s3cr3t] }",
        "{ api_secret: s3cr3t, api_secret: s3cr3t }",
        "{ api_key: k, api_secret: s3cr3t, base_url: http://example.com }",
    ] {
        let text = spec.replace("livedesk: { base_url: 'http://127.0.0.1:9' }", &format!("livedesk: {livedesk}"));
        project = project.spec(&text);
        let ran = project.run(&[]).exits(2);
        assert!(!ran.stderr.contains("s3cr3t"), "{livedesk}\n{}", ran.stderr);
    }
}

#[test]
fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
    let project = Project::at_address("http://127.0.0.1:9").people(1).setting("mesage: x");
    project.run(&[]).exits(2).says("did you mean `message`?");
}
