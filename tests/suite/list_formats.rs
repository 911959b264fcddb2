//! Whatever a list is written in, the same people get the same message.

use std::fmt::Write;
use std::fs;

use crate::harness::{Desk, Project};

/// The texts that arrived, by conversation.
fn texts(desk: &Desk) -> Vec<String> {
    let mut texts: Vec<String> =
        desk.messages().iter().map(|entry| format!("{} {}", entry["path"], entry["body"]["content"])).collect();
    texts.sort();
    texts
}

fn sent_from(name: &str, bytes: impl AsRef<[u8]>, more: &str) -> Vec<String> {
    let desk = Desk::friendly();
    let recipients = format!("recipients: {{ file: {name}{more} }}");
    let project = Project::at(&desk).setting(&recipients).message("{ content: 'Grüß Gott {{ name }}' }");
    project.file(name, bytes).run(&[]).exits(0);
    texts(&desk)
}

#[test]
fn every_format_and_encoding_gives_the_same_messages() {
    const LIST: &str = "conversation_id,name\n101,José\n102,Jürgen\n";
    let expected = sent_from("list.csv", LIST, "");
    assert_eq!(expected.len(), 2);
    assert!(expected[0].contains("Grüß Gott José"), "{expected:?}");
    let utf16 =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{LIST}").encode_utf16().flat_map(order).collect() };
    let windows: Vec<u8> = LIST.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let json =
        "{\"conversation_id\": 101, \"name\": \"José\"}\n\n{\"name\": \"Jürgen\", \"conversation_id\": \"102\"}\n";
    for (name, bytes, more) in [
        ("list.csv", format!("\u{feff}{}", LIST.replace(',', ";")).into_bytes(), ""),
        ("list.csv", LIST.replace(',', "|").replace('\n', "\r\n").into_bytes(), ""),
        ("list.tsv", LIST.replace(',', "\t").into_bytes(), ""),
        ("list.csv", utf16(u16::to_le_bytes), ""),
        ("list.csv", utf16(u16::to_be_bytes), ""),
        ("list.csv", windows, ", encoding: windows-1252"),
        ("people.dat", LIST.replace(',', ";").into_bytes(), ", format: csv, delimiter: ';'"),
        ("list.jsonl", json.as_bytes().to_vec(), ""),
    ] {
        assert_eq!(sent_from(name, bytes, more), expected, "{name}{more}");
    }
}

#[test]
fn a_workbook_is_read_as_a_person_reads_it() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).setting("recipients: people.xlsx");
    let project = project.message("{ content: '{{ name }} since {{ since }}: {{ amount }}' }");
    project.file("people.xlsx", fs::read("tests/lists/people.xlsx").unwrap()).run(&[]).exits(0);
    let texts = texts(&desk);
    assert!(texts[0].contains("101/messages") && texts[0].contains("Ada since 2026-11-02: 12.5"), "{texts:?}");
    assert!(texts[1].contains("102/messages") && texts[1].contains("美咲 since 2026-11-02T09:30:00: 3"), "{texts:?}");
}

#[test]
fn columns_that_are_no_identifiers_are_reached_through_the_row() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,Order No.\n101,A-7\n");
    project.message("{ content: 'Order {{ row[\"Order No.\"] }}' }").run(&[]).exits(0);
    assert!(texts(&desk)[0].contains("Order A-7"));
}

#[test]
fn a_list_from_standard_input_is_sent_to() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).setting("recipients: '-'");
    let list = "conversation_id\n101\n102\n";
    let checked = project.campaign_with_input(&["check", "campaign.yaml"], list).exits(0);
    assert_eq!(checked.stdout, "no problems: 2 rows in standard input, 2 messages to send\n");
    project.campaign_with_input(&["check", "campaign.yaml"], "").exits(1).says("no list on standard input");
    project.run_with_input(&["--dry-run"], list).exits(0).says("2 messages would be sent");
    assert_eq!(desk.addressed().len(), 0);
    project.run_with_input(&[], list).exits(0);
    assert_eq!(desk.addressed().len(), 2);
}

#[test]
fn what_is_wrong_with_rows_is_told_in_the_order_of_the_list() {
    // Far more rows than are judged together. Each thirteenth has no name, each seventeenth the key of the row before
    // it.
    let (empty, repeated) = (|row: u64| row % 13 == 5, |row: u64| row % 17 == 9);
    let mut list = "conversation_id,name\n".to_owned();
    for row in 0..5_500 {
        let (id, name) = (1_000 + row - u64::from(repeated(row)), if empty(row) { "" } else { "Ada" });
        writeln!(list, "{id},{name}").unwrap();
    }
    let lines = |of: &dyn Fn(u64) -> bool| (0..5_500).filter(|row| of(*row)).map(|row| row + 2).collect::<Vec<_>>();
    // Of a row that is wrong itself, nobody asks whether its key was there before; nor is its key taken.
    let told = |row| repeated(row) && !empty(row) && !empty(row - 1);
    let project = Project::at(&Desk::friendly()).setting("recipients: { file: list.csv, on_duplicate: stop }");
    let project = project.message("{ content: '{{ name }}' }").list(&list);
    let problems = project.campaign(&["check", "campaign.yaml", "--all", "--format", "json"]).exits(2).json();
    for (code, expected) in [("empty", lines(&empty)), ("duplicate-key", lines(&told))] {
        let found: Vec<u64> =
            problems.iter().filter(|one| one["code"] == code).map(|one| one["line"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{code}");
    }
}

#[test]
fn a_quote_that_is_never_closed_swallows_nobody() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n101,\"Ada\n102,Bob\n103,Cy\n");
    project.message("{ content: 'Hi {{ name }}' }").run(&[]).exits(2);
    assert_eq!(desk.messages().len(), 0);
}

#[test]
fn a_list_from_a_pipe_is_continued_without_it() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).setting("recipients: '-'");
    project.run_with_input(&["--limit", "1"], "conversation_id\n101\n102\n103\n").exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}
