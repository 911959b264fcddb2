//! What packages bring besides the program: man pages, and where they are put.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::harness::{Project, command};

/// The man pages by their names.
fn man_pages(project: &Project) -> Vec<(String, String)> {
    project.campaign(&["man-pages", "man"]).exits(0);
    let pages = project.files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "1"));
    pages
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The words of a page without its markup.
fn plain(page: &str) -> String {
    let text = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "");
    text.replace("\\*(Aq", "'").replace("\\(aq", "'").replace("\\&", "")
}

#[test]
fn each_command_has_a_man_page_with_examples_and_exit_codes() {
    let project = Project::at_address("http://127.0.0.1:1");
    let pages = man_pages(&project);
    let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["campaign", "campaign-run", "campaign-ledger", "campaign-ledger-backup", "campaign-completions"] {
        assert!(names.contains(name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("man-pages") || name.contains("help")), "{names:?}");
    for (name, page) in &pages {
        let words = name.replace('-', " ");
        let help = command().args(words.split(' ').skip(1)).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let page = plain(page);
        for section in
            ["NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "\"SEE ALSO\""]
        {
            assert!(page.contains(&format!(".SH {section}\n")), "{name} {section}: {page}");
        }
        for word in help.split_whitespace().filter(|word| word.starts_with("--")) {
            let flag = word.trim_end_matches([',', ':', ';', '.', ')', '`']);
            assert!(page.contains(flag), "{name}: {flag}");
        }
        let examples = help.split("Examples:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
        for example in examples {
            assert!(page.contains(example.trim()), "{name}: {example}");
        }
    }
    let run = plain(&pages.iter().find(|(name, _)| name == "campaign-run").unwrap().1);
    for code in ["0 ", "5 ", "130 "] {
        assert!(run.split("EXIT STATUS").nth(1).unwrap().lines().any(|line| line.starts_with(code)), "{code}: {run}");
    }
}

/// An example in a help text or a man page that the program does not understand is worse than none.
#[test]
fn the_examples_of_all_commands_are_understood() {
    let project = Project::at_address("http://127.0.0.1:1");
    for (name, page) in man_pages(&project) {
        let page = plain(&page);
        let examples = page.split(".SH EXAMPLES\n").nth(1).unwrap().split(".SH").next().unwrap().to_owned();
        for line in examples.lines().filter(|line| line.starts_with("campaign ")) {
            // What follows two spaces explains it; what follows `>` is the shell's.
            let words =
                line.split("  ").next().unwrap().split(" > ").next().unwrap().replace("\"seen in LiveDesk\"", "x");
            let mut command = project.command(&words.split(' ').skip(1).collect::<Vec<_>>());
            let ran = command.arg("--help").output().unwrap();
            assert!(ran.status.success(), "{name}: {line}: {}", String::from_utf8_lossy(&ran.stderr));
        }
    }
}

#[test]
fn man_pages_are_written_as_groff_wants_them() {
    if Command::new("groff").arg("--version").output().is_err() {
        return;
    }
    let project = Project::at_address("http://127.0.0.1:1");
    man_pages(&project);
    for path in project.files().iter().filter(|path| path.extension().is_some_and(|ending| ending == "1")) {
        let checked = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(path).output().unwrap();
        assert!(checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// A folder of campaigns may hold ledgers and reports, so nothing is packed by a pattern that could match them.
#[test]
fn what_is_packed_is_kept_in_the_repository() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let assets = manifest.split("assets = [").nth(1).unwrap().split("\n]").next().unwrap();
    let sources: Vec<&str> =
        assets.lines().filter_map(|line| line.trim().strip_prefix("[\"")?.split('"').next()).collect();
    assert!(sources.len() > 8, "{sources:?}");
    for source in sources.into_iter().filter(|source| !source.starts_with("target/")) {
        let tracked = Command::new("git").args(["ls-files", "--", source]).output().unwrap();
        assert!(!tracked.stdout.is_empty(), "{source}");
        assert!(!source.contains("**") && !source.contains("reports") && !source.contains(".campaign"), "{source}");
    }
}
