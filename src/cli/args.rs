//! The words of the command line. Doc comments are the help texts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use super::arg_values::{CheckFormat, Format, Only, Preview, Schema};
use super::arg_values::{html, name_and_value, preview};
use super::help;
use crate::ledger::Acknowledged;

/// Send one message to each recipient of a list, once, through EngageLab LiveDesk.
#[derive(Debug, Parser)]
#[command(name = "campaign", version, max_term_width = 100, after_help = help::CAMPAIGN)]
pub(super) struct Cli {
    /// Do not mask phone numbers and e-mail addresses in messages
    #[arg(long, global = true)]
    pub(super) show_pii: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check, plan, confirm, send and report. Run it again to continue; nothing is sent twice
    #[command(after_help = help::RUN)]
    Run(Box<RunArgs>),
    /// Report every problem of a spec and its list, and do nothing else
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Check the account: credentials, clock, inboxes, templates, and how receipts can be read. Sends nothing
    #[command(after_help = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// Show the progress of a campaign and what the next run would do
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// Stop the runs of a campaign in good order, on every machine. `campaign run` continues it
    #[command(after_help = help::STOP)]
    Stop(StopArgs),
    /// Find out what became of accepted messages: delivered, read, not delivered, replied, opted out. Sends nothing
    #[command(after_help = help::TRACK)]
    Track(TrackArgs),
    /// Write the report again from the ledger
    #[command(after_help = help::REPORT)]
    Report(ReportArgs),
    /// Decide deliveries whose outcome is unknown
    #[command(after_help = help::RESOLVE)]
    Resolve(ResolveArgs),
    /// Back up a ledger, or recover a damaged one
    #[command(subcommand, after_help = help::LEDGER)]
    Ledger(LedgerCommand),
    /// Run a local LiveDesk that keeps state, validates requests and injects faults from a script
    #[command(after_help = help::SANDBOX)]
    Sandbox(SandboxArgs),
    /// Print a JSON Schema
    #[command(after_help = help::SCHEMA)]
    Schema(SchemaArgs),
    /// Write a commented spec and list that are ready to run
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Print shell completions
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for each command, for packages
    #[command(hide = true)]
    ManPages {
        /// The folder to write into
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Command {
    /// The format of the results.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Run(args) => args.format,
            Self::Check(args) if args.format == CheckFormat::Json => Format::Json,
            Self::Doctor(args) => args.format,
            Self::Status(args) => args.format,
            Self::Track(args) => args.format,
            _ => Format::Human,
        }
    }

    /// The file that metrics are wanted in.
    pub(super) fn metrics(&self) -> Option<WantedMetrics<'_>> {
        let (command, path, spec) = match self {
            Self::Run(args) => ("run", args.metrics.as_deref()?, &args.file),
            Self::Track(args) => ("track", args.metrics.as_deref()?, &args.file),
            _ => return None,
        };
        Some(WantedMetrics { command, path, spec })
    }

    /// Whether each problem is shown.
    pub(super) fn shows_all(&self) -> bool {
        match self {
            Self::Run(args) => args.list.all,
            Self::Check(args) => args.list.all,
            _ => false,
        }
    }
}

/// Metrics that a command line asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedMetrics<'a> {
    /// The command's name.
    pub(super) command: &'static str,
    /// The file to write.
    pub(super) path: &'a Path,
    /// The spec.
    pub(super) spec: &'a Path,
}

