//! Lists as folders in `tests/lists/cases`: in `expected.snap`, what `check` says about each, and which rows are read.
//!
//! `tests/lists/make.py` writes the lists. A folder may have the values of `recipients` and `to` in its spec.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use campaign::recipients::{self, ListOptions, RowError, Rows};
use campaign::specification::{Format, Source, Spec};
use serde_json::{Value, json};

use crate::harness::{Project, Ran};
use crate::settings;

/// Nothing listens there: a check asks nobody.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Rows that a snapshot shows.
const SHOWN: usize = 12;

pub(super) fn run(folder: &Path) {
    Case::open(folder).is_as_expected();
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
        let settings = settings(&self.folder);
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
    let written = ListOptions { name: "list", format, delimiter, encoding, sheet: None };
    recipients::read(File::open(path).unwrap(), &written)
        .map_err(|problems| problems.iter().map(|problem| problem.code).collect::<Vec<_>>().join(", "))
}
