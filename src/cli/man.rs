//! `campaign man-pages`, hidden: a man page for each command, from the same help texts. Packages run it when they are built.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Cli;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;

/// The section for commands.
const SECTION: &str = "1";

/// The title of the examples in a help text, as the pages have it.
const EXAMPLES: &str = "EXAMPLES";

/// The same for exit codes.
const EXIT_STATUS: &str = "EXIT STATUS";

/// What every command may end with that says nothing else in its help.
const USUAL_EXIT_CODES: [(&str, &str); 3] = [
    ("0", "done"),
    ("1", "the environment failed: a file, the ledger, the server, the credentials"),
    ("2", "the command line, the spec or the list is wrong"),
];

/// Variables of the environment, and what they are for.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("LIVEDESK_API_KEY, LIVEDESK_API_SECRET", "The key pair of the LiveDesk project. A spec may name other variables."),
    (
        "LIVEDESK_API_KEY_FILE, LIVEDESK_API_SECRET_FILE",
        "Files that hold one value each, such as systemd credentials and Kubernetes secrets.",
    ),
    ("CI", "If it is set, a first run warns that its ledger may not be there for the next one."),
    ("TZ", "The time zone of the times that are shown."),
    ("NO_COLOR", "If it is set, nothing is coloured."),
];

/// Files, and what they are.
const FILES: [(&str, &str); 3] = [
    (".campaign/NAME.sqlite", "The ledger, next to the spec: who was messaged. Keep its whole folder."),
    ("reports/NAME.csv", "The report, unless the spec names another."),
    (".env", "The key pair, next to the spec or in the working directory; `chmod 600`."),
];

/// Writes all pages into a folder, which it makes.
pub(super) fn write(folder: &Path, output: &Output) -> Result<Exit, CliError> {
    fs::create_dir_all(folder).map_err(|error| CliError::file(folder, error))?;
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    collect(&root, &mut pages);
    let names: Vec<String> = pages.iter().map(|page| reference(page)).collect();
    for command in pages {
        let path = folder.join(format!("{}.{SECTION}", name(command)));
        let others = names.iter().filter(|other| **other != reference(command));
        let text = page(command, &others.map(String::as_str).collect::<Vec<_>>())
            .map_err(|error| CliError::file(&path, error))?;
        fs::write(&path, text).map_err(|error| CliError::file(&path, error))?;
    }
    output.say(&format!("wrote {} man pages to {}", names.len(), folder.display()));
    Ok(Exit::Done)
}

/// A command and those below it, without what is hidden.
fn collect<'a>(command: &'a clap::Command, found: &mut Vec<&'a clap::Command>) {
    found.push(command);
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    shown.for_each(|below| collect(below, found));
}

/// The name of its page: `campaign-run`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn reference(command: &clap::Command) -> String {
    format!("{}({SECTION})", name(command))
}

fn page(command: &clap::Command, others: &[&str]) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .section(SECTION)
        .manual("Campaign")
        .source(format!("campaign {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    sections(&mut rest, &help);
    list(&mut rest, "ENVIRONMENT", &ENVIRONMENT);
    list(&mut rest, "FILES", &FILES);
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(others.join(", "))]);
    rest.to_writer(&mut text)?;
    Ok(text)
}

/// What a help text has at its end, as sections: each of its paragraphs has a title that ends with a colon.
fn sections(page: &mut Roff, help: &str) {
    for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let (title, text) = paragraph.split_once(':').unwrap_or_default();
        page.control("SH", [if title == "Exit codes" { EXIT_STATUS } else { EXAMPLES }]);
        if text.starts_with('\n') {
            page.control("nf", []);
            for line in text.trim_start_matches('\n').lines() {
                page.text([roman(line.trim_start())]);
            }
            page.control("fi", []);
        } else {
            page.text([roman(text.trim())]);
        }
    }
    if !help.contains("Exit codes:") {
        list(page, EXIT_STATUS, &USUAL_EXIT_CODES);
    }
}

fn list(page: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    page.control("SH", [title]);
    for (what, meaning) in entries {
        page.control("TP", []);
        page.text([bold(*what)]);
        page.text([roman(*meaning)]);
    }
}
