//! Rows of a list to messages: this program's way against a bare loop over `csv` and `minijinja` with the same templates.
//!
//! `list ROWS` writes the list of the benchmarks to standard output, and `bare LIST` prints the seconds that the bare loop
//! takes for one; `end_to_end.sh` uses both.
#![expect(clippy::print_stdout, reason = "figures and lists are results")]

mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use campaign::campaign::{EnrolmentOptions, Invalid, enroll};
use campaign::ledger;
use campaign::message::Templates;
use campaign::plan::RowEvaluator;
use campaign::problem::{DrawOptions, Keep, Problem};
use campaign::recipients::{self, ListOptions, RowError, Rows, Suppression};
use campaign::specification::{Format, Header, Source, Spec, To};
use common::{Contest, Result};
use minijinja::{Environment, Value};

const ROWS: u32 = 100_000;

const LIST: &str = "list.csv";

fn main() -> Result<()> {
    // `cargo bench` adds a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(),
        ["list", rows] => Ok(write_list(rows.parse()?, &mut std::io::stdout().lock())?),
        ["bare", path] => {
            let begun = Instant::now();
            bare(&spec()?, File::open(path)?)?;
            println!("{:.3}", begun.elapsed().as_secs_f64());
            Ok(())
        }
        _ => Err("nothing, or `list ROWS`, or `bare LIST`".into()),
    }
}

fn compare() -> Result<()> {
    let spec = Arc::new(spec()?);
    let mut list = Vec::new();
    write_list(ROWS, &mut list)?;
    let list: Arc<[u8]> = list.into();
    let columns = rows(&list)?.columns;
    let templates = || Templates::compile(Arc::clone(&spec), columns.as_deref(), LIST).map_err(in_words);
    let evaluator =
        RowEvaluator { list: LIST.to_owned(), templates: templates()?, suppression: Suppression::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Contest::new("rows a second: 8 columns, 6 templates")
        .entrant("csv and minijinja, bare", || per_second(|| bare(&spec, Cursor::new(&list))))
        .entrant("recipients::read", || {
            per_second(|| {
                for row in rows(&list)? {
                    black_box(row.map_err(unreadable)?);
                }
                Ok(())
            })
        })
        .entrant("recipients::read and Templates::render", || {
            per_second(|| {
                for row in rows(&list)? {
                    let row = row.map_err(unreadable)?;
                    black_box(evaluator.templates.render(&row, LIST).map_err(in_words)?);
                }
                Ok(())
            })
        })
        .entrant("enroll into a rehearsal: what `check` does", || {
            per_second(|| {
                let ledger = ledger::scratch()?;
                let survey = runtime.block_on(enroll(
                    &ledger,
                    &evaluator,
                    rows(&list)?,
                    EnrolmentOptions { invalid: Invalid::Stop, retry: None, keep: Keep::First(3), fingerprint: false },
                ))?;
                let enrolled =
                    survey.enrolment.ok_or_else(|| in_words(survey.problems.kinds().map(|kind| kind.first.clone())))?;
                if enrolled.new == u64::from(ROWS) { Ok(()) } else { Err("rows are missing".into()) }
            })
        })
        .run()
}

fn per_second(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(f64::from(ROWS) / begun.elapsed().as_secs_f64())
}

/// What anybody would write by hand: a map for each row, the templates compiled once.
fn bare(spec: &Spec, input: impl Read) -> Result<()> {
    let mut environment = Environment::new();
    let texts = texts(spec);
    let names: Vec<String> = (0..texts.len()).map(|at| at.to_string()).collect();
    for (name, text) in names.iter().zip(texts) {
        environment.add_template(name, text)?;
    }
    let templates = names.iter().map(|name| environment.get_template(name)).collect::<Result<Vec<_>, _>>()?;
    let mut reader = csv::Reader::from_reader(input);
    let header = reader.headers()?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let row = Value::from_pairs(header.iter().zip(&record));
        for template in &templates {
            black_box(template.render(&row)?);
        }
    }
    Ok(())
}

/// The templates that have variables.
fn texts(spec: &Spec) -> Vec<&str> {
    let To::Conversation { conversation_id } = &spec.to else { return Vec::new() };
    let mut templates = vec![conversation_id];
    templates.extend(&spec.message.content);
    if let Some(params) = &spec.message.template_params {
        templates.extend(params.processed_params.iter().flatten().map(|(_, template)| template));
        if let Some(Header::Text { text_variables }) = &params.header_params {
            templates.extend(text_variables.iter().map(|(_, template)| template));
        }
        templates.extend(params.button_params.iter().flatten().filter_map(|button| button.text.as_ref()));
    }
    templates.into_iter().map(|template| template.text.as_str()).collect()
}

fn spec() -> Result<Spec> {
    let source = Source { name: "campaign.yaml".to_owned(), text: include_str!("campaign.yaml").to_owned() };
    Ok(Spec::parse(&source, PathBuf::new(), &[]).map_err(in_words)?)
}

fn rows(list: &Arc<[u8]>) -> Result<Rows> {
    let written = ListOptions { name: LIST, format: Format::Csv, delimiter: None, encoding: None, sheet: None };
    Ok(recipients::read(Cursor::new(Arc::clone(list)), &written).map_err(in_words)?)
}

/// A list with a text in every cell, one row in three with a note, and conversations in no order.
fn write_list(rows: u32, output: &mut impl Write) -> std::io::Result<()> {
    const NAMES: [&str; 5] = ["maria lopez", "jürgen müller", "王小明", "Ana Souza", "o. van den berg"];
    const CITIES: [&str; 4] = ["Berlin", "São Paulo", "香港", "Lagos"];
    const NOTES: [&str; 3] = ["", "", "\"Left at the door, 2nd floor\""];
    let mut text = "conversation_id,name,order,status,city,amount,due,note\n".to_owned();
    for (row, at) in (0..rows).zip(0_usize..) {
        // An odd factor: each number of 32 bits comes once.
        let conversation = (row + 1).wrapping_mul(2_654_435_761);
        let (name, city, note) = (NAMES[at % 5], CITIES[at % 4], NOTES[at % 3]);
        let (euros, cents, day) = (row % 900, row % 100, row % 28 + 1);
        let line = format_args!("{conversation},{name},A-{row:08},shipped,{city},{euros}.{cents:02},2026-12-{day:02},");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}{note}");
        if text.len() > 1 << 16 {
            output.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn in_words(problems: impl IntoIterator<Item = Problem>) -> String {
    problems.into_iter().map(|problem| problem.render(DrawOptions::PLAIN)).collect::<Vec<_>>().join("\n")
}

fn unreadable(why: RowError) -> String {
    let (RowError::Row(problem) | RowError::List(problem)) = why;
    in_words([problem])
}
