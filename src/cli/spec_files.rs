//! The specs that a command line names: files, and whatever in a folder is one.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::CliError;

/// Folders in folders are read so deep.
const MAX_LEVELS: usize = 16;

/// Each spec that is named by itself or lies in a named folder. Those of a folder come in the order of their names.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        collect(path, MAX_LEVELS, &mut files).map_err(|error| CliError::file(path, error))?;
        if files.len() == before {
            return Err(CliError::environment(format!("{}: there is no spec in this folder", path.display())));
        }
    }
    Ok(files)
}

fn collect(folder: &Path, levels: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    for path in paths.into_iter().filter(|path| !is_hidden(path)) {
        if path.is_dir() {
            if levels > 0 && !path.is_symlink() {
                collect(&path, levels - 1, files)?;
            }
        } else if is_spec(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a YAML file is meant to be a spec: other tools have theirs in the same folders.
fn is_spec(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let has_keys =
        |text: String| text.lines().any(|line| line.starts_with("recipients:") || line.starts_with("message:"));
    is_yaml && fs::read_to_string(path).is_ok_and(has_keys)
}