/// What `run` and `check` have in common.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Override a constant of the spec's `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) vars: Vec<(String, String)>,
    /// Skip rows with problems, record them as skipped, and send the rest
    #[arg(long)]
    pub(super) skip_invalid: bool,
    /// Only send to the recipient with this key (repeatable)
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(super) only: Vec<String>,
    /// Send at most N messages in this run
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// Show every problem, not only the first few of each kind
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Specs, or folders: all specs in them
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) list: ListArgs,
    /// Check without the lists: templates against the columns that `recipients.columns` declares
    #[arg(long, conflicts_with_all = ["skip_invalid", "only", "limit"])]
    pub(super) no_list: bool,
    /// Output format of results
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub(super) format: CheckFormat,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Override a constant of the spec's `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) vars: Vec<(String, String)>,
    /// Output format of results
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct RunArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) list: ListArgs,
    /// Output format of results
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
    /// Show the plan and the exact requests of some rows; connect to nothing, and write only what --html and --report ask for
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run: how many rows to show, or `all` [default: a varied sample; all with --format json]
    #[arg(long, value_name = "N|all", value_parser = preview, requires = "dry_run")]
    pub(super) preview: Option<Preview>,
    /// With --dry-run: also write a web page that shows the messages as chat bubbles
    #[arg(long, value_name = "PATH", value_parser = html, requires = "dry_run")]
    pub(super) html: Option<PathBuf>,
    /// Send real messages to your own address instead of the recipients': `phone_number=`, `email=`, `identifier=` or another
    /// field of `to` (repeatable). Shows the first row, or those of --only, --line and --limit; counts in no total
    #[arg(long, value_name = "FIELD=VALUE", value_parser = name_and_value,
        conflicts_with_all = ["retry_failed", "html", "preview", "report", "accept_changes", "approve_canary"])]
    pub(super) proof_to: Vec<(String, String)>,
    /// With --proof-to: show the row at this line of the list (repeatable)
    #[arg(long, value_name = "N", requires = "proof_to")]
    pub(super) line: Vec<u64>,
    /// Send to a sandbox inside this process and show what became of the messages; needs no account, keeps no ledger,
    /// ignores send windows, and plays NAME.sandbox.yaml if that is beside the spec
    #[arg(long, conflicts_with_all = ["dry_run", "ledger"])]
    pub(super) sandbox: bool,
    /// Send the changed message to recipients who are still pending
    #[arg(long)]
    pub(super) accept_changes: bool,
    /// Start without a ledger even if a report or another trace shows that this campaign was sent before
    #[arg(long, conflicts_with = "sandbox")]
    pub(super) first_run: bool,
    /// Continue with a ledger that may be an older copy: recipients messaged since then may be messaged again
    #[arg(long, conflicts_with_all = ["sandbox", "first_run"])]
    pub(super) accept_older_ledger: bool,
    /// Use a PostgreSQL ledger that may lose records when its server fails. For trials: recipients may be messaged twice
    #[arg(long, conflicts_with = "sandbox")]
    pub(super) unsafe_ledger: bool,
    /// Approve the canary that an earlier run has sent, and send the rest
    #[arg(long)]
    pub(super) approve_canary: bool,
    /// Do not ask for confirmation, neither before the first send nor after a canary without failures
    #[arg(long)]
    pub(super) yes: bool,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
    /// Write the report here instead of where the spec says (repeatable); with --sandbox as NAME.sandbox.ENDING; with
    /// --dry-run the plan instead: each row of the list, what would be done with it, and why (`.csv` or `.jsonl`)
    #[arg(long, value_name = "PATH")]
    pub(super) report: Vec<PathBuf>,
    /// Write metrics of this run for Prometheus here, every 15 seconds and at the end (`.prom`)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(super) metrics: Option<PathBuf>,
    /// Retry failed messages that can succeed
    #[arg(long, conflicts_with = "sandbox")]
    pub(super) retry_failed: bool,
    /// Log every request and response
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Exit with code 7 instead of waiting for a quota, a send window or `not_before`
    #[arg(long)]
    pub(super) no_wait: bool,
}

impl RunArgs {
    /// What the operator vouches for.
    pub(super) const fn acknowledged(&self) -> Acknowledged {
        Acknowledged { first_run: self.first_run, older: self.accept_older_ledger, not_durable: self.unsafe_ledger }
    }
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The spec, or a folder: all campaigns in it, in a table
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Show it again every few seconds until no run is under way
    #[arg(long)]
    pub(super) watch: bool,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
    /// Output format of results
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Ask the runs to stop, and do not wait until they have
    #[arg(long)]
    pub(super) no_wait: bool,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TrackArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Look at all open messages now, not only at those that are due (15 min, 1 h, 6 h, 24 h and 72 h after sending)
    #[arg(long)]
    pub(super) now: bool,
    /// Go on until nothing is open
    #[arg(long)]
    pub(super) follow: bool,
    /// Also receive LiveDesk's webhooks at this address, and look at once where something happens; implies --follow
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
    /// Write metrics for Prometheus here, every 15 seconds and at the end (`.prom`)
    #[arg(long, value_name = "FILE")]
    pub(super) metrics: Option<PathBuf>,
    /// Output format of results
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Output file, or `-` for CSV on standard output (repeatable) [default: where the spec says]
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Vec<PathBuf>,
    /// Only rows with this outcome (repeatable): pending, claimed, accepted, failed, unknown, skipped. Of accepted
    /// messages also delivered (not yet read), read, undelivered, no-receipt, replied. Or `opted-out`: a suppression
    /// list of recipients who opted out of marketing, for `recipients.suppress`
    #[arg(long, value_name = "OUTCOME")]
    pub(super) only: Vec<Only>,
    /// Put all columns of the list in front
    #[arg(long)]
    pub(super) with_columns: bool,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["key", "all", "by_evidence"])))]
