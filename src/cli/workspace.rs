//! From names on the command line to a checked spec, an opened list and a place for the ledger.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;

use super::exit::CliError;
use crate::message::Templates;
use crate::plan::RowEvaluator;
use crate::problem::{Place, Problem, with_causes};
use crate::recipients::{self, Columns, ListOptions, Rows, Suppression};
use crate::specification::{self, Format, Source, Spec, SuppressionFile};

/// Bytes of a spec that are read: no person writes as much.
const LONGEST_SPEC: u64 = 1024 * 1024;

/// Reads a spec in which nothing is wrong.
pub(super) fn spec(file: &Path, vars: &[(String, String)]) -> Result<Arc<Spec>, CliError> {
    let (spec, problems) = draft(file, vars)?;
    if problems.is_empty() { Ok(spec) } else { Err(problems.into()) }
}

/// Reads and checks a spec. Gives what is wrong with it beside what can be made of it all the same, to check the rest by;
/// nothing is ever sent by it.
pub(super) fn draft(file: &Path, vars: &[(String, String)]) -> Result<(Arc<Spec>, Vec<Problem>), CliError> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let mut input = open(file).map_err(|error| CliError::file(file, error))?.take(LONGEST_SPEC + 1);
    input.read_to_end(&mut bytes).map_err(|error| CliError::file(file, error))?;
    if bytes.len() as u64 > LONGEST_SPEC {
        let problem = Problem::error("spec-too-large", Place::file(&name), "the spec is larger than 1 MiB");
        return Err(vec![
            problem.hint("is it the right file? A spec holds one message; the people belong into the list"),
        ]
        .into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).matches('\n').count();
        let problem = Problem::error("spec-not-utf8", Place::line(&name, line as u64 + 1), "the spec is not UTF-8");
        CliError::from(vec![problem.hint("save it as UTF-8")])
    })?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    match Spec::draft(&Source { name, text }, folder, vars) {
        (Some(spec), problems) => Ok((Arc::new(spec), problems)),
        (None, problems) => Err(problems.into()),
    }
}

impl From<Faults> for CliError {
    fn from(mut faults: Faults) -> Self {
        if faults.wrong.is_empty() {
            return Self::Unusable(faults.unusable.into());
        }
        faults.wrong.append(&mut faults.unusable);
        faults.wrong.into()
    }
}

/// A list that was opened, or that is not there any more.
pub(super) enum Opened {
    /// It is open.
    List(List),
    /// There is no such file, or nothing comes from standard input.
    Missing(Missing),
}

/// A list that is not there: a problem for whoever cannot go on without it.
pub(super) struct Missing {
    /// What people call it.
    pub(super) name: String,
    /// The problem, where the list is named.
    pub(super) problem: Problem,
}

impl From<Missing> for CliError {
    fn from(missing: Missing) -> Self {
        Self::Unusable(vec![missing.problem].into())
    }
}

/// What is wrong before the first row is judged.
#[derive(Default)]
pub(super) struct Faults {
    /// What a person wrote.
    pub(super) wrong: Vec<Problem>,
    /// Files that a person has named.
    pub(super) unusable: Vec<Problem>,
}

/// A list that is being read.
pub(super) struct List {
    /// Its rows.
    pub(super) rows: Rows,
    /// How far it is read; shown to nobody until it is given a place to be drawn.
    pub(super) reading: ProgressBar,
}

/// Every file that a spec reads, itself included.
pub(super) fn inputs(spec: &Spec) -> Vec<PathBuf> {
    let mut inputs = vec![PathBuf::from(&spec.source.name)];
    if let specification::List::File(path) = &spec.recipients.file {
        inputs.push(spec.folder.join(path));
    }
    inputs.extend(spec.recipients.suppress.iter().map(|file| spec.folder.join(&file.path)));
    inputs
}

/// What people call the list.
pub(super) fn list_name(spec: &Spec) -> String {
    match &spec.recipients.file {
        specification::List::Stdin => "standard input".to_owned(),
        specification::List::File(path) => shown(&spec.folder.join(path)),
    }
}

/// A path as people write it: files of the working directory by their names alone.
fn shown(path: &Path) -> String {
    let inside = path.strip_prefix(".").ok().filter(|inside| !inside.as_os_str().is_empty());
    inside.unwrap_or(path).display().to_string()
}

