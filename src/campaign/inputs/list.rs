//! Opening the list that a spec names.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use indicatif::ProgressBar;

use crate::campaign::CampaignError;
use crate::problem::{Place, Problem, with_causes};
use crate::recipients::{self, ListOptions, Rows};
use crate::specification::{self, Format, Spec};

/// A list that was opened, or that is not there any more.
pub(super) enum Opened {
    /// It is open.
    List(List),
    /// There is no such file, or nothing comes from standard input.
    Missing(MissingList),
}

/// A list that is not there: a problem for whoever cannot go on without it.
#[derive(Debug, Clone)]
pub(in crate::campaign) struct MissingList {
    /// What people call it.
    pub(in crate::campaign) name: String,
    /// The problem, where the list is named.
    pub(super) problem: Problem,
}

impl From<MissingList> for CampaignError {
    fn from(missing: MissingList) -> Self {
        Self::Unusable(vec![missing.problem].into())
    }
}

/// A list that is being read.
#[derive(Debug)]
pub(in crate::campaign) struct List {
    /// Its rows.
    pub(super) rows: Rows,
    /// How far it is read.
    pub(super) read_progress: ProgressBar,
}

/// What people call the list.
pub(super) fn name(spec: &Spec) -> String {
    match &spec.recipients.file {
        specification::List::Stdin => "standard input".to_owned(),
        specification::List::File(path) => display_name(&spec.folder.join(path)),
    }
}

/// A path as people write it: files of the working directory by their names alone.
pub(super) fn display_name(path: &Path) -> String {
    let inside = path.strip_prefix(".").ok().filter(|inside| !inside.as_os_str().is_empty());
    inside.unwrap_or(path).display().to_string()
}

/// Opens the list.
pub(super) fn open(spec: &Spec) -> Result<Opened, CampaignError> {
    let name = name(spec);
    let missing = |what: String, hint: &str| {
        let problem = Problem::error("list-missing", spec.source.place(spec.recipients.file_at), what).hint(hint);
        Ok(Opened::Missing(MissingList { name: name.clone(), problem }))
    };
    let no_such_list = || missing(format!("{name}: list not found"), "paths are relative to the spec");
    let read_progress = ProgressBar::hidden();
    let (input, format): (Box<dyn Read + Send>, Format) = match &spec.recipients.file {
        specification::List::Stdin => {
            let mut input = BufReader::new(io::stdin());
            if input.fill_buf().is_ok_and(<[u8]>::is_empty) {
                let hint = "such as `campaign run FILE < list.csv`, or name a file in `recipients`";
                return missing("no list on standard input".to_owned(), hint);
            }
            (Box::new(input), spec.recipients.format.unwrap_or(Format::Csv))
        }
        // A spec that names none has that as its problem.
        specification::List::File(path) if path.as_os_str().is_empty() => return no_such_list(),
        specification::List::File(path) => {
            let format = format(spec, path, &name)?;
            let path = spec.folder.join(path);
            match open_file(&path) {
                Ok(file) => {
                    read_progress.set_length(file.metadata().map_or(0, |about| about.len()));
                    (Box::new(read_progress.wrap_read(file)), format)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return no_such_list(),
                Err(error) => {
                    let what = format!("{name}: the list cannot be read: {}", with_causes(&error));
                    let place = spec.source.place(spec.recipients.file_at);
                    let problem = Problem::error("list-not-readable", place, what);
                    return Err(CampaignError::Unusable(vec![problem].into()));
                }
            }
        }
    };
    let options = ListOptions {
        name: &name,
        format,
        delimiter: spec.recipients.delimiter,
        encoding: spec.recipients.encoding.as_deref(),
        sheet: spec.recipients.sheet.as_deref(),
    };
    Ok(Opened::List(List { rows: recipients::read(input, &options)?, read_progress }))
}

/// Opens a file to read from: a folder can be opened as well, and fails later and elsewhere.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

fn format(spec: &Spec, path: &Path, name: &str) -> Result<Format, CampaignError> {
    spec.recipients.format.or_else(|| Format::by_ending(path)).ok_or_else(|| {
        let what = "cannot tell the list's format from its file name";
        let problem = Problem::error("list-format-unknown", Place::file(name), what);
        CampaignError::from(vec![problem.hint("set `recipients.format` to csv, tsv, jsonl or xlsx")])
    })
}
