//! Lists as folders in `tests/lists/cases`: in `expected.snap` stands what `check` says about each, and which rows are read.
//! `tests/lists/reference` has lists as another program reads them.
//!
//! `tests/lists/make.py` writes the lists. A folder may have the values of `recipients` and `to` in its spec.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Cursor;
use std::panic;
use std::path::{Path, PathBuf};

use campaign::recipients::{self, ListOptions, RowError, Rows};
use campaign::specification::{Format, Source, Spec};
use serde_json::{Value, json};

use crate::harness::{Project, Ran};

/// Nothing listens there: a check asks nobody.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Rows that a snapshot shows.
const SHOWN: usize = 12;

#[test]
fn lists_are_read_or_refused_as_the_cases_say() {
    let folders = folders("tests/lists/cases");
    assert!(folders.len() > 80, "where are the cases?");
    let fails = |folder: &&PathBuf| panic::catch_unwind(|| Case::open(folder).is_as_expected()).is_err();
    let failed: Vec<_> = folders.iter().filter(fails).map(|folder| folder.file_name().unwrap()).collect();
    assert!(failed.is_empty(), "not as expected: {failed:?}");
}

fn folders(of: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

struct Case {
    folder: PathBuf,
    project: Project,
    /// The list's name in the folder.
    list: String,
    spec: String,
}

impl Case {
    fn open(folder: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let mut project = Project::at_address(NOWHERE);
        let mut list = String::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("list.") {
                list.clone_from(&name);
            }
            project = project.file(&name, fs::read(entry.path()).unwrap());
        }
        let recipients = read("recipients.yaml").unwrap_or_else(|| list.clone());
        let to = read("to.yaml").unwrap_or_else(|| "{ conversation_id: '{{ conversation_id }}' }".to_owned());
        let spec = format!("name: c\nrecipients: {recipients}\nto: {to}\nmessage: {{ content: Hi }}\n");
        Self { folder: folder.to_owned(), project: project.spec(&spec), list, spec }
    }

    fn is_as_expected(&self) {
        let ran = self.project.campaign(&["check", "campaign.yaml"]);
        keeps_what_is_private(&ran);
        let exit = ran.code.unwrap();
        let rows = self.rows();
        let text = format!("exit: {exit}\n\n--- stdout\n{}\n--- stderr\n{}\n--- rows\n{rows}", ran.stdout, ran.stderr);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(fs::canonicalize(&self.folder).unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(self.folder.file_name().unwrap().to_str().unwrap());
        settings.bind(|| insta::assert_snapshot!("expected", text));
    }

    /// The rows as the library reads them, with the settings of the spec.
    fn rows(&self) -> String {
        let source = Source { name: "campaign.yaml".to_owned(), text: self.spec.clone() };
        let settings = Spec::parse(&source, PathBuf::new(), &[]).unwrap().recipients;
        let (delimiter, encoding) = (settings.delimiter, settings.encoding.as_deref());
        let rows = match opened(&self.folder.join(&self.list), delimiter, encoding) {
            Ok(rows) => rows,
            Err(problems) => return format!("none: {problems}\n"),
        };
        let mut text = String::new();
        for row in rows.take(SHOWN) {
            match row {
                Ok(row) => {
                    let cells: Vec<Value> = row
                        .columns
                        .names()
                        .iter()
                        .zip(row.cells.iter())
                        .map(|(name, cell)| json!({ name: cell }))
                        .collect();
                    writeln!(text, "{}: {}", row.line, Value::Array(cells)).unwrap();
                }
                Err(RowError::Row(problem)) => writeln!(text, "unreadable row: {}", problem.code).unwrap(),
                Err(RowError::List(problem)) => writeln!(text, "unreadable list: {}", problem.code).unwrap(),
            }
        }
        text
    }
}

/// What is wrong is said without anybody's name, address or number.
fn keeps_what_is_private(ran: &Ran) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for personal in ["Ada", "Bob", "José", "ller", "王小", "田中", "ванов", "34567", "example.com", "Köln"] {
        assert!(!said.contains(personal), "{personal} is said in\n{said}");
    }
}

/// The list in this file, or the codes of what is wrong with it.
fn opened(path: &Path, delimiter: Option<u8>, encoding: Option<&str>) -> Result<Rows, String> {
    let format = match path.extension().unwrap().to_str().unwrap() {
        "tsv" => Format::Tsv,
        "jsonl" => Format::Jsonl,
        "xlsx" => Format::Xlsx,
        _ => Format::Csv,
    };
    let written = ListOptions { name: "list", format, delimiter, encoding };
    recipients::read(File::open(path).unwrap(), &written)
        .map_err(|problems| problems.iter().map(|problem| problem.code).collect::<Vec<_>>().join(", "))
}

/// A list of so many bytes that it is read in several pieces, and each row says in its first cell where it stands.
fn rows_that_know_their_lines(line_end: &str, last: bool) -> String {
    let mut text = format!("line,text{line_end}");
    let mut line = 2;
    for at in 0..6_000 {
        let (blank, breaks) = ([0, 0, 0, 2][at % 4], [0, 1, 0, 0, 3][at % 5]);
        text += &line_end.repeat(blank);
        line += blank;
        let field = if breaks == 0 { "x".repeat(at % 40) } else { format!("\"{}\"", line_end.repeat(breaks)) };
        text.extend([line.to_string().as_str(), ",", &field, line_end]);
        line += breaks + 1;
    }
    if last { text } else { text.trim_end().to_owned() }
}

#[test]
fn every_row_knows_its_line_however_lines_end() {
    for line_end in ["\n", "\r\n", "\r"] {
        for last in [true, false] {
            let text = rows_that_know_their_lines(line_end, last);
            let written = ListOptions { name: "list", format: Format::Csv, delimiter: None, encoding: None };
            let rows: Vec<_> = recipients::read(Cursor::new(text), &written).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 6_000);
            for row in rows {
                assert_eq!(row.cells[0], row.line.to_string(), "with {line_end:?}");
            }
        }
    }
}

/// What Python's `csv` reads, field by field. The two differ on purpose in four things, which the reference leaves out:
/// rows of nothing but delimiters are passed over, the names of columns lose white space round them, and a row of another
/// width than the header, or with text behind a closing quote, is a problem.
#[test]
fn lists_are_read_as_another_reader_reads_them() {
    let mut count = 0;
    for entry in fs::read_dir("tests/lists/reference").unwrap() {
        let path = entry.unwrap().path();
        let Ok(expected) = fs::read_to_string(path.with_extension("json")) else { continue };
        if path.extension().is_some_and(|ending| ending == "json") {
            continue;
        }
        let expected: Vec<Vec<String>> = serde_json::from_str(&expected).unwrap();
        let rows = opened(&path, None, None).unwrap();
        let names = rows.columns.as_ref().unwrap().names().to_vec();
        let cells = |row: recipients::Row| -> Vec<String> {
            row.cells.iter().map(|cell| cell.as_str().unwrap().to_owned()).collect()
        };
        let read: Vec<Vec<String>> = [names].into_iter().chain(rows.map(|row| cells(row.unwrap()))).collect();
        assert_eq!(read, expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 20, "{count} lists");
}
