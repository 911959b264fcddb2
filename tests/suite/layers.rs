//! The one-way order of the modules, and what the core must not know.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of `src/lib.rs`, with the comment line that each part begins with.
fn modules() -> Vec<(String, Part)> {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let mut part = Part::Core;
    let mut modules = Vec::new();
    for line in text.lines() {
        if line.starts_with("// The edges") {
            part = Part::Edge;
        }
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            modules.push((name.to_owned(), part));
        }
    }
    modules
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Core,
    Edge,
}

/// Every file of a module: `src/NAME.rs`, or all below `src/NAME/`.
fn files(module: &str) -> Vec<PathBuf> {
    let single = PathBuf::from(format!("src/{module}.rs"));
    let mut found: Vec<PathBuf> = single.exists().then_some(single).into_iter().collect();
    let mut folders = vec![PathBuf::from(format!("src/{module}"))];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The code of a file without its comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let modules = modules();
    assert!(modules.len() > 10, "src/lib.rs is the list of modules");
    let mut wrong = Vec::new();
    for (at, (module, _)) in modules.iter().enumerate() {
        for file in files(module) {
            for (below, _) in &modules[at + 1..] {
                if code(&file).contains(&format!("crate::{below}::")) {
                    wrong.push(format!("{} uses {below}, which is below {module}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each file of the command line knows those below it only, so that it can be read from the top.
#[test]
fn no_two_files_of_the_command_line_use_each_other() {
    let uses = |file: &Path| {
        let code = code(file);
        let paths = code.split("super::").skip(1).map(|rest| rest.split(';').next().unwrap_or_default().to_owned());
        let words = paths.flat_map(|path| match path.strip_prefix('{') {
            Some(list) => list.split(',').map(|word| word.trim().to_owned()).collect(),
            None => vec![path],
        });
        words.map(|word| word.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap().to_owned()).collect()
    };
    let files = files("cli").into_iter().filter(|file| file.parent() == Some(Path::new("src/cli")));
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut left: BTreeMap<String, BTreeSet<String>> = files.map(|file| (name(&file), uses(&file))).collect();
    left.remove("mod");
    assert!(left.len() > 10 && left["run"].contains("output"), "{left:?}");
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, uses| uses.iter().any(|used| names.contains(used)));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "in a circle, or above one: {:?}", left.keys());
}

#[test]
fn the_core_knows_no_network_no_clock_no_files() {
    const OUTSIDE: [&str; 9] = [
        "tokio::",
        "reqwest::",
        "axum::",
        "rusqlite::",
        "std::fs",
        "std::net",
        "std::env",
        "Timestamp::now",
        "Instant::now",
    ];
    let mut wrong = Vec::new();
    for (module, _) in modules().iter().filter(|(_, part)| *part == Part::Core) {
        for file in files(module) {
            let code = code(&file);
            let found = OUTSIDE.iter().filter(|word| code.contains(**word));
            wrong.extend(found.map(|word| format!("{} uses {word}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_of_a_size_that_can_be_read() {
    let all = modules().into_iter().flat_map(|(module, _)| files(&module));
    let long: Vec<String> = all
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > 600)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
