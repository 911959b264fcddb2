//! Reading a spec's file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list::open_file;
use crate::campaign::CampaignError;
use crate::problem::{Place, Problem};
use crate::specification::{Source, Spec};

/// Bytes of a spec that are read: no person writes as much.
const MAX_SPEC_BYTES: u64 = 1024 * 1024;

/// Reads a spec in which nothing is wrong. `vars` override its constants.
///
/// # Errors
/// What is wrong with it.
pub fn read_spec(file: &Path, vars: &[(String, String)]) -> Result<Arc<Spec>, CampaignError> {
    let (spec, problems) = draft(file, vars)?;
    if problems.is_empty() { Ok(spec) } else { Err(problems.into()) }
}

/// Reads and checks a spec. Gives what is wrong with it beside what can be made of it all the same, to check the rest
/// by; nothing is ever sent by it.
pub(in crate::campaign) fn draft(
    file: &Path,
    vars: &[(String, String)],
) -> Result<(Arc<Spec>, Vec<Problem>), CampaignError> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let mut input = open_file(file).map_err(|error| CampaignError::file(file, error))?.take(MAX_SPEC_BYTES + 1);
    input.read_to_end(&mut bytes).map_err(|error| CampaignError::file(file, error))?;
    if bytes.len() as u64 > MAX_SPEC_BYTES {
        let problem = Problem::error("spec-too-large", Place::file(&name), "the spec is larger than 1 MiB");
        let hint = "is this the right file? A spec describes one message; recipients go in the list";
        return Err(vec![problem.hint(hint)].into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).matches('\n').count();
        let problem = Problem::error("spec-not-utf8", Place::line(&name, line as u64 + 1), "the spec is not UTF-8");
        CampaignError::from(vec![problem.hint("save it as UTF-8")])
    })?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    match Spec::draft(&Source { name, text }, folder, vars) {
        (Some(spec), problems) => Ok((Arc::new(spec), problems)),
        (None, problems) => Err(problems.into()),
    }
}
