//! What a spec takes from the environment or from a `.env` file: the key pair of its project, and its address.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dotenv::Dotenv;
use super::environment;
use super::error::CliError;
use super::output::Output;
use super::secret_file;
use crate::campaign::CampaignError;
use crate::livedesk::Credentials;
use crate::notify::WebhookUrl;
use crate::problem::Problem;
use crate::secret::Secret;
use crate::specification::Spec;

/// The key pair of a spec's project: from the environment, or files that `NAME_FILE` in the environment names; else from
/// `.env` beside the spec, else from `.env` in the working directory.
pub(super) fn credentials(spec: &Spec, output: &Output) -> Result<Credentials, CliError> {
    let names = [spec.livedesk.api_key.as_str(), spec.livedesk.api_secret.as_str()];
    let mut given = [None, None];
    for (value, name) in given.iter_mut().zip(names) {
        *value = secret_file::value(name, output)?;
    }
    match values(names, given, &spec.folder, output)? {
        [Some(key), Some(secret)] => Ok(Credentials { key: Secret::new(key), secret: Secret::new(secret) }),
        values => Err(missing(names.into_iter().zip(values), &spec.folder)),
    }
}

/// The secret of LiveDesk's webhooks, where the spec names a variable that holds it.
pub(super) fn webhook_secret(spec: &Spec, output: &Output) -> Result<Option<Secret<String>>, CliError> {
    let Some(name) = &spec.track.webhook_secret else { return Ok(None) };
    let given = secret_file::value(name, output)?;
    match values([name.as_str()], [given], &spec.folder, output)? {
        [Some(secret)] if !secret.is_empty() => Ok(Some(Secret::new(secret))),
        _ => Err(CliError::environment(format!(
            "`{name}` is not set: put the webhook's secret in the environment or in {}",
            spec.folder.join(".env").display()
        ))),
    }
}

/// The address of the webhook that is notified of a run's end, which the variable `name` holds.
pub(super) fn webhook_url(name: &str, spec: &Spec, output: &Output) -> Result<WebhookUrl, CliError> {
    let given = secret_file::value(name, output)?;
    let [Some(url)] = values([name], [given], &spec.folder, output)? else {
        return Err(CliError::environment(format!(
            "`{name}` is not set: put the address for `notify.webhook` in the environment or in {}",
            spec.folder.join(".env").display()
        )));
    };
    WebhookUrl::parse(&url)
        .map_err(|why| CliError::environment(format!("the value of `{name}`, for `notify.webhook`: {why}")))
}

/// The spec with the address that a variable gives, if it names one. Where the variable is not set that is an error if the
/// address is `needed`.
pub(super) fn with_base_url(spec: Arc<Spec>, needed: bool, output: &Output) -> Result<Arc<Spec>, CliError> {
    let Some((name, span)) = &spec.livedesk.base_url_variable else { return Ok(spec) };
    let unusable = |problem: Problem| CliError::from(CampaignError::Unusable(vec![problem].into()));
    let [value] = values([name.as_str()], [None], &spec.folder, output)?;
    match value {
        Some(url) => spec.with_base_url(&url).map(Arc::new).map_err(unusable),
        None if needed => {
            let what = format!("`{name}` is not set");
            let hint = "put the address of LiveDesk into the environment or into a `.env` file beside the spec";
            Err(unusable(Problem::error("base-url-not-set", spec.source.place(*span), what).hint(hint)))
        }
        None => Ok(spec),
    }
}

/// The values of variables: those that are `given`, the others from the environment, else from a `.env` file.
fn values<const N: usize>(
    names: [&str; N],
    given: [Option<String>; N],
    folder: &Path,
    output: &Output,
) -> Result<[Option<String>; N], CliError> {
    let mut values = given;
    for (value, name) in values.iter_mut().zip(names).filter(|(value, _)| value.is_none()) {
        *value = in_environment(name)?;
    }
    for path in files(folder) {
        if values.iter().all(Option::is_some) {
            break;
        }
        let Some(file) = Dotenv::read(&path, output)? else { continue };
        for (value, name) in values.iter_mut().zip(names).filter(|(value, _)| value.is_none()) {
            *value = file.value(name)?;
        }
    }
    Ok(values)
}

fn missing<'a>(values: impl Iterator<Item = (&'a str, Option<String>)>, folder: &Path) -> CliError {
    let missing: Vec<&str> = values.filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    let names = |ending: &str| {
        let names: Vec<String> = missing.iter().map(|name| format!("`{name}{ending}`")).collect();
        names.join(" and ")
    };
    let are = if missing.len() == 1 { "is" } else { "are" };
    CliError::environment(format!(
        "{} {are} not set: put the project's API key pair in the environment, in {}, or in files that \
         {} name (or try `--sandbox`, which needs none)",
        names(""),
        folder.join(".env").display(),
        names("_FILE"),
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