#[command(group(clap::ArgGroup::new("verdict").required(true).args(["sent", "not_sent", "by_evidence"])))]
pub(super) struct ResolveArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Decide the delivery with this key (repeatable)
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(super) key: Vec<String>,
    /// Decide every delivery whose outcome is unknown
    #[arg(long, conflicts_with = "key")]
    pub(super) all: bool,
    /// They were sent: never send them again
    #[arg(long)]
    pub(super) sent: bool,
    /// They were not sent: the next run sends them
    #[arg(long)]
    pub(super) not_sent: bool,
    /// Look for the messages in their conversations, show what was found, ask, and decide those that are evident. What is
    /// found is recorded in the ledger. Without --key: all whose outcome is unknown
    #[arg(long)]
    pub(super) by_evidence: bool,
    /// With --by-evidence: do not ask
    #[arg(long, conflicts_with_all = ["sent", "not_sent"])]
    pub(super) yes: bool,
    /// How you know; recorded in the ledger
    #[arg(long, value_name = "TEXT", conflicts_with = "by_evidence")]
    pub(super) note: Option<String>,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Copy the ledger, even during a run. Restoring the copy needs `run --accept-older-ledger`
    #[command(after_help = help::BACKUP)]
    Backup(BackupArgs),
    /// Create a new ledger from the readable rows of a damaged one. Unreadable rows become `unknown`
    #[command(after_help = help::RECOVER)]
    Recover(RecoverArgs),
    /// Move a campaign to another ledger: from a file to PostgreSQL, back, or from file to file
    #[command(after_help = help::COPY)]
    Copy(CopyArgs),
}

#[derive(Debug, Args)]
pub(super) struct CopyArgs {
    /// The ledger: a path or `postgres://...`. It keeps its rows and is marked as moved: no run uses it any more
    #[arg(value_name = "FROM")]
    pub(super) from: String,
    /// The new ledger: a path or `postgres://...`
    #[arg(value_name = "TO")]
    pub(super) to: String,
    /// The campaign, if FROM is a database that holds several
    #[arg(long, value_name = "NAME")]
    pub(super) campaign: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The spec
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The copy [default: next to the ledger, with the time in its name]
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// The ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    /// The spec; its list must be there, to find those whom the ledger has lost
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The new ledger [default: NAME.recovered.sqlite beside the damaged one, which is left as it is]
    #[arg(short, long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// Where a report of the new ledger goes (repeatable) [default: beside the spec's, with `.recovered` in its name]
    #[arg(long, value_name = "PATH")]
    pub(super) report: Vec<PathBuf>,
    /// Override a constant of the spec's `vars`, as the runs did
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) vars: Vec<(String, String)>,
    /// Skip rows with problems, record them as skipped, and send the rest
    #[arg(long)]
    pub(super) skip_invalid: bool,
    /// The damaged ledger [default: .campaign/NAME.sqlite next to the spec]
    #[arg(long, value_name = "URL")]
    pub(super) ledger: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub(super) listen: std::net::SocketAddr,
    /// A script of templates and faults (YAML)
    #[arg(long, value_name = "FILE")]
    pub(super) script: Option<PathBuf>,
    /// Append one JSON line per request to this file
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which schema
    #[arg(value_enum, default_value_t = Schema::Campaign)]
    pub(super) of: Schema,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder to write into
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) folder: PathBuf,
}
