//! `campaign doctor`: what this account can do for a campaign.

use super::args::DoctorArgs;
use super::client::client;
use super::credentials::with_base_url;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::campaign::{self, Answer, Diagnosis, EnrolmentOptions, Inputs, Notice, Operator, Question};

pub(super) async fn doctor(args: &DoctorArgs, output: &Output) -> Result<Exit, CliError> {
    let options = EnrolmentOptions { keep: output.keep, ..EnrolmentOptions::default() };
    let mut inputs = Inputs::read(&args.file, &args.vars, &options).await?;
    inputs.set_spec(with_base_url(inputs.spec.clone(), true, output)?);
    let spec = inputs.spec.clone();
    let client = client(&spec, output)?;
    let diagnosis = campaign::doctor(inputs, &client, &DoctorOperator { output }).await?;
    if output.is_json() {
        output.json(&diagnosis);
    } else {
        show(&diagnosis, output);
    }
    Ok(if diagnosis.fails() { Exit::Environment } else { Exit::Done })
}

fn show(diagnosis: &Diagnosis, output: &Output) {
    output.result(&format!("{} at {}", diagnosis.campaign, diagnosis.base_url));
    for check in &diagnosis.checks {
        output.result(&format!("  {:<8} {:<12} {}", check.verdict.word(), check.check, output.masked(&check.text)));
    }
    output.result("not known before something is sent:");
    for text in &diagnosis.not_known {
        output.result(&format!("  - {text}"));
    }
}

/// Shows notes about the list. Answers no question.
struct DoctorOperator<'a> {
    output: &'a Output,
}

impl Operator for DoctorOperator<'_> {
    fn notice(&self, notice: Notice<'_>) {
        // Warnings are `check`'s; what stops a campaign comes as an error.
        if let Notice::AboutList { name, text } = notice {
            self.output.say(&format!("{name}: {text}"));
        }
    }

    async fn ask(&self, _: Question<'_>) -> Answer {
        Answer::NotAsked
    }
}
