//! `campaign ledger`: a backup of a ledger, its move to another place, and what can still be read of a damaged one.

use super::args::{BackupArgs, CopyArgs, LedgerCommand, RecoverArgs};
use super::error::CliError;
use super::exit::Exit;
use super::ledger_address::ledger_address;
use super::output::Output;
use super::summary;
use crate::campaign::{
    self, Answer, EnrolmentOptions, Inputs, Invalid, Notice, Operator, Question, RecoverOptions, RecoveredLedger,
    read_spec,
};
use crate::humanize::{counted, grouped};
use crate::state::State;

pub(super) async fn ledger(command: &LedgerCommand, output: &Output) -> Result<Exit, CliError> {
    match command {
        LedgerCommand::Backup(args) => backup(args, output).await,
        LedgerCommand::Recover(args) => recover(args, output).await,
        LedgerCommand::Copy(args) => copy(args, output).await,
    }
}

async fn backup(args: &BackupArgs, output: &Output) -> Result<Exit, CliError> {
    let spec = read_spec(&args.file, &[])?;
    let (path, backup) =
        campaign::backup(&spec, ledger_address(args.ledger.as_deref())?.as_deref(), args.output.clone()).await?;
    let (deliveries, attempts) = (counted(backup.deliveries, "delivery"), counted(backup.claims, "send attempt"));
    output.result(&format!("{}: {deliveries}, {attempts}", path.display()));
    Ok(Exit::Done)
}

async fn copy(args: &CopyArgs, output: &Output) -> Result<Exit, CliError> {
    let address = |flag: &str| Ok::<_, CliError>(ledger_address(Some(flag))?.unwrap_or_default());
    let moved = campaign::move_ledger(&address(&args.from)?, &address(&args.to)?, args.campaign.as_deref()).await?;
    output.result(&summary::text(&moved.name, &moved.totals));
    output.say(&format!("{} was moved; continue with `--ledger {}`", moved.name, moved.ledger));
    Ok(Exit::Done)
}

async fn recover(args: &RecoverArgs, output: &Output) -> Result<Exit, CliError> {
    let invalid = if args.skip_invalid { Invalid::Skip } else { Invalid::Stop };
    let enrolment = EnrolmentOptions { invalid, keep: output.keep, ..EnrolmentOptions::default() };
    let inputs = Inputs::read(&args.file, &args.vars, &enrolment).await?;
    let spec = inputs.spec.clone();
    output.show_read_progress(inputs.read_progress());
    let options = RecoverOptions {
        ledger: ledger_address(args.ledger.as_deref())?,
        target: args.output.clone(),
        reports: args.report.clone(),
        enrolment,
    };
    let recovered = campaign::recover(inputs, options, &RecoverOperator(output)).await?;
    output.result(&in_words(&recovered));
    output.result(&summary::text(&spec.name, &recovered.totals));
    if recovered.totals.of(State::Unknown) > 0 {
        let (file, path) = (&spec.source.name, recovered.path.display());
        output.say(&format!(
            "unknown: these may have been sent. Look them up in LiveDesk, decide them with\n  campaign resolve {file} \
             --ledger {path} --key KEY --sent    (or --not-sent)\nand continue with\n  campaign run {file} --ledger \
             {path}"
        ));
    }
    Ok(summary::exit(&recovered.totals))
}

/// How much of a damaged ledger there is in the new one.
fn in_words(recovered: &RecoveredLedger) -> String {
    let found = &recovered.found;
    let whole = counted(found.whole, "delivery");
    let lost = match found.keys_only + recovered.missing {
        0 => "every row of the list is among them".to_owned(),
        lost => format!("{} could not, and may have been sent", grouped(lost)),
    };
    let outdated = found.outdated.as_ref().map_or_else(String::new, |why| {
        format!("\n{why}. So recipients it shows as pending or failed may have been messaged as well")
    });
    format!("{}: {whole} could be read; {lost}{outdated}", recovered.path.display())
}

/// Shows warnings, notes about the list, and the reports that were written. Answers no question.
struct RecoverOperator<'a>(&'a Output);

impl Operator for RecoverOperator<'_> {
    fn notice(&self, notice: Notice<'_>) {
        match notice {
            Notice::Warnings { warnings, .. } => self.0.aside(warnings),
            Notice::AboutList { name, text } => self.0.say(&format!("{name}: {text}")),
            Notice::ReportWritten(path) => self.0.say(&format!("report: {}", path.display())),
            _ => {}
        }
    }

    async fn ask(&self, _: Question<'_>) -> Answer {
        Answer::NotAsked
    }
}
