//! `campaign init`: a spec and a list that run at once.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::error::CliError;
use super::exit::Exit;
use super::flags::InitArgs;
use super::output::Output;

const FILES: [(&str, &str); 2] =
    [("campaign.yaml", include_str!("init/campaign.yaml")), ("recipients.csv", include_str!("init/recipients.csv"))];

pub(super) fn init(args: &InitArgs, output: &Output) -> Result<Exit, CliError> {
    fs::create_dir_all(&args.folder).map_err(|error| CliError::file(&args.folder, error))?;
    // All or nothing, and never over somebody's work.
    if let Some((name, _)) = FILES.iter().find(|(name, _)| args.folder.join(name).exists()) {
        let path = args.folder.join(name);
        return Err(CliError::environment(format!("{} is there already; nothing was written", path.display())));
    }
    for (name, text) in FILES {
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
    output.say(&format!("look first:  campaign run {} --dry-run", spec.display()));
    output.say(&format!("rehearse:    campaign run {} --sandbox", spec.display()));
    Ok(Exit::Done)
}
