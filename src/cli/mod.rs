//! The command line: one file per command. The only module that prints, reads the environment, and knows exit codes.

mod next_steps;
mod check;
mod client;
mod credentials;
mod doctor;
mod dotenv;
mod dry_run;
mod environment;
mod ephemeral;
mod error;
mod exit;
mod findings;
mod arg_values;
mod args;
mod help;
mod init;
mod json_results;
mod secret_file;
mod ledger;
mod ledger_address;
mod ledger_service;
mod man;
mod metrics_file;
mod notify;
mod operator;
mod output;
mod plan;
mod preview;
mod prompt;
mod proof;
mod proof_plan;
mod report;
mod resolve;
mod run;
mod sandbox;
mod schema;
mod signals;
mod spec_files;
mod status;
mod stop;
mod summary;
mod typo_tips;
mod track;
mod watchdog;
mod word_diff;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::thread;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, Format};
use error::CliError;
pub use exit::Exit;
use metrics_file::MetricsFile;
use output::Output;

use crate::message::STACK;

/// Runs the command line of this process, on a thread with stack enough for templates.
pub fn main() -> Exit {
    let run = || run_from(std::env::args_os());
    match thread::Builder::new().name("main".to_owned()).stack_size(STACK).spawn(run) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(error) => {
            CliError::caused("cannot start a thread", error).show(false, &Output::detect(Format::Human, false, false))
        }
    }
}

fn run_from(words: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            return explain(&typo_tips::with_tips(error));
        }
    };
    let (format, show_pii, shows_all) = (cli.command.format(), cli.show_pii, cli.command.shows_all());
    let is_run = matches!(cli.command, Command::Run(_));
    let output = Output::detect(format, show_pii, shows_all).of_run(is_run);
    watchdog::start(move || Output::detect(format, show_pii, shows_all));
    let metrics = cli.command.metrics().and_then(|wanted| MetricsFile::start(wanted, &output));
    let counted = metrics.as_ref().map(MetricsFile::metrics);
    let sends = matches!(cli.command, Command::Run(_));
    let result = match cli.command {
        Command::Run(args) => in_runtime(run::run(&args, counted, &output)),
        Command::Check(args) => in_runtime(check::check(&args, &output)),
        Command::Doctor(args) => in_runtime(doctor::doctor(&args, &output)),
        Command::Status(args) => in_runtime(status::status(&args, &output)),
        Command::Stop(args) => in_runtime(stop::stop(&args, &output)),
        Command::Track(args) => in_runtime(track::track(&args, counted, &output)),
        Command::Report(args) => in_runtime(report::report(&args, &output)),
        Command::Resolve(args) => in_runtime(resolve::resolve(&args, &output)),
        Command::Ledger(command) => in_runtime(ledger::ledger(&command, &output)),
        Command::Sandbox(args) => in_runtime(sandbox::serve(&args, &output)),
        Command::Schema(args) => Ok(schema::schema(&args, &output)),
        Command::Init(args) => init::init(&args, &output),
        Command::ManPages { folder } => man::write(&folder, &output),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "campaign", &mut text);
            output.result(String::from_utf8_lossy(&text).trim_end());
            Ok(Exit::Done)
        }
    };
    let exit = result.unwrap_or_else(|fault| fault.show(sends, &output));
    if let Some(metrics) = metrics {
        metrics.finish(exit, &output);
    }
    output.finish(exit)
}

/// Prints what is wrong with the command line, or the help or the version that was asked for.
fn explain(error: &clap::Error) -> Exit {
    match error.print() {
        _ if error.use_stderr() => Exit::InvalidInput,
        Err(failure) if failure.kind() != ErrorKind::BrokenPipe => {
            let output = Output::detect(Format::Human, false, false);
            output.error(&format!("standard output cannot be written: {failure}"));
            output.finish(Exit::Environment)
        }
        _ => Exit::Done,
    }
}

/// One thread is enough: the ledger writes on its own, and a campaign waits for the server far more than it computes.
fn in_runtime(command: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::caused("cannot start the async runtime", error))?;
    let result = runtime.block_on(command);
    // A question that nobody has answered must not hold the process.
    runtime.shutdown_background();
    result
}
