//! Why a workbook cannot be read.

use std::fmt;
use std::io;

use super::super::encoding::unreadable;
use crate::problem::{Place, Problem, did_you_mean};

const SAVE_AGAIN: &str = "save it again as .xlsx, or as CSV in UTF-8";

/// Why a workbook cannot be read.
#[derive(Debug)]
pub(super) enum WorkbookError {
    /// It is cut off, or some of its bytes are wrong.
    Damaged,
    /// It is larger than this program reads.
    TooLarge {
        /// What is.
        what: &'static str,
        /// Bytes that it may have.
        most: u64,
    },
    /// A single row or text that is larger than this program reads.
    TooLong {
        /// What is.
        what: &'static str,
        /// Bytes that it may have.
        most: u64,
    },
    /// More than a sheet of Excel has.
    TooMany(&'static str),
    /// Its parts do not fit together.
    Unsupported(&'static str),
    /// It has no sheet of that name.
    NoSuchSheet {
        /// The name.
        wanted: String,
        /// Those that it has.
        names: Vec<String>,
    },
    /// It cannot be read at all.
    Io(io::Error),
}

impl WorkbookError {
    /// As a problem of the list.
    pub(super) fn problem(&self, file: &str) -> Problem {
        let mib = |bytes: u64| bytes / 1024 / 1024;
        let (code, what, hint) = match self {
            Self::Io(error) => return unreadable(file, error),
            Self::NoSuchSheet { wanted, names } => return no_such_sheet(file, wanted, names),
            Self::Damaged => ("list-unreadable", "the workbook is cut off or damaged".to_owned(), SAVE_AGAIN),
            Self::TooLarge { what, most } => {
                let what = format!("{what} has more than {} MiB", mib(*most));
                ("workbook-too-large", what, "save the list as CSV in UTF-8, which has no size limit")
            }
            Self::TooLong { what, most } => {
                ("line-too-long", format!("{what} of more than {} MiB", mib(*most)), "is this the right file?")
            }
            Self::TooMany(what) => {
                let hint = "delete stray cells far from the list, or save it as CSV in UTF-8";
                ("sheet-too-wide", format!("the sheet has {what}"), hint)
            }
            Self::Unsupported(why) => ("list-unreadable", format!("the workbook cannot be read: {why}"), SAVE_AGAIN),
        };
        Problem::error(code, Place::file(file), what).hint(hint)
    }
}

/// Sheets that are named in a hint.
const NAMED: usize = 10;

fn no_such_sheet(file: &str, wanted: &str, names: &[String]) -> Problem {
    let quoted: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    let hint = match did_you_mean(wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its sheets: {}{more}", quoted.join(", ")),
    };
    let what = format!("the workbook has no sheet `{wanted}` (recipients.sheet)");
    Problem::error("no-such-sheet", Place::file(file), what).hint(hint)
}

impl fmt::Display for WorkbookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the workbook cannot be read")
    }
}

impl std::error::Error for WorkbookError {}

impl From<WorkbookError> for io::Error {
    fn from(broken: WorkbookError) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

impl From<io::Error> for WorkbookError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(broken) => broken,
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) => {
                Self::Damaged
            }
            Err(error) => Self::Io(error),
        }
    }
}

impl From<quick_xml::Error> for WorkbookError {
    fn from(error: quick_xml::Error) -> Self {
        match error {
            // The parser shares its errors.
            quick_xml::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
                Some(Self::TooLarge { what, most }) => Self::TooLarge { what, most: *most },
                Some(Self::TooLong { what, most }) => Self::TooLong { what, most: *most },
                _ => Self::Damaged,
            },
            _ => Self::Damaged,
        }
    }
}
