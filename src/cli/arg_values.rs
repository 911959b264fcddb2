//! The values that flags take, and how they are read.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use crate::report::Filter;

/// Output format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// One JSON object per line
    Json,
}

/// How the results of a check are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// For people
    Human,
    /// One JSON object a line
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// A JUnit report (XML)
    Junit,
}

/// How many rows a dry run shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preview {
    Some(u64),
    All,
}

/// What a report is cut down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    Rows(Filter),
    OptedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Schema {
    /// The spec
    Campaign,
    /// One line of a JSON Lines report
    Report,
    /// One line of what `run --format json` writes to standard error
    Events,
    /// What `run --format json` prints at its end
    Run,
    /// What `status --format json` prints
    Status,
    /// What `track --format json` prints
    Track,
    /// What `doctor --format json` prints
    Doctor,
}

pub(super) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

pub(super) fn html(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.extension().is_some_and(|ending| ending == "html") {
        return Ok(path);
    }
    Err("the file name must end in `.html`".to_owned())
}

pub(super) fn preview(text: &str) -> Result<Preview, String> {
    if text == "all" {
        return Ok(Preview::All);
    }
    text.parse().map(Preview::Some).map_err(|_| "write a number, or `all`".to_owned())
}

impl FromStr for Only {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word == "opted-out" { Ok(Self::OptedOut) } else { word.parse().map(Self::Rows) }
    }
}
