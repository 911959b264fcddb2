//! `campaign check`: every problem of one spec or many, nothing else.

use std::cell::RefCell;
use std::path::Path;

use serde_json::json;

use super::args::{CheckArgs, CheckFormat};
use super::error::CliError;
use super::exit::Exit;
use super::findings::{Findings, junit};
use super::output::Output;
use super::plan::skipped;
use super::run::{enrolment, selection};
use super::spec_files;
use crate::campaign::{
    self, Answer, CampaignError, Checked, CheckedSpec, Inputs, Notice, Operator, Question, check_without_list,
};
use crate::humanize::counted;

pub(super) async fn check(args: &CheckArgs, output: &Output) -> Result<Exit, CliError> {
    let files = spec_files::find(&args.files)?;
    let (mut exit, mut all) = (Exit::Done, Vec::new());
    for file in &files {
        let check_output = CheckOutput::new(args, file, output);
        let ended = match check_one(args, file, &check_output).await {
            Ok(result) => {
                check_output.passed(&result, files.len() > 1);
                Exit::Done
            }
            Err(error) => check_output.failed(error),
        };
        // Something that a person wrote matters more than a file that is not there.
        exit = if exit == Exit::InvalidInput || ended == Exit::Done { exit } else { ended };
        all.extend(check_output.findings.map(RefCell::into_inner));
    }
    if args.format == CheckFormat::Junit {
        output.result(&junit(&all, output).map_err(|error| CliError::caused("the report cannot be written", error))?);
    }
    Ok(exit)
}

/// What is said of a spec without problems: for people, and as data.
type Passed = (String, serde_json::Value);

async fn check_one(args: &CheckArgs, file: &Path, check_output: &CheckOutput<'_>) -> Result<Passed, CampaignError> {
    if args.no_list {
        let CheckedSpec { name, columns } = check_without_list(file, &args.list.vars, check_output)?;
        let against = match columns {
            0 => "without a list and its columns".to_owned(),
            columns => format!("against {}", counted(columns as u64, "declared column")),
        };
        return Ok((format!("no problems: checked {against}"), json!({ "campaign": name, "columns": columns })));
    }
    let options = enrolment(&args.list, check_output.output);
    let inputs = Inputs::read(file, &args.list.vars, &options).await?;
    check_output.output.show_read_progress(inputs.read_progress());
    let checked = campaign::check(inputs, options, selection(&args.list), check_output).await?;
    let Checked { name, list, report, to_send } = checked;
    let data = json!({ "campaign": name, "rows": report.rows, "to_send": to_send, "left_out": report.left_out });
    let (rows, to_send) = (counted(report.rows, "row"), counted(to_send, "message"));
    let skipped = skipped(&report.left_out);
    Ok((format!("no problems: {rows} in {list}, {to_send} to send{skipped}"), data))
}

/// Whoever reads what a check has found: warnings are part of the result.
struct CheckOutput<'a> {
    output: &'a Output,
    file: &'a Path,
    /// Kept, where it is not shown at once.
    findings: Option<RefCell<Findings>>,
    annotates: bool,
}

impl<'a> CheckOutput<'a> {
    fn new(args: &CheckArgs, file: &'a Path, output: &'a Output) -> Self {
        let keeps = matches!(args.format, CheckFormat::Github | CheckFormat::Junit);
        let findings = keeps.then(|| RefCell::new(Findings::new(file.display().to_string())));
        Self { output, file, findings, annotates: args.format == CheckFormat::Github }
    }

    fn passed(&self, (text, data): &Passed, is_one_of_many: bool) {
        self.annotate();
        if self.output.is_json() {
            self.output.json(data);
        } else if self.findings.is_some() || is_one_of_many {
            let text = format!("{}: {text}", self.file.display());
            // Standard output is for annotations, or for the report.
            if self.findings.is_some() { self.output.say(&text) } else { self.output.result(&text) }
        } else {
            self.output.result(text);
        }
    }

    fn failed(&self, error: CampaignError) -> Exit {
        let Some(findings) = &self.findings else { return CliError::from(error).show(false, self.output) };
        findings.borrow_mut().fail(&error);
        self.annotate();
        if matches!(error, CampaignError::Problems(_)) { Exit::InvalidInput } else { Exit::Environment }
    }

    fn annotate(&self) {
        if let Some(findings) = self.findings.as_ref().filter(|_| self.annotates) {
            findings.borrow().annotate(self.output);
        }
    }
}

impl Operator for CheckOutput<'_> {
    fn notice(&self, notice: Notice<'_>) {
        match (notice, &self.findings) {
            (Notice::Warnings { warnings, .. }, Some(findings)) => findings.borrow_mut().add(warnings),
            (Notice::Warnings { warnings, .. }, None) => self.output.problems(warnings),
            (Notice::AboutList { name, text }, _) => self.output.say(&format!("{name}: {text}")),
            _ => {}
        }
    }

    async fn ask(&self, _: Question<'_>) -> Answer {
        Answer::NotAsked
    }
}
