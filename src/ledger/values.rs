//! Values as databases keep them: numbers that are signed, times in milliseconds, states by their words.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ledger::LedgerError;
use crate::recipients::Columns;
use crate::state::{OperatorAction, PastOutcome, State};

/// SQLite's integers are signed; ids beyond them do not occur, and would come back as they were.
pub(in crate::ledger) const fn stored(number: u64) -> i64 {
    number.cast_signed()
}

/// The inverse of [`stored`].
pub(in crate::ledger) const fn unstored(number: i64) -> u64 {
    number.cast_unsigned()
}

/// Milliseconds since 1970.
pub(in crate::ledger) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A time that was written; none where it is beyond all times.
pub(in crate::ledger) fn time(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok()
}

/// Whatever was written as JSON.
pub(in crate::ledger) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LedgerError> {
    serde_json::from_str(text).map_err(|error| LedgerError::damaged(format!("a row cannot be read back: {error}")))
}

/// Columns as they are named with each row. Neighbours almost always have the same ones, which are then read once.
#[derive(Default)]
pub(in crate::ledger) struct ColumnsOfRows(Option<(String, Arc<Columns>)>);

impl ColumnsOfRows {
    pub(in crate::ledger) fn read(&mut self, names: String) -> Result<Arc<Columns>, LedgerError> {
        if let Some((same, shared)) = &self.0
            && *same == names
        {
            return Ok(Arc::clone(shared));
        }
        let columns = Arc::new(Columns::new(json(&names)?));
        self.0 = Some((names, Arc::clone(&columns)));
        Ok(columns)
    }
}

/// A state by its word.
pub(in crate::ledger) fn state(word: &str) -> Result<State, LedgerError> {
    word.parse().map_err(|error: String| LedgerError::damaged(error))
}

/// The keys of a statement as a JSON array; none stands for all.
pub(in crate::ledger) fn key_list(keys: Option<&[String]>) -> Option<String> {
    keys.map(|keys| serde_json::Value::from(keys).to_string())
}

/// How a delivery had ended before, from a row of `history`: the columns as they are named in the query.
type History = (String, Option<String>, Option<String>, String, i64, Option<String>);

pub(in crate::ledger) fn earlier(history: &str) -> Result<Vec<PastOutcome>, LedgerError> {
    let entry = |(outcome, error_code, error, word, at, note): History| {
        let action = OperatorAction::ALL.into_iter().find(|action| action.word() == word);
        Ok(PastOutcome {
            outcome: state(&outcome)?,
            error_code,
            error,
            action: action.ok_or_else(|| LedgerError::damaged(format!("`{word}` is nothing that can be decided")))?,
            at: time(at).unwrap_or_default(),
            note,
        })
    };
    json::<Vec<History>>(history)?.into_iter().map(entry).collect()
}
