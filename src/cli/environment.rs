//! The environment: the only place that reads it.

use std::ffi::OsString;

/// Whether a variable is set and not empty.
pub(super) fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

/// The value of a variable that is not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
