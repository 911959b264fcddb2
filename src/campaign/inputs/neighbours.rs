//! Specs in one folder that get in each other's way: by one name they share a ledger, and one report overwrites the other.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::spec::draft;
use crate::problem::{Place, Problem};
use crate::specification::Spec;

/// Files of a folder that are read at most.
const MAX_FILES: usize = 200;

/// What its author should know of the other specs in a spec's folder.
pub(in crate::campaign) fn neighbours(spec: &Spec) -> Vec<Problem> {
    let this = Path::new(&spec.source.name).file_name();
    let mut files: Vec<PathBuf> = fs::read_dir(&spec.folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_yaml(path) && path.file_name() != this)
        .take(MAX_FILES)
        .collect();
    files.sort();
    // What is no spec, or a broken one, gets in nobody's way.
    files.iter().filter_map(|file| draft(file, &[]).ok()).flat_map(|(other, _)| conflicts(spec, &other)).collect()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

fn conflicts(spec: &Spec, other: &Spec) -> Vec<Problem> {
    let other_file = Path::new(&other.source.name).file_name().unwrap_or_default().display().to_string();
    if spec.name == other.name {
        let what = format!("{other_file} is the campaign `{}` as well: they share one ledger", spec.name);
        let hint = "give each campaign a name of its own; whoever got the one would not get the other";
        return vec![Problem::warning("shared-name", Place::file(&spec.source.name), what).hint(hint)];
    }
    let same = |path: &PathBuf| other.report.iter().any(|report| clean(&report.path) == clean(path));
    let shared = spec.report.iter().filter(|report| same(&report.path));
    let problem = |path: &Path, place: Place| {
        let what = format!("{other_file} writes the same report, {}", path.display());
        Problem::warning("shared-report", place, what).hint("give each campaign a report of its own")
    };
    let place = |span: Option<_>| span.map_or_else(|| Place::file(&spec.source.name), |span| spec.source.place(span));
    shared.map(|report| problem(&report.path, place(report.span))).collect()
}

/// A path without the parts that say nothing, for comparing it.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}
