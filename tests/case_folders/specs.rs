//! What is wrong with a spec, as folders in `tests/specs`: a spec, and in `expected.snap` what `campaign check` says.
//!
//! All of them share the list `tests/specs/list.csv`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use campaign::problem::DrawOptions;
use campaign::specification::{Source, Spec};

use crate::{name, settings};

pub(super) fn run(folder: &Path) {
    let name = name(folder);
    let place = tempfile::tempdir().unwrap();
    fs::copy("tests/specs/list.csv", place.path().join("list.csv")).unwrap();
    fs::copy(folder.join("campaign.yaml"), place.path().join("campaign.yaml")).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_campaign"));
    let ran = check.args(["check", "campaign.yaml"]).current_dir(place.path()).env_clear().output().unwrap();
    let (stdout, stderr) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(!stderr.contains("s3cr3t"), "{name}: a secret is shown");
    let mut text = format!("exit: {}\n\n{stderr}{stdout}", ran.status.code().unwrap());
    for warning in warnings(folder) {
        write!(text, "\n{warning}\n").unwrap();
    }
    let settings = settings(folder);
    settings.bind(|| insta::assert_snapshot!("expected", text));
}

/// What a spec without problems warns of.
fn warnings(folder: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(folder.join("campaign.yaml")).unwrap()).into_owned();
    let source = Source { name: "campaign.yaml".to_owned(), text };
    let spec = Spec::parse(&source, PathBuf::new(), &[]);
    spec.map_or_else(
        |_| Vec::new(),
        |spec| spec.warnings.iter().map(|problem| problem.render(DrawOptions::PLAIN)).collect(),
    )
}
