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
            Err(Fault::environment(format!(
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
        let text = value.into_string().map_err(|_| Fault::environment(format!("`{name}` is not text")))?;
        return Ok(Some(Secret::new(text)));
    }
    for path in [folder.join(".env"), Path::new(".env").to_owned()] {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                if let Some(value) = in_dotenv(&text, name) {
                    return Ok(Some(Secret::new(value.to_owned())));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::file(&path, error)),
        }
    }
    Ok(None)
}

/// The value of a `NAME=VALUE` line, word for word. The crates for such files expand `$` and cut at `#`, both of which
/// may well be part of a secret.
fn in_dotenv<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line).trim();
        let (found, value) = line.split_once('=')?;
        let value = value.trim();
        let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        (found.trim() == name && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::in_dotenv;

    #[test]
    fn a_value_is_taken_word_for_word() {
        let text = "# keys\nKEY=a#b$c \nexport OTHER = 'x y'\nEMPTY=\nTWO=\"=\"\n";
        assert_eq!(in_dotenv(text, "KEY"), Some("a#b$c"));
        assert_eq!(in_dotenv(text, "OTHER"), Some("x y"));
        assert_eq!(in_dotenv(text, "TWO"), Some("="));
        assert_eq!(in_dotenv(text, "EMPTY"), None);
        assert_eq!(in_dotenv(text, "keys"), None);
    }
}
