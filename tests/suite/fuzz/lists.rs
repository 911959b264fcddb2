//! Lists as they leave other people's spreadsheets, scripts and disks.

use std::io::Cursor;

use campaign::recipients::{ListOptions, RowError, read};
use campaign::specification::Format;
use proptest::prelude::*;

use super::{Change, cases, change, changed, ending, files, in_time};

const ENCODINGS: [Option<&str>; 8] = [
    None,
    Some("utf-8"),
    Some("utf-16le"),
    Some("utf-16be"),
    Some("windows-1252"),
    Some("gb18030"),
    Some("shift_jis"),
    Some("iso-2022-jp"),
];

const FORMATS: [Format; 4] = [Format::Csv, Format::Tsv, Format::Jsonl, Format::Xlsx];

/// Reads a list to its end. Each row has its columns and comes after the one before, and nothing comes after the list's end.
fn holds(bytes: &[u8], format: Format, delimiter: Option<u8>, encoding: Option<&str>) {
    let written = ListOptions { name: "list", format, delimiter, encoding, sheet: None };
    let Ok(mut rows) = read(Cursor::new(bytes.to_vec()), &written) else { return };
    let (mut last, mut told) = (0, 0);
    // Twice as many as a list of so many bytes can have: reading that never ends would pass this.
    for row in rows.by_ref() {
        told += 1;
        assert!(format == Format::Xlsx || told <= bytes.len() + 2, "more rows than bytes");
        match row {
            Ok(row) => {
                // A bare carriage return ends a row but begins no line.
                assert!(row.line >= last.max(1), "line {} behind {last}", row.line);
                assert_eq!(row.cells.len(), row.columns.names().len());
                last = row.line;
            }
            Err(RowError::Row(_)) => {}
            Err(RowError::List(_)) => {
                assert!(rows.next().is_none(), "something came behind what ends a list");
                break;
            }
        }
    }
}

fn format_of(name: &str) -> Format {
    match ending(name) {
        "tsv" => Format::Tsv,
        "jsonl" => Format::Jsonl,
        "xlsx" => Format::Xlsx,
        _ => Format::Csv,
    }
}

/// Lists that are valid, of each format, and one in UTF-16.
fn valid() -> Vec<(Format, Vec<u8>)> {
    let csv = "conversation_id,name\n101,\"Jürgen, \"\"J\"\"\"\n102,José\n103,\"two\nlines\"\n";
    let wide: Vec<u8> = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let jsonl = "{\"conversation_id\": 101, \"name\": \"José\"}\n\n{\"name\": null, \"x\": {\"y\": [1, 2.5e3]}}\n";
    vec![
        (Format::Csv, csv.as_bytes().to_vec()),
        (Format::Csv, wide),
        (Format::Tsv, csv.replace(',', "\t").into_bytes()),
        (Format::Jsonl, jsonl.as_bytes().to_vec()),
        (Format::Xlsx, std::fs::read("tests/lists/people.xlsx").unwrap_or_default()),
    ]
}

fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![
            "\"",
            "\"\"",
            "\0",
            "\u{feff}",
            "\r",
            "\r\n",
            ",,,,",
            "\n\n",
            "{",
            "}",
            "[[[[",
            "\\u0000",
            "\\ud800",
            "\u{1b}$B",
            "PK\u{3}\u{4}",
            "99999999",
            "-1",
            "1e300",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        Just(vec![0xff, 0xfe]),
        Just(vec![0xfe, 0xff]),
        Just(vec![0xd8, 0x00]),
    ]
}

fn encoding() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(ENCODINGS.to_vec())
}

fn check_changed(at: usize, changes: &[Change], encoding: Option<&str>) {
    let (format, bytes) = valid().swap_remove(at);
    let bytes = changed(bytes, changes);
    in_time("a changed list", || holds(&bytes, format, None, encoding));
}

#[test]
fn every_list_that_was_tried_before_is_read_or_refused() {
    for (name, bytes) in files("tests/seeds/list", "") {
        for encoding in ENCODINGS {
            in_time(&name, || holds(&bytes, format_of(&name), None, encoding));
        }
    }
}

#[test]
fn a_sheet_with_a_stray_cell_at_its_far_end_costs_nothing() {
    let bytes = std::fs::read("tests/seeds/list/one_far_cell.xlsx").unwrap();
    in_time("the far cell", || holds(&bytes, Format::Xlsx, None, None));
}

#[test]
fn a_header_of_thousands_of_columns_is_read_in_time() {
    let names: Vec<String> = (0..20_000).map(|at| format!("c{at}")).collect();
    let header = names.join(",");
    in_time("20,000 names", || holds(header.as_bytes(), Format::Csv, None, None));
    in_time("100,000 empty names", || holds(",".repeat(100_000).as_bytes(), Format::Csv, None, None));
    in_time("100,000 open quotes", || holds("\"".repeat(99_999).as_bytes(), Format::Csv, None, None));
}

#[test]
fn lines_of_nothing_but_brackets_are_refused_in_time() {
    for text in ["[".repeat(100_000), "{\"a\":".repeat(20_000), "{}\n".repeat(30_000), "\n".repeat(100_000)] {
        in_time("a list of brackets", || holds(text.as_bytes(), Format::Jsonl, None, None));
    }
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        format in prop::sample::select(FORMATS.to_vec()),
        delimiter in prop::option::of(any::<u8>()),
        encoding in encoding(),
    ) {
        in_time("a list", || holds(&bytes, format, delimiter, encoding));
    }

    #[test]
    fn a_text_list_with_slips_in_it_is_read_or_refused(
        at in 0_usize..4, changes in prop::collection::vec(change(rubbish()), 1..6), encoding in encoding(),
    ) {
        check_changed(at, &changes, encoding);
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn a_damaged_workbook_is_read_or_refused(changes in prop::collection::vec(change(rubbish()), 1..4)) {
        check_changed(4, &changes, None);
    }
}
