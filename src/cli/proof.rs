//! `campaign run --proof-to`: a few real rows to the operator's own address.

use std::ffi::OsString;

use super::args::RunArgs;
use super::client::{client_of_run, sandbox_script, start_sandbox};
use super::error::CliError;
use super::exit::Exit;
use super::json_results::{ProofResult, ProofRunResult, StopReason};
use super::operator::Terminal;
use super::output::Output;
use super::signals::{Signals, cannot_listen, interrupted_twice};
use super::{dry_run, environment, plan, proof_plan, summary};
use crate::campaign::{Inputs, Options, ProofOutcome, ProofPlan, ProofRequest, open_proof};
use crate::humanize::{counted, grouped};
use crate::message::ProofTo;
use crate::run::{End, Stop};
use crate::specification::Spec;
use crate::state::State;

/// What the flags ask for.
///
/// # Errors
/// They are no address.
pub(super) fn request(args: &RunArgs) -> Result<ProofRequest, CliError> {
    let to = ProofTo::new(args.proof_to.clone())?;
    Ok(ProofRequest { to, lines: args.line.clone(), by: operator() })
}

/// Who has typed the command, as far as the environment tells.
fn operator() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(environment::variable);
    let user = user.map_or_else(|| "somebody".to_owned(), |name| name.to_string_lossy().into_owned());
    let host = hostname::get().unwrap_or_else(|_| OsString::from("this host"));
    format!("{user} on {}", host.to_string_lossy())
}

pub(super) async fn prove(
    inputs: Inputs,
    options: Options,
    request: ProofRequest,
    operator: &Terminal<'_>,
) -> Result<Exit, CliError> {
    let (args, output) = (operator.args, operator.output);
    let spec = inputs.spec.clone();
    let proof = open_proof(inputs, options, request, operator).await?;
    if args.dry_run {
        for (lease, delivery) in proof.messages() {
            dry_run::print(lease.row.line, &lease.key, delivery, output);
        }
        show(proof.plan(), output);
        let proofs = counted(proof.plan().next.messages, "proof");
        output.say(&format!("dry run: nothing was sent and nothing was written; {proofs} would be sent"));
        return Ok(Exit::Done);
    }
    show(proof.plan(), output);
    let confirmed = proof.confirm(operator).await?;
    let script = if args.sandbox { sandbox_script(&args.file)? } else { None };
    let sandbox = if args.sandbox { Some(start_sandbox(script.map(|(_, script)| script))?) } else { None };
    let client = operator.observe(client_of_run(&spec, sandbox.as_ref(), output)?);
    let signals = Signals::listen().map_err(cannot_listen)?;
    let stop = Stop::new();
    let abort = interrupted_twice(signals, &stop, operator.progress());
    output.never_wait();
    let outcome = confirmed.send(&client, &stop, abort, operator).await?;
    if let Some(text) = summary::held_by_server(outcome.rate_limited_for, outcome.took, &spec.send) {
        output.say(&text);
    }
    Ok(conclude(&spec, &outcome, output))
}

fn show(plan: &ProofPlan, output: &Output) {
    for line in proof_plan::text(plan) {
        plan::say(&line, output);
    }
}

fn conclude(spec: &Spec, outcome: &ProofOutcome, output: &Output) -> Exit {
    let ProofOutcome { end, proofs, wanted, .. } = outcome;
    let of = |state: State| proofs.iter().filter(|proof| proof.state == state).count() as u64;
    let accepted = of(State::Accepted);
    if output.is_json() {
        let proofs = proofs.iter().map(ProofResult::from).collect();
        output.json(&ProofRunResult { campaign: spec.name.clone(), proofs, stopped: StopReason::of(end) });
    } else {
        output.result(&format!("{}: {} of {} accepted", spec.name, grouped(accepted), counted(*wanted, "proof")));
        for proof in proofs {
            output.result(&format!("  {}", output.masked(&proof_plan::line(proof))));
        }
    }
    match end {
        End::Interrupted => {
            output.say("interrupted: the recipients stay as they are");
            Exit::Interrupted
        }
        End::Environment(why) => {
            output.error(why);
            Exit::Environment
        }
        End::Guard(stopped) => {
            output.say(&format!("stopped: {}", stopped.why));
            Exit::Stopped
        }
        End::Paused(stopped) => {
            output.say(&stopped.why);
            Exit::Paused
        }
        End::Done if of(State::Unknown) + of(State::Claimed) > 0 => Exit::SomeUnknown,
        End::Done if accepted < *wanted => Exit::SomeFailed,
        End::Done => Exit::Done,
    }
}
