//! Cells whose value is not what somebody wrote, or cannot be told from the file.
//!
//! Such a cell is harmless as long as nothing uses it, and this module does not know what does: it says what is wrong
//! with which cell, and whoever knows the templates decides.

use crate::problem::{Place, Problem};

/// What is wrong with one cell of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// The position of its column.
    pub column: usize,
    /// What it is.
    pub kind: FlawKind,
}

/// The ways in which a cell's value is lost or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// A formula of a workbook has failed: `#N/A`, `#REF!`.
    SpreadsheetError,
    /// A workbook keeps fifteen digits of a number, and this one has more.
    MoreThanFifteenDigits,
    /// A formula that no program has calculated yet.
    NotCalculated,
    /// A number of a date format that is no date, such as a negative one.
    NoDate,
    /// A number of JSON with more digits than a number can hold.
    TooManyDigits,
    /// A number of JSON that goes out in another form: `12.50` as `12.5`.
    Reformatted,
}

impl Flaw {
    /// The flaw as a problem of its row.
    pub fn problem(self, place: Place, column: &str) -> Problem {
        let place = place.in_field(Some(column.into()));
        match self.kind {
            FlawKind::SpreadsheetError => Problem::error(
                "excel-error",
                place,
                format!("column `{column}` contains an Excel error, such as `#N/A`"),
            )
            .hint("fix the formula, or delete the cell"),
            FlawKind::MoreThanFifteenDigits => {
                let what = format!(
                    "column `{column}` contains a number of more than 15 digits; Excel keeps only 15, so the last are \
                     lost"
                );
                Problem::error("rounded-number", place, what).hint("format the column as text and enter it again")
            }
            FlawKind::NotCalculated => {
                let what = format!("column `{column}` contains a formula without a result");
                Problem::error("formula-not-calculated", place, what)
                    .hint("open the workbook in a spreadsheet program and save it, or paste the values")
            }
            FlawKind::NoDate => {
                let what = format!("column `{column}` contains a number in a date format that is not a date");
                Problem::error("no-date", place, what).hint("format the cell as a number or as text")
            }
            FlawKind::TooManyDigits => {
                let what = format!("column `{column}` contains a number with too many digits to be kept exactly");
                Problem::error("rounded-number", place, what).hint("write it as text, in quotes")
            }
            FlawKind::Reformatted => {
                let what = format!(
                    "column `{column}` contains a number that is sent in another form, such as `12.5` for `12.50`"
                );
                Problem::warning("reformatted-number", place, what)
                    .hint("to keep it as it is, write it as text, in quotes")
            }
        }
    }
}
