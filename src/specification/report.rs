//! `report`: the files that the result goes to.

use std::path::{Path, PathBuf};

use super::checker::Checker;
use super::one_or_many::OneOrMany;
use super::span::Span;

/// What a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One self-contained page.
    Html,
}

impl ReportFormat {
    /// By file ending. `None` for others.
    pub fn by_ending(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// A report as the spec names it.
#[derive(Debug, Clone)]
pub struct ReportFile {
    /// Relative to the spec's folder.
    pub path: PathBuf,
    /// Where it is named, unless it is the default.
    pub span: Option<Span>,
}

impl Checker<'_> {
    pub(super) fn report(&mut self, raw: Option<OneOrMany>, name: &str) -> Vec<ReportFile> {
        let Some(OneOrMany(paths)) = raw else {
            return vec![ReportFile { path: PathBuf::from(format!("reports/{name}.csv")), span: None }];
        };
        for path in &paths {
            if ReportFormat::by_ending(Path::new(&path.value)).is_none() {
                self.problem(
                    "report-ending",
                    path.span,
                    format!("`{}` is not a report format", path.value),
                    "use a name that ends in `.csv`, `.jsonl` or `.html`",
                );
            }
        }
        for path in &paths {
            self.file_name("report-name", "the report's name", path);
        }
        paths.into_iter().map(|path| ReportFile { path: path.value.into(), span: Some(path.span) }).collect()
    }
}
