//! `campaign init`: a spec and a list that run at once.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::args::InitArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::specification::Spec;

const SPEC: (&str, &str) = ("campaign.yaml", include_str!("campaign.yaml"));
const LIST: (&str, &str) = ("recipients.csv", include_str!("recipients.csv"));
/// The first line of the spec names it, so an editor completes and explains the keys.
const SCHEMA: &str = "campaign.schema.json";

pub(super) fn init(args: &InitArgs, output: &Output) -> Result<Exit, CliError> {
    fs::create_dir_all(&args.folder).map_err(|error| CliError::file(&args.folder, error))?;
    let schema = serde_json::to_string_pretty(&Spec::json_schema()).unwrap_or_default() + "\n";
    let files = [SPEC, LIST, (SCHEMA, schema.as_str())];
    // All or nothing, and never over somebody's work.
    if let Some((name, _)) = files.iter().find(|(name, _)| args.folder.join(name).exists()) {
        let path = args.folder.join(name);
        return Err(CliError::environment(format!("{} already exists; nothing was written", path.display())));
    }
    for (name, text) in files {
        let path = args.folder.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| CliError::file(&path, error))?;
        file.write_all(text.as_bytes()).map_err(|error| CliError::file(&path, error))?;
        output.say(&format!("wrote {}", path.display()));
    }
    let spec = args.folder.join("campaign.yaml");
    output.say(&format!("preview:     campaign run {} --dry-run", spec.display()));
    output.say(&format!("rehearse:    campaign run {} --sandbox", spec.display()));
    Ok(Exit::Done)
}
