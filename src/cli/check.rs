//! `campaign check`: every problem, nothing else.

use serde_json::json;

use super::error::CliError;
use super::exit::Exit;
use super::flags::CheckArgs;
use super::output::Output;
use super::plan::left_out;
use super::run::{enrolment, selection};
use crate::campaign::{self, Answer, Checked, Inputs, Notice, Operator, Question};
use crate::humanize::counted;

pub(super) async fn check(args: &CheckArgs, output: &Output) -> Result<Exit, CliError> {
    let options = enrolment(&args.list, output);
    let inputs = Inputs::read(&args.list.file, &args.list.vars, &options).await?;
    output.draw_reading(inputs.reading());
    let checked = campaign::check(inputs, options, &selection(&args.list), &Reader(output)).await?;
    let Checked { name, list, report, to_send } = checked;
    if output.is_json() {
        let data = json!({ "campaign": name, "rows": report.rows, "to_send": to_send, "left_out": report.left_out });
        output.json(&data);
    } else {
        let (rows, to_send) = (counted(report.rows, "row"), counted(to_send, "message"));
        let left_out = left_out(&report.left_out);
        output.result(&format!("no problems: {rows} in {list}, {to_send} to send{left_out}"));
    }
    Ok(Exit::Done)
}

/// Whoever reads what a check has found: warnings are part of the result.
struct Reader<'a>(&'a Output);

impl Operator for Reader<'_> {
    fn notice(&self, notice: Notice<'_>) {
        match notice {
            Notice::Warnings { warnings, .. } => self.0.problems(warnings),
            Notice::AboutList { name, text } => self.0.say(&format!("{name}: {text}")),
            _ => {}
        }
    }

    async fn ask(&self, _: Question<'_>) -> Answer {
        Answer::NotAsked
    }
}
