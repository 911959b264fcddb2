use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::rows::Rows;
use super::throughput::Throughput;
use super::totals::Totals;
use super::{SCRIPT, STYLE, hash};
use crate::report::columns::COLUMNS;
use crate::report::list_columns::ListColumns;
use crate::report::{About, Record, writer};
use crate::specification::ReportFormat;
use crate::state::State;

const NASTY: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "\" onmouseover=\"alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u{202e}gpj.exe\u{2066}",
    "line\u{2028}separator\u{2029}",
    "\u{1b}[31mred\u{0}",
];

fn record(line: u64, key: &str, outcome: State, code: Option<&str>, error: Option<&str>) -> Record {
    let tried = !matches!(outcome, State::Skipped | State::Pending);
    let settled = tried && outcome != State::Claimed;
    let at = |second: u64| Timestamp::from_second(1_790_000_000 + i64::try_from(second).unwrap()).unwrap();
    Record {
        line: Some(line),
        key: key.to_owned(),
        outcome,
        livedesk_status: (outcome == State::Accepted).then(|| "sent".to_owned()),
        error_code: code.map(ToOwned::to_owned),
        error: error.map(ToOwned::to_owned),
        attempts: u32::from(tried),
        contact_id: None,
        conversation_id: tried.then_some(u64::MAX - line),
        message_id: (outcome == State::Accepted).then_some(700 + line),
        first_attempt_at: tried.then(|| at(line)),
        settled_at: settled.then(|| at(line + 1)),
        duration_ms: settled.then_some(1000),
        earlier: Vec::new(),
        row: None,
        receipt: crate::report::ReceiptColumns::default(),
    }
}

/// Every outcome, codes of all sorts, and names as they are.
fn records() -> Vec<Record> {
    let mut again = record(3, "Zoë Müller", State::Accepted, None, None);
    again.attempts = 2;
    vec![
        record(2, "+4915123456789", State::Accepted, None, None),
        again,
        record(4, "李小龍", State::Accepted, Some("resolved"), Some("resolved by hand as sent")),
        record(5, "さくら", State::Failed, Some("131047"), Some("more than 24 hours have passed")),
        record(6, "김철수", State::Failed, Some("131047"), Some("another text of the same code")),
        record(7, NASTY[0], State::Failed, Some(NASTY[1]), Some(NASTY[2])),
        record(8, NASTY[5], State::Failed, Some(NASTY[3]), Some(NASTY[4])),
        record(9, "שרה", State::Unknown, Some("timeout"), Some(NASTY[7])),
        record(10, NASTY[6], State::Unknown, None, None),
        record(11, "مريم", State::Skipped, Some("where"), Some("left out by recipients.where")),
        record(12, "Ирина", State::Skipped, Some("duplicate"), Some("same key as line 2")),
        record(13, "O'Neil & \"Sons\"", State::Pending, None, None),
        record(14, "👩‍👩‍👧", State::Claimed, None, None),
    ]
}

fn page(records: &[Record]) -> String {
    let about = About {
        name: "spring".to_owned(),
        description: Some(format!("Says when it comes. {}", NASTY[0])),
        written_at: "2026-11-21T10:12:00.123Z".parse().unwrap(),
        list_columns: Vec::new(),
    };
    let mut output = Vec::new();
    let mut report = writer(ReportFormat::Html, about, &mut output).unwrap();
    for record in records {
        report.add(record).unwrap();
    }
    report.finish().unwrap();
    String::from_utf8(output).unwrap()
}

/// What the table's script reads.
fn rows(page: &str) -> Vec<Vec<Value>> {
    let blocks = page.split("<script type=\"application/json\" class=\"records\">").skip(1);
    blocks
        .flat_map(|block| {
            let end = block.find("</script").unwrap();
            serde_json::from_str::<Vec<Vec<Value>>>(&block[..end]).unwrap()
        })
        .collect()
}

/// The part that is said about the data, without style, data and script.
fn summary(page: &str) -> &str {
    &page[page.find("<main>").unwrap()..page.find("</main>").unwrap()]
}

#[test]
fn the_page_says_what_became_of_everybody() {
    insta::assert_snapshot!(summary(&page(&records())));
}

#[test]
fn the_totals_add_up_to_the_rows() {
    let mut sums = Totals::default();
    for record in records() {
        sums.add(&record);
    }
    assert_eq!(sums.rows(), 13);
    assert_eq!(State::ALL.map(|outcome| sums.of(outcome)).iter().sum::<u64>(), 13);
    let numbers = page(&records());
    let numbers: Vec<u64> = numbers
        .split("<span class=\"outcome ")
        .filter_map(|line| line.split_once("</th>\n<td class=\"number\">")?.1.split_once("</td>"))
        .map(|(cell, _)| cell.trim_end_matches("</a>").rsplit('>').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, [3, 4, 2, 2, 1, 1]);
}

#[test]
fn the_table_has_the_columns_and_the_values_of_the_other_reports() {
    let records = records();
    let page = page(&records);
    for column in COLUMNS {
        assert!(page.contains(&format!("data-column=\"{column}\"")), "{column}");
    }
    let rows = rows(&page);
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(&records) {
        let Value::Object(fields) = serde_json::to_value(record).unwrap() else { panic!("a record is an object") };
        assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), COLUMNS);
        for (cell, (column, mut field)) in row.iter().zip(fields) {
            if column.ends_with("_id") && field.is_u64() {
                field = Value::String(field.to_string());
            }
            assert_eq!(*cell, field, "{column}");
        }
    }
}

