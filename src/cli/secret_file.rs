//! `NAME_FILE`: a variable that names the file in which the value of `NAME` is. systemd credentials and the secrets of
//! Kubernetes and Docker are such files. No error repeats a value.

use std::path::{Path, PathBuf};

use super::dotenv::{self, SharedWith};
use super::environment;
use super::error::CliError;
use super::output::Output;

/// The value in the file that `NAME_FILE` names; `None` where it is not set.
///
/// # Errors
/// `NAME` is set too, or the file does not hold one value and nothing else.
pub(super) fn value(name: &str, output: &Output) -> Result<Option<String>, CliError> {
    let variable = format!("{name}_FILE");
    let Some(path) = environment::variable(&variable).map(PathBuf::from) else { return Ok(None) };
    let wrong = |what: &str| CliError::environment(format!("{} (named by `{variable}`): {what}", path.display()));
    if environment::is_set(name) {
        let what = format!("`{name}` and `{variable}` are both set in the environment: remove one of them");
        return Err(CliError::environment(what));
    }
    if !exists(&path) {
        return Err(wrong("there is no such file"));
    }
    // Those who may read the secrets of a pod share a group with it.
    let text = dotenv::read_text(&path, SharedWith::Group, output)?;
    single_value(&text, name).map(|value| Some(value.to_owned())).map_err(|what| wrong(&what))
}

fn exists(path: &Path) -> bool {
    // Whatever else is wrong with it is said when it is read.
    !std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The only value of a file, without the line break that editors and `echo` put at its end.
fn single_value<'a>(text: &'a str, name: &str) -> Result<&'a str, String> {
    let value = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    let assigned = value.strip_prefix("export ").unwrap_or(value).trim_start().strip_prefix(name);
    if assigned.is_some_and(|rest| rest.trim_start().starts_with('=')) {
        return Err(format!("it must contain only the value, without `{name}=`"));
    }
    if value.contains(['\r', '\n']) {
        return Err("it has more than one line, but must contain only the value".to_owned());
    }
    if value.trim() != value {
        return Err("there are spaces before or after the value: remove them".to_owned());
    }
    if value.contains(char::is_control) {
        return Err("the value has control characters: is it a text file?".to_owned());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::single_value;

    #[test]
    fn a_value_is_taken_word_for_word_without_the_line_break_at_its_end() {
        for text in ["a#b$\"c", "a#b$\"c\n", "a#b$\"c\r\n", "a#b$\"c\n\n", "\u{feff}a#b$\"c"] {
            assert_eq!(single_value(text, "KEY"), Ok("a#b$\"c"), "{text:?}");
        }
        assert_eq!(single_value("two words\n", "KEY"), Ok("two words"));
        assert_eq!(single_value("KEYS=v", "KEY"), Ok("KEYS=v"));
    }

    #[test]
    fn a_file_that_holds_anything_else_is_refused() {
        for text in
            ["", "\n", "one\ntwo\n", " value", "value \n", "va\0lue", "va\tlue", "KEY=v", "export KEY = v\n", "\nv"]
        {
            assert!(single_value(text, "KEY").is_err(), "{text:?}");
        }
    }
}
