//! `report`: the files that the result goes to.

use std::path::{Path, PathBuf};

use super::checker::Checker;
use super::one_or_many::OneOrMany;
use super::span::Span;

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
            let ending = Path::new(&path.value).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !matches!(ending, "csv" | "jsonl" | "html") {
                self.problem(
                    "report-ending",
                    path.span,
                    format!("`{}` is not a kind of report", path.value),
                    "the ending says what is written: `.csv`, `.jsonl` or `.html`",
                );
            }
        }
        for path in &paths {
            self.file_name("report-name", "the report's name", path);
        }
        paths.into_iter().map(|path| ReportFile { path: path.value.into(), span: Some(path.span) }).collect()
    }
}
