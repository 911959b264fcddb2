//! What a check has found, for programs that show it beside the code: GitHub's annotations, and JUnit's XML.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::output::Output;
use crate::campaign::CampaignError;
use crate::problem::{Place, Problem, Problems, Severity, with_causes};

/// What was found in one spec.
#[derive(Debug)]
pub(super) struct Findings {
    /// The spec.
    pub(super) file: String,
    /// The first problem of each kind, and how many there are.
    found: Vec<(Problem, u64)>,
}

impl Findings {
    pub(super) const fn new(file: String) -> Self {
        Self { file, found: Vec::new() }
    }

    pub(super) fn add(&mut self, problems: &Problems) {
        self.found.extend(problems.kinds().map(|kind| (kind.first.clone(), kind.count)));
    }

    /// Why the check ended.
    pub(super) fn fail(&mut self, error: &CampaignError) {
        match error {
            CampaignError::Problems(problems) | CampaignError::Unusable(problems) => self.add(problems),
            error => self.found.push((Problem::error("failed", Place::file(&self.file), with_causes(error)), 1)),
        }
    }

    /// One annotation for each, as GitHub Actions reads them from the output of a step.
    pub(super) fn annotate(&self, output: &Output) {
        for (problem, count) in &self.found {
            let level = if problem.severity == Severity::Error { "error" } else { "warning" };
            let Place { file, line, column, .. } = &*problem.place;
            let mut place = format!("file={}", property(file));
            for (name, number) in [("line", line), ("col", column)] {
                place.extend(number.map(|number| format!(",{name}={number}")));
            }
            let text = data(&output.masked(&text(problem, *count)));
            output.result(&format!("::{level} {place},title={}::{text}", property(problem.code)));
        }
    }

    fn errors(&self) -> impl Iterator<Item = &(Problem, u64)> {
        self.found.iter().filter(|(problem, _)| problem.severity == Severity::Error)
    }
}

/// The message with its hint, and how many others are like it.
fn text(problem: &Problem, count: u64) -> String {
    let more = if count > 1 { format!(" (and {} more like this)", count - 1) } else { String::new() };
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
    format!("{}{more}{hint}", problem.message())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A JUnit report: one test case for each spec.
pub(super) fn junit(all: &[Findings], output: &Output) -> io::Result<String> {
    let failed = all.iter().filter(|findings| findings.errors().next().is_some()).count();
    let counts = [("tests", all.len().to_string()), ("failures", failed.to_string())];
    let attributes = || counts.iter().map(|(name, value)| (*name, value.as_str()));
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.create_element("testsuites").with_attributes(attributes()).write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attribute(("name", "campaign check"));
        suite
            .with_attributes(attributes())
            .write_inner_content(|writer| all.iter().try_for_each(|findings| case(writer, findings, output)))?;
        Ok(())
    })?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

fn case(writer: &mut Writer<Vec<u8>>, findings: &Findings, output: &Output) -> io::Result<()> {
    let lines = |severity| -> Vec<String> {
        let of = findings.found.iter().filter(|(problem, _)| problem.severity == severity);
        of.map(|(problem, count)| clean(&output.masked(&format!("{}: {}", problem.place, text(problem, *count)))))
            .collect()
    };
    let (errors, warnings) = (lines(Severity::Error), lines(Severity::Warning));
    let element = writer.create_element("testcase").with_attribute(("name", findings.file.as_str()));
    element.with_attribute(("classname", "campaign.check")).write_inner_content(|writer| {
        if let Some((first, _)) = findings.errors().next() {
            let message = clean(&output.masked(&first.message()));
            let failure = writer.create_element("failure").with_attribute(("type", first.code));
            let failure = failure.with_attribute(("message", message.as_str()));
            failure.write_text_content(BytesText::new(&errors.join("\n")))?;
        }
        if !warnings.is_empty() {
            writer.create_element("system-out").write_text_content(BytesText::new(&warnings.join("\n")))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What XML can hold.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
