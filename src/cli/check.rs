//! `campaign check`: every problem, nothing else.

use serde_json::json;

use super::exit::{CliError, Exit};
use super::flags::{CheckArgs, ListArgs};
use super::output::{Output, counted, grouped};
use super::ready::Ready;
use super::workspace::List;
use crate::enroll::{EnrolmentOptions, EnrolmentReport, Invalid, enroll};
use crate::ledger::{RetryFailed, Sqlite};
use crate::plan::RowEvaluator;
use crate::problem::{Place, Problem, Problems};
use crate::specification::Spec;

pub(super) async fn check(args: &CheckArgs, output: &Output) -> Result<Exit, CliError> {
    let (spec, list, evaluator) = Ready::read(&args.list, output).await?.with_list()?;
    output.problems(&known_before(&spec, &evaluator));
    let ledger = Sqlite::scratch()?;
    let survey = survey(&ledger, &evaluator, list, manner(&args.list, None, output), output).await?;
    output.problems(&survey.warnings);
    let left_out: u64 = survey.left_out.values().sum();
    let to_send = named(&ledger, &args.list.only).await?.unwrap_or(survey.rows - left_out);
    let to_send = to_send.min(args.list.limit.unwrap_or(u64::MAX));
    if output.is_json() {
        output.json(
            &json!({ "campaign": spec.name, "rows": survey.rows, "to_send": to_send, "left_out": survey.left_out }),
        );
    } else {
        let to_send = counted(to_send, "message");
        let rows = counted(survey.rows, "row");
        let left_out = left_out_in_words(&survey);
        output.result(&format!("no problems: {rows} in {}, {to_send} to send{left_out}", evaluator.list));
    }
    Ok(Exit::Done)
}

/// `; left out: duplicate 2, where 1`, or nothing if nobody is.
pub(super) fn left_out_in_words(survey: &EnrolmentReport) -> String {
    let reasons: Vec<String> =
        survey.left_out.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
    if reasons.is_empty() { String::new() } else { format!("; left out: {}", reasons.join(", ")) }
}

pub(super) const fn manner(args: &ListArgs, again: Option<RetryFailed>, output: &Output) -> EnrolmentOptions {
    EnrolmentOptions {
        invalid: if args.skip_invalid { Invalid::Skip } else { Invalid::Stop },
        again,
        keep: output.keep,
    }
}

/// What a person should know of the spec and its templates, whoever is on the list.
pub(super) fn known_before(spec: &Spec, evaluator: &RowEvaluator) -> Problems {
    spec.warnings.iter().chain(evaluator.templates.warnings()).cloned().collect()
}

/// Takes the list in and shows what is wrong with it; problems end the command.
pub(super) async fn survey(
    ledger: &Sqlite,
    evaluator: &RowEvaluator,
    list: List,
    manner: EnrolmentOptions,
    output: &Output,
) -> Result<EnrolmentReport, CliError> {
    let List { rows, reading } = list;
    for note in &rows.notes {
        output.say(&format!("{}: {note}", evaluator.list));
    }
    output.draw_reading(&reading);
    let survey = enroll(ledger, evaluator, rows, manner).await;
    reading.finish_and_clear();
    let survey = survey?;
    if !survey.problems.is_empty() {
        output.problems(&survey.warnings);
        return Err(survey.problems.into());
    }
    Ok(survey)
}

/// How many of the keys of `--only` are pending; `None` without any. Each must be somebody's: a slip would send to nobody
/// and say that all is done.
pub(super) async fn named(ledger: &Sqlite, keys: &[String]) -> Result<Option<u64>, CliError> {
    if keys.is_empty() {
        return Ok(None);
    }
    let (pending, strangers) = ledger.named(keys.to_vec()).await?;
    let problem = |key: &String| {
        let what = format!("no recipient has the key `{key}`");
        Problem::error("unknown-key", Place::file("--only"), what).hint("the keys are in the report, and in a dry run")
    };
    if strangers.is_empty() { Ok(Some(pending)) } else { Err(strangers.iter().map(problem).collect::<Vec<_>>().into()) }
}
