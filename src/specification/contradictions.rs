//! Keys that are right by themselves and contradict each other.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::checker::Checker;
use super::checks::UnreachableCheck;
use super::fixed_values::is_constant;
use super::one_or_many::OneOrMany;
use super::raw::Raw;
use super::recipients::{Format, RawRecipients, RawRecipientsMap};
use super::report::{RawReport, RawReports};
use super::send::RawSend;
use super::span::{Spanned, Text};
use super::units::{Rate, Speed, duration};

impl Checker<'_> {
    pub(super) fn contradictions(&mut self, raw: &Raw) {
        if let RawRecipients::Map(map) = &raw.recipients {
            self.list(map);
            self.suppression(map);
        }
        self.one_address(raw);
        self.unreachable(raw);
        self.report_files(raw);
        self.opt_out_file(raw);
        self.speeds(&raw.send);
        self.times(&raw.send);
        self.names_of_constants(raw);
    }

    /// What is said about the list and means nothing in its format.
    fn list(&mut self, map: &RawRecipientsMap) {
        let format = map.format.or_else(|| Format::by_ending(Path::new(&map.file.value)));
        if let (Some(sheet), false) = (&map.sheet, format == Some(Format::Xlsx)) {
            let hint = "remove it, or say `format: xlsx`";
            self.problem("contradiction", sheet.span, "only a workbook has sheets", hint);
        }
        if let Some(delimiter) = &map.delimiter {
            let said = match format {
                Some(Format::Jsonl) => "a JSON Lines list has no `delimiter`",
                Some(Format::Xlsx) => "a workbook has no `delimiter`",
                Some(Format::Tsv) if !["\t", "\\t"].contains(&delimiter.value.as_str()) => {
                    "`delimiter` contradicts the tab of `format: tsv`"
                }
                _ => return self.workbook_encoding(map, format),
            };
            self.problem("contradiction", delimiter.span, said, "remove `delimiter`, or set `format: csv`");
        }
        self.workbook_encoding(map, format);
    }

    fn workbook_encoding(&mut self, map: &RawRecipientsMap, format: Option<Format>) {
        if let (Some(encoding), Some(Format::Xlsx)) = (&map.encoding, format) {
            self.problem(
                "contradiction",
                encoding.span,
                "a workbook has no `encoding`",
                "remove it, or set `format: csv`",
            );
        }
    }

    fn suppression(&mut self, map: &RawRecipientsMap) {
        let mut seen = HashSet::new();
        for path in &map.suppress {
            if path.value.trim().is_empty() || path.value == "-" {
                let hint = "name the file, relative to the spec";
                self.problem("suppress-path", path.span, "a suppression list is a file", hint);
            } else if clean(&path.value) == clean(&map.file.value) {
                let what = "the list itself is suppressed: nobody would be left";
                self.problem("contradiction", path.span, what, "name the file of people who must not be messaged");
            } else if !seen.insert(clean(&path.value)) {
                self.warning("listed-twice", path.span, "the same file twice", "remove one of the two");
            }
        }
    }

    /// An address that is the same for every row: all but the first would be duplicates.
    fn one_address(&mut self, raw: &Raw) {
        let keyed = matches!(&raw.recipients, RawRecipients::Map(map) if map.key.is_some());
        let contact = raw.to.value.contact.as_ref().map(|contact| &contact.value);
        let to = &raw.to.value;
        let found: Vec<(&str, &Spanned<Text>)> =
            [("conversation_id", &to.conversation_id), ("contact_id", &to.contact_id), ("source_id", &to.source_id)]
                .into_iter()
                .filter_map(|(name, text)| Some((name, text.as_ref()?)))
                .collect();
        let of_contact = contact.into_iter().flat_map(|contact| {
            [("identifier", &contact.identifier), ("phone_number", &contact.phone_number), ("email", &contact.email)]
        });
        // The first of them is what makes two rows the same delivery.
        let first = found.into_iter().chain(of_contact.filter_map(|(name, text)| Some((name, text.as_ref()?)))).next();
        if let Some((name, text)) = first.filter(|(_, text)| !keyed && is_constant(text)) {
            self.warning(
                "one-address",
                text.span,
                format!("`{name}` is the same for every row, so one message is sent and all other rows are duplicates"),
                "write the column's name in braces: \"{{ column }}\"",
            );
        }
    }

    /// A refusal that would never come: of a conversation that the row names LiveDesk is asked nothing.
    fn unreachable(&mut self, raw: &Raw) {
        let Some(check) = &raw.checks.unreachable else { return };
        if check.value == UnreachableCheck::Refuse && raw.to.value.conversation_id.is_some() {
            let what =
                "this has no effect: LiveDesk is not asked whether conversations given by the list can be reached";
            let hint = "remove it, or address by `inbox_id`: then LiveDesk's answer to creating the conversation says \
                 so";
            self.problem("contradiction", check.span, what, hint);
        }
    }

    /// Reports that would overwrite each other, or what the campaign reads.
    fn report_files(&mut self, raw: &Raw) {
        let Some(RawReports(reports)) = &raw.report else { return };
        let (list, suppress): (&Spanned<String>, &[Spanned<String>]) = match &raw.recipients {
            RawRecipients::Path(file) => (file, &[]),
            RawRecipients::Map(map) => (&map.file, &map.suppress),
        };
        let read: HashSet<PathBuf> = suppress.iter().chain([list]).map(|path| clean(&path.value)).collect();
        let mut seen = HashSet::new();
        for RawReport { file: report, .. } in reports {
            let path = clean(&report.value);
            if read.contains(&path) {
                let what = "the report would overwrite a list that the campaign reads";
                self.problem("contradiction", report.span, what, "give the report another name");
            } else if !seen.insert(path) {
                let what = "the same report twice";
                self.problem("listed-twice", report.span, what, "remove one of the two");
            }
        }
    }

    /// The list of opt-outs would overwrite what the campaign reads or reports. A suppression list is what it is for.
    fn opt_out_file(&mut self, raw: &Raw) {
        let Some(file) = &raw.track.opt_out.file else { return };
        let list = match &raw.recipients {
            RawRecipients::Path(list) => list,
            RawRecipients::Map(map) => &map.file,
        };
        let reports = raw.report.as_ref().map_or(&[][..], |RawReports(reports)| reports);
        let default = PathBuf::from(format!("reports/{}.csv", raw.name.value));
        let path = clean(&file.value);
        let is_report =
            reports.iter().any(|report| clean(&report.file.value) == path) || (raw.report.is_none() && default == path);
        if path == clean(&list.value) || is_report {
            let what = "the opt-out file would overwrite the list or a report";
            self.problem("contradiction", file.span, what, "give it another name, such as `opted-out.csv`");
        }
    }

    /// Limits that never count, because another one is narrower.
    fn speeds(&mut self, send: &RawSend) {
        let speed = |raw: &Spanned<String>| Speed::from_str(&raw.value).ok().and_then(Speed::interval);
        let requests =
            send.requests.as_ref().map_or_else(|| Speed::from_str("50/s").ok().and_then(Speed::interval), speed);
        if let (Some(raw), Some(requests)) = (&send.rate, requests)
            && speed(raw).is_some_and(|rate| rate < requests)
        {
            let what = "`requests` allows less than `rate`, but each message needs at least one request";
            self.warning("never-reached", raw.span, what, "raise `send.requests` (50/s if not given), or lower `rate`");
        }
        if let (Some(burst), concurrency) = (&send.burst, send.concurrency.as_ref().map_or(16, |raw| raw.value))
            && burst.value > concurrency
            && concurrency > 0
        {
            let what = format!("`burst` has no full effect: at most {concurrency} requests are in flight");
            self.warning("never-reached", burst.span, what, "raise `send.concurrency`, or lower `burst`");
        }
        let time =
            |raw: &Option<Spanned<String>>, default| raw.as_ref().map_or(duration(default), |raw| duration(&raw.value));
        if let (Some(raw), Ok(connect), Ok(whole)) =
            (&send.connect_timeout, time(&send.connect_timeout, "10s"), time(&send.timeout, "30s"))
            && connect > whole
        {
            self.warning(
                "never-reached",
                raw.span,
                "`connect_timeout` is longer than `timeout`, which ends the request first",
                "connecting is part of the request",
            );
        }
        self.quotas(send);
    }

    /// Two quotas of one window: the larger one says nothing.
    fn quotas(&mut self, send: &RawSend) {
        let Some(OneOrMany(quotas)) = &send.quota else { return };
        let mut seen = HashSet::new();
        for raw in quotas {
            if raw.value.parse().is_ok_and(|rate: Rate| !seen.insert(rate.per)) {
                let what = "a second quota for the same period";
                self.warning("never-reached", raw.span, what, "only the smaller one counts: remove the other");
            }
        }
    }

    fn times(&mut self, send: &RawSend) {
        let time = |raw: &Option<Spanned<String>>| raw.as_ref()?.value.parse::<jiff::Timestamp>().ok();
        if let (Some(after), Some(from), Some(to)) = (&send.not_after, time(&send.not_before), time(&send.not_after))
            && from >= to
        {
            self.problem(
                "contradiction",
                after.span,
                "`not_after` is not later than `not_before`: nothing could ever be sent",
                "swap them, or check their time zones",
            );
        }
    }

    /// Constants that no template can name.
    fn names_of_constants(&mut self, raw: &Raw) {
        let source = self.source;
        for (name, text) in &raw.vars {
            let word = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !word {
                let what = "templates cannot use a constant of this name";
                self.warning(
                    "constant-name",
                    source.key_before(text.span, name),
                    what,
                    "use letters, digits and `_`, such as `shop_name`",
                );
            }
        }
    }
}

/// A path without the parts that say nothing, for comparing it.
fn clean(path: &str) -> PathBuf {
    Path::new(path.trim()).components().filter(|part| *part != Component::CurDir).collect()
}
