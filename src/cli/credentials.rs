//! The key pair of a project: from the environment, else from a `.env` file.

use std::fs;
use std::path::{Path, PathBuf};

use super::dotenv::Dotenv;
use super::environment;
use super::error::CliError;
use super::output::Output;
use crate::livedesk::Credentials;
use crate::secret::Secret;
use crate::specification::Spec;

/// The key pair of a spec's project: from the environment, else from `.env` beside the spec, else from `.env` in the
/// working directory.
pub(super) fn credentials(spec: &Spec, output: &Output) -> Result<Credentials, CliError> {
    let names = [spec.livedesk.api_key.as_str(), spec.livedesk.api_secret.as_str()];
    let [key, secret] = names.map(in_environment);
    let mut values = [key?, secret?];
    for path in files(&spec.folder) {
        if values.iter().all(Option::is_some) {
            break;
        }
        let Some(file) = Dotenv::read(&path, output)? else { continue };
        for (value, name) in values.iter_mut().zip(names).filter(|(value, _)| value.is_none()) {
            *value = file.value(name)?;
        }
    }
    match values {
        [Some(key), Some(secret)] => Ok(Credentials { key: Secret::new(key), secret: Secret::new(secret) }),
        values => Err(missing(names.into_iter().zip(values), &spec.folder)),
    }
}

fn missing<'a>(values: impl Iterator<Item = (&'a str, Option<String>)>, folder: &Path) -> CliError {
    let missing: Vec<String> =
        values.filter(|(_, value)| value.is_none()).map(|(name, _)| format!("`{name}`")).collect();
    let are = if missing.len() == 1 { "is" } else { "are" };
    CliError::environment(format!(
        "{} {are} not set: put the project's API key pair into the environment or into {} (or try `--sandbox`, which \
         needs none)",
        missing.join(" and "),
        folder.join(".env").display(),
    ))
}

fn in_environment(name: &str) -> Result<Option<String>, CliError> {
    let not_utf8 = |_| CliError::environment(format!("the value of `{name}` in the environment is not UTF-8"));
    environment::variable(name).map(|value| value.into_string().map_err(not_utf8)).transpose()
}

/// The `.env` files of a spec, each once.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (beside, here) = (folder.join(".env"), PathBuf::from(".env"));
    let same =
        fs::canonicalize(folder).ok().is_some_and(|folder| std::env::current_dir().is_ok_and(|here| here == folder));
    if same { vec![beside] } else { vec![beside, here] }
}