/// Opens the list.
pub(super) fn list(spec: &Spec) -> Result<Opened, CliError> {
    let name = list_name(spec);
    let missing = |what: String, hint: &str| {
        let problem = Problem::error("list-missing", spec.source.place(spec.recipients.file_at), what).hint(hint);
        Ok(Opened::Missing(Missing { name: name.clone(), problem }))
    };
    let no_such_list = || missing(format!("{name}: there is no such list"), "a path is relative to the spec");
    let reading = ProgressBar::hidden();
    let (input, format): (Box<dyn Read + Send>, Format) = match &spec.recipients.file {
        specification::List::Stdin => {
            let mut input = BufReader::new(std::io::stdin());
            if input.fill_buf().is_ok_and(<[u8]>::is_empty) {
                let hint = "such as `campaign run FILE < list.csv`, or name a file in `recipients`";
                return missing("nothing comes from standard input, where the list should come from".to_owned(), hint);
            }
            (Box::new(input), spec.recipients.format.unwrap_or(Format::Csv))
        }
        // A spec that names none has that as its problem.
        specification::List::File(path) if path.as_os_str().is_empty() => return no_such_list(),
        specification::List::File(path) => {
            let format = format(spec, path, &name)?;
            let path = spec.folder.join(path);
            match open(&path) {
                Ok(file) => {
                    reading.set_length(file.metadata().map_or(0, |about| about.len()));
                    (Box::new(reading.wrap_read(file)), format)
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return no_such_list(),
                Err(error) => {
                    let what = format!("{name}: the list cannot be read: {}", with_causes(&error));
                    let place = spec.source.place(spec.recipients.file_at);
                    return Err(CliError::Unusable(vec![Problem::error("list-not-readable", place, what)].into()));
                }
            }
        }
    };
    let written = ListOptions {
        name: &name,
        format,
        delimiter: spec.recipients.delimiter,
        encoding: spec.recipients.encoding.as_deref(),
    };
    Ok(Opened::List(List { rows: recipients::read(input, &written)?, reading }))
}

/// Opens a file to read rows from: a folder can be opened as well, and fails later and elsewhere.
fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

fn format(spec: &Spec, path: &Path, name: &str) -> Result<Format, CliError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let by_ending = match ending.as_str() {
        "csv" | "txt" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "xlsx" => Some(Format::Xlsx),
        _ => None,
    };
    spec.recipients.format.or(by_ending).ok_or_else(|| {
        let problem = Problem::error(
            "list-format-unknown",
            Place::file(name),
            "the ending does not say what the list is written in",
        );
        CliError::from(vec![problem.hint("set `recipients.format` to csv, tsv, jsonl or xlsx")])
    })
}

/// Compiles the templates against the columns and reads the suppression lists.
///
/// # Errors
/// All that is wrong with both.
pub(super) fn evaluator(spec: &Arc<Spec>, columns: Option<&Columns>) -> Result<RowEvaluator, Faults> {
    let list = list_name(spec);
    let mut faults = Faults::default();
    let templates = Templates::compile(Arc::clone(spec), columns, &list);
    let suppression = suppression(spec, &mut faults);
    match templates {
        Ok(templates) if faults.wrong.is_empty() && faults.unusable.is_empty() => {
            Ok(RowEvaluator { list, templates, suppression, region: spec.recipients.default_region.clone() })
        }
        Ok(_) => Err(faults),
        Err(problems) => {
            faults.wrong.splice(..0, problems);
            Err(faults)
        }
    }
}

/// Reads the suppression lists, as far as they can be.
fn suppression(spec: &Spec, faults: &mut Faults) -> Suppression {
    let region = spec.recipients.default_region.as_deref();
    let mut suppression = Suppression::default();
    for SuppressionFile { path, span } in &spec.recipients.suppress {
        let path = spec.folder.join(path);
        let name = shown(&path);
        match open(&path) {
            Ok(file) => faults.wrong.extend(suppression.add(&name, file, region).err().unwrap_or_default()),
            Err(error) => {
                let what = match error.kind() {
                    io::ErrorKind::NotFound => format!("{name}: there is no such suppression list"),
                    _ => format!("{name}: the suppression list cannot be read: {}", with_causes(&error)),
                };
                let problem = Problem::error("suppress-not-readable", spec.source.place(*span), what);
                faults.unusable.push(problem.hint("a path is relative to the spec"));
            }
        }
    }
    suppression
}

/// Where the ledger is of a spec in this folder, unless somebody says otherwise.
pub(super) fn ledger_in(folder: &Path, spec: &Spec) -> PathBuf {
    folder.join(".campaign").join(format!("{}.sqlite", spec.name))
}

/// Where the ledger is.
pub(super) fn ledger(spec: &Spec, url: Option<&str>) -> Result<PathBuf, CliError> {
    let Some(url) = url else { return Ok(ledger_in(&spec.folder, spec)) };
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path))),
        Some((scheme, _)) if url.contains("://") => {
            let problem = Problem::error(
                "ledger-kind-unknown",
                Place::file("--ledger"),
                format!("`{scheme}` is not a kind of ledger"),
            );
            Err(vec![problem.hint("give a path, or `sqlite:PATH`")].into())
        }
        _ => Ok(PathBuf::from(url)),
    }
}
