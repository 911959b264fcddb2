//! Tips for mistyped commands and flags: what was probably meant. Never a flag that sends without asking.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words that people try, and the command line that does it.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["preview", "plan", "dry-run", "dryrun", "show", "render", "test", "simulate"], "campaign run FILE --dry-run"),
    (&["rehearse", "demo", "try"], "campaign run FILE --sandbox"),
    (&["send", "start", "go", "execute", "continue", "resume"], "campaign run FILE"),
    (&["retry", "resend"], "campaign run FILE --retry-failed"),
    (&["validate", "lint", "verify"], "campaign check FILE"),
    (&["stats", "progress", "info", "list"], "campaign status FILE"),
    (&["export", "results"], "campaign report FILE -o PATH"),
    (&["new", "create", "scaffold"], "campaign init DIR"),
    (&["serve", "server", "mock"], "campaign sandbox"),
];

/// The same for flags.
const FLAGS: &[(&[&str], &str)] = &[
    (&["--dryrun", "--plan", "--simulate", "--test", "-n"], "--dry-run"),
    (&["--json"], "--format json"),
    (&["--skip-errors", "--ignore-errors", "--continue-on-error"], "--skip-invalid"),
    (&["--retry", "--resend"], "--retry-failed"),
    (&["--max", "--count", "--first"], "--limit N"),
];

/// Sends without a question: whoever mistypes must not be led there.
const NEVER: &str = "--yes";

/// The same error with a better tip, where there is one.
pub(super) fn with_tips(mut error: clap::Error) -> clap::Error {
    let (wrong, suggested, known) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand, COMMANDS),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg, FLAGS),
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(wrong).cloned() else { return error };
    if error.get(suggested).is_some_and(|suggested| suggested.to_string().contains(NEVER)) {
        error.remove(suggested);
        error.remove(ContextKind::Suggested);
    }
    if let Some((_, meant)) = known.iter().find(|(words, _)| words.contains(&word.to_lowercase().as_str())) {
        error.remove(suggested);
        let tip = format!("use `{meant}`");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