#[test]
fn no_value_becomes_markup() {
    let page = page(&records());
    for tag in ["<img", "<!--", "<script>alert", "\u{202e}", "\u{2066}", "\u{2028}", "\u{2029}", "\u{1b}", "\u{0}"] {
        assert!(!page.contains(tag), "{tag:?}");
    }
    assert!(!summary(&page).contains("\" onmouseover"));
    assert!(page.contains("{{ 7 * 7 }}{% raw %}"));
    assert!(page.contains("\\u{202e}") || page.contains("\\u202e"), "written out");
    // One block of data, one script, and nothing else that runs.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
}

#[test]
fn the_page_may_load_nothing_and_run_nothing_but_its_own_script() {
    let page = page(&records());
    let policy = format!("default-src 'none'; style-src {}; script-src {};", hash(STYLE), hash(SCRIPT));
    assert!(page.contains(&policy));
    // The hashes hold for what is in the page, to the byte.
    assert!(page.contains(&format!("<style>{STYLE}</style>")));
    assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    assert!(!STYLE.contains('\r') && !SCRIPT.contains('\r'));
    for other in [" style=", " onclick=", "src=\"", "@import", "url(", "innerHTML", "eval("] {
        assert!(!page.contains(other), "{other}");
    }
}

#[test]
fn a_list_without_rows_has_a_page_too() {
    let page = page(&[]);
    assert!(page.contains("Nothing has been sent yet."));
    assert!(rows(&page).is_empty());
}

#[test]
fn long_lists_come_in_blocks() {
    let records: Vec<_> = (2..12_002).map(|line| record(line, "k", State::Accepted, None, None)).collect();
    let page = page(&records);
    assert_eq!(page.matches("class=\"records\"").count(), 3);
    assert_eq!(rows(&page).len(), 12_000);
}

#[test]
fn whoever_does_not_fit_is_counted() {
    let mut rows = Rows::with_limits(ListColumns::default(), 10, 5);
    let mut output = Vec::new();
    for line in 1..=40 {
        let outcome = if line % 4 == 0 { State::Failed } else { State::Accepted };
        rows.add(&record(line, "k", outcome, None, None), &mut output).unwrap();
    }
    assert_eq!(rows.complete_up_to(), Some(10));
    assert_eq!(rows.written(), 15);
    assert_eq!(rows.written() + rows.left_out().values().sum::<u64>(), 40);
    assert_eq!(rows.left_out()[&State::Failed], 3);
}

#[test]
fn codes_beyond_measure_are_summed_up() {
    let mut sums = Totals::default();
    let long = "x".repeat(100_000);
    for line in 0..5_000 {
        let code = format!("code-{line}-{long}");
        sums.add(&record(line, "k", State::Failed, Some(&code), Some(&long)));
    }
    assert_eq!(sums.reasons.len(), 200);
    let kept: usize = sums.reasons.iter().map(|((_, code), reason)| code.len() + reason.example.len()).sum();
    assert!(kept < 100_000, "{kept}");
    let told: u64 = sums.reasons.values().chain(sums.other_reasons.values()).map(|reason| reason.count).sum();
    assert_eq!(told, 5_000);
}

#[test]
fn shares_never_call_somebody_nobody() {
    use super::view::share;
    use crate::humanize::grouped;
    assert_eq!(share(0, 10), "0\u{a0}%");
    assert_eq!(share(1, 1_000_000), "<\u{a0}0.1\u{a0}%");
    assert_eq!(share(999_999, 1_000_000), ">\u{a0}99.9\u{a0}%");
    assert_eq!(share(10, 10), "100\u{a0}%");
    assert_eq!(share(1, 3), "33.3\u{a0}%");
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}

proptest! {
    #[test]
    fn data_is_read_back_as_it_was(key in any::<String>(), error in any::<String>()) {
        let record = record(2, &key, State::Failed, Some("x"), Some(&error));
        let mut output = Vec::new();
        let mut rows = Rows::of(ListColumns::default());
        rows.add(&record, &mut output).unwrap();
        rows.finish(&mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        // The two of its own element, and no other.
        prop_assert_eq!(text.matches('<').count(), 2);
        let read = self::rows(&text);
        prop_assert_eq!(read[0][1].as_str(), Some(key.as_str()));
        prop_assert_eq!(read[0][5].as_str(), Some(error.as_str()));
    }

    #[test]
    fn no_text_of_a_reason_is_markup(code in any::<String>(), error in any::<String>()) {
        let plain = page(&[record(2, "k", State::Failed, Some("c"), Some("e"))]);
        let other = page(&[record(2, "k", State::Failed, Some(&code), Some(&error))]);
        // The code's link is the only element that a code may take away.
        let tags = |page: &str| page.matches('<').count() - page.matches("<a ").count() - page.matches("</a>").count();
        prop_assert_eq!(tags(&plain), tags(&other));
    }

    #[test]
    fn buckets_are_few_and_lose_nobody(
        times in prop::collection::vec(-377_705_023_201_i64..=253_402_207_200, 1..60),
        near in prop::collection::vec(0_i64..100_000, 0..200),
    ) {
        let mut throughput = Throughput::default();
        let all: Vec<_> = near.into_iter().chain(times).collect();
        for (at, second) in (1_u64..).zip(&all) {
            let outcome = if at % 3 == 0 { State::Failed } else { State::Accepted };
            let mut record = record(at, "k", outcome, None, None);
            record.settled_at = Some(Timestamp::from_second(*second).unwrap());
            throughput.add(&record);
            prop_assert!(throughput.buckets().count() <= 90);
        }
        let counted: u64 = throughput.buckets().flat_map(|(_, counts)| counts.iter()).sum();
        prop_assert_eq!(counted, all.len() as u64);
        prop_assert!(throughput.plot((960, 260)).unwrap().is_some());
    }
}
