//! The `campaign` binary: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    campaign::cli::main().into()
}
