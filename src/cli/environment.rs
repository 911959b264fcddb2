//! The environment and `.env` files: the only place that reads them.

use std::path::Path;

use super::exit::Fault;
use crate::livedesk::Credentials;
use crate::secret::Secret;
use crate::spec::Spec;

/// Whether a variable is set and not empty.
pub(super) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The key pair of a spec's project: from the environment, else from `.env` beside the spec, else from `.env` in the
/// working directory.
pub(super) fn credentials(spec: &Spec) -> Result<Credentials, Fault> {
    let key = variable(&spec.livedesk.api_key, &spec.folder)?;
    let secret = variable(&spec.livedesk.api_secret, &spec.folder)?;
    match (key, secret) {
        (Some(key), Some(secret)) => Ok(Credentials { key, secret }),
        (key, secret) => {
            let missing: Vec<String> = [(&key, &spec.livedesk.api_key), (&secret, &spec.livedesk.api_secret)]
                .into_iter()
                .filter(|(value, _)| value.is_none())
                .map(|(_, name)| format!("`{name}`"))
                .collect();
            Err(Fault::Environment(format!(
                "{} not set: put the project's API key pair into the environment or into {} (or try `--sandbox`, \
                 which needs none)",
                if missing.len() == 1 {
                    format!("{} is", missing[0])
                } else {
                    format!("{} are", missing.join(" and "))
                },
                spec.folder.join(".env").display(),
            )))
        }
    }
}

fn variable(name: &str, folder: &Path) -> Result<Option<Secret<String>>, Fault> {
    if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
        let text = value.into_string().map_err(|_| Fault::Environment(format!("`{name}` is not text")))?;
        return Ok(Some(Secret::new(text)));
    }
    for path in [folder.join(".env"), Path::new(".env").to_owned()] {
        if !path.is_file() {
            continue;
        }
        // The error's own text would quote the line, which may hold a secret.
        let unreadable = |_| Fault::Environment(format!("{} cannot be read: a line is not NAME=VALUE", path.display()));
        for item in dotenvy::from_path_iter(&path).map_err(unreadable)? {
            let (found, value) = item.map_err(unreadable)?;
            if found == name && !value.is_empty() {
                return Ok(Some(Secret::new(value)));
            }
        }
    }
    Ok(None)
}
