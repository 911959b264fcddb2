//! One pass over the list: every row is judged and handed to the ledger, in one transaction. Checking, rehearsing and
//! running all go through here, so what a check says is what a run does.
//!
//! While the ledger writes some rows, several threads check the rows after them, and the rows after those are read.
//! Rows are judged each by itself, so it makes no difference to what is said of them; it is said in the order of the
//! list.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use futures_util::future::join;
use parking_lot::Mutex;

use super::RetryFailed;
use super::list_fingerprint::ListFingerprint;
use super::moved_recipients::{MovedRecipients, moved};
use crate::attachment::{Contents, Folder};
use crate::ledger::{Duplicate, Enrolment, Entry, Ledger, LedgerError};
use crate::message::{Delivery, RewrittenPhone, STACK};
use crate::plan::{Decision, RowEvaluator};
use crate::problem::{Keep, Place, Problem, Problems, Severity};
use crate::recipients::{Row, RowError, Rows};
use crate::specification::{Duplicates, InvalidCheck};
use crate::state::SkipReason;

/// The code of a file that cannot be sent along.
pub(super) const UNUSABLE_ATTACHMENT: &str = "attachment";

/// Rows that are judged, and travel to the ledger, together: each time the threads wait for each other, so not too few.
const BATCH: usize = 4_000;

/// Threads that check at most: with so many the ledger is the slowest.
const MAX_EVALUATORS: usize = 4;

/// Rewritten phone numbers that are kept as examples.
const EXAMPLES: usize = 3;

/// What to do with rows that have problems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Invalid {
    /// They stop the run.
    #[default]
    Stop,
    /// They are recorded as skipped.
    Skip,
    /// They stop the run, and are recorded for a plan with all rows.
    Plan,
}

/// How a list is taken in.
#[derive(Debug, Clone, Default)]
pub struct EnrolmentOptions {
    /// What to do with rows that have problems; a spec with `checks.invalid: skip` skips them in any case.
    pub invalid: Invalid,
    /// Which failed deliveries to retry.
    pub retry: Option<RetryFailed>,
    /// How many problems of each kind are kept.
    pub keep: Keep,
    /// Whether to say what the list comes to.
    pub fingerprint: bool,
}

/// Phone numbers of which more than the spaces were changed, such as national ones that have got their country.
#[derive(Debug, Clone, Default)]
pub struct Rewritten {
    /// The first few.
    pub first: Vec<RewrittenPhone>,
    /// How many there are.
    pub count: u64,
    /// How many of them have got which country.
    pub by_region: BTreeMap<String, u64>,
}

impl Rewritten {
    fn extend(&mut self, number: Option<RewrittenPhone>) {
        let Some(number) = number else { return };
        self.count += 1;
        if let Some(region) = &number.region {
            *self.by_region.entry(region.clone()).or_default() += 1;
        }
        if self.first.len() < EXAMPLES {
            self.first.push(number);
        }
    }
}

/// What the pass found out.
#[derive(Debug, Default)]
pub struct EnrolmentReport {
    /// Rows of the list.
    pub rows: u64,
    /// Rows that are left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Phone numbers that were written otherwise than they are sent, and how many there are.
    pub rewritten: Rewritten,
    /// Recipients whose address has changed since they were messaged.
    pub moved: MovedRecipients,
    /// What is wrong. If anything is, the ledger is as it was before, unless a plan with all rows is asked for.
    pub problems: Problems,
    /// Whether the list could not be read to its end.
    pub is_incomplete: bool,
    /// What a person should know.
    pub warnings: Problems,
    /// What the attachments hold.
    pub attachments: Contents,
    /// What changed in the ledger; `None` if there were problems.
    pub enrolment: Option<Enrolment>,
    /// Failed deliveries that are pending again.
    pub retried: u64,
    /// What the list comes to, if that was asked for.
    pub fingerprint: Option<String>,
}

/// Takes a list in. Without problems it is kept once [`Enroll::keep_enrolment`](crate::ledger::Enroll::keep_enrolment) says so.
///
/// # Errors
/// The ledger's; what is wrong with rows is in the report.
pub async fn enroll(
    ledger: &impl Ledger,
    evaluator: &RowEvaluator,
    rows: Rows,
    options: EnrolmentOptions,
) -> Result<EnrolmentReport, LedgerError> {
    let EnrolmentOptions { invalid, retry, keep, fingerprint } = options;
    let mut fingerprint = fingerprint.then(ListFingerprint::new);
    let spec = evaluator.templates.spec();
    let invalid = if spec.checks.invalid == InvalidCheck::Skip { Invalid::Skip } else { invalid };
    let mut report =
        EnrolmentReport { problems: Problems::new(keep), warnings: Problems::new(keep), ..EnrolmentReport::default() };
    let pass = RowChecker { evaluator, folder: Folder::new(&spec.folder), invalid, compare: retry.is_some() };
    let judges = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_EVALUATORS);
    let mut batches = Batches { pass, judges, rows, read: Vec::new() };
    let retry = match retry {
        Some(retry) => Some(retry.decide(ledger).await?),
        None => None,
    };
    let is_continued = ledger.messaged().await? > 0;
    ledger.begin_enrolment(&spec.name, retry).await?;
    batches.read_on();
    let mut next = batches.evaluated();
    while !next.is_empty() {
        let entries: Vec<Entry> = next.into_iter().filter_map(|evaluated| report.count(evaluated)).collect();
        if let Some(fingerprint) = &mut fingerprint {
            for entry in &entries {
                fingerprint.add(entry);
            }
        }
        let moved = if is_continued { moved(ledger, evaluator, &entries).await? } else { Vec::new() };
        let (duplicates, following) = join(ledger.enroll(entries), async { batches.evaluated() }).await;
        let duplicates = duplicates?;
        report.moved.extend(moved, &duplicates);
        for duplicate in &duplicates {
            report.duplicate(duplicate, evaluator);
        }
        next = following;
    }
    report.fingerprint = fingerprint.map(ListFingerprint::finish);
    report.warnings.extend(batches.rows.warnings());
    report.attachments = batches.pass.folder.into_contents();
    if report.rows == 0 && report.problems.is_empty() {
        let problem =
            Problem::error("list-without-recipients", Place::file(&evaluator.list), "the list has no recipients");
        report.problems.extend([problem.hint("is this the right file? It has a header but no rows")]);
    }
    // Rows with problems are recorded for a plan, and still skipped by nobody.
    let is_list_right = report.problems.is_empty();
    if is_list_right && report.rows > 0 && report.left_out.values().sum::<u64>() == report.rows {
        let problem = Problem::warning("nobody-left", Place::file(&evaluator.list), "every row of the list is skipped");
        report.warnings.extend([problem.hint("check `recipients.where` and the list")]);
    }
    if report.problems.is_empty() || invalid == Invalid::Plan && !report.is_incomplete {
        let enrolment = ledger.finish_enrolment().await?;
        report.retried = enrolment.retried;
        report.enrolment = Some(enrolment);
    } else {
        ledger.abandon_enrolment().await?;
    }
    Ok(report)
}

impl EnrolmentReport {
    /// Counts a row, and gives what the ledger is to know of it.
    fn count(&mut self, CheckedRow { entry, problems, warnings, rewritten, ends_list }: CheckedRow) -> Option<Entry> {
        self.is_incomplete |= ends_list;
        self.rows += 1;
        self.rewritten.extend(rewritten);
        self.warnings.extend(warnings);
        self.problems.extend(problems);
        if let Some(Entry::Skipped { reason, .. }) = &entry {
            *self.left_out.entry(reason.word()).or_default() += 1;
        }
        entry
    }

    fn duplicate(&mut self, duplicate: &Duplicate, evaluator: &RowEvaluator) {
        *self.left_out.entry("duplicate").or_default() += 1;
        if evaluator.templates.spec().recipients.on_duplicate == Duplicates::Stop {
            let place = Place::line(&evaluator.list, duplicate.line);
            let problem = Problem::error("duplicate-key", place, "the same key as an earlier row");
            let problem = problem.hint("remove one of them, or set `recipients.on_duplicate: skip`");
            self.problems.extend([problem.detail(format!("line {}", duplicate.first_line))]);
        }
    }
}

/// The list, batch by batch.
struct Batches<'a> {
    pass: RowChecker<'a>,
    /// How many threads check.
    judges: usize,
    rows: Rows,
    /// The rows that are judged next.
    read: Vec<Read>,
}

type Read = Result<Row, RowError>;

impl Batches<'_> {
    fn read_on(&mut self) {
        self.read = self.rows.by_ref().take(BATCH).collect();
    }

    /// The next rows, judged; none at the end of the list. Meanwhile the rows after them are read.
    fn evaluated(&mut self) -> Vec<CheckedRow> {
        let mut rows = std::mem::take(&mut self.read);
        let share = rows.len().div_ceil(self.judges).max(1);
        let mut shares = Vec::with_capacity(self.judges);
        while !rows.is_empty() {
            let behind = rows.split_off(share.min(rows.len()));
            shares.push(Mutex::new(rows));
            rows = behind;
        }
        let pass = &self.pass;
        let check = |share: &Mutex<Vec<Read>>| {
            let rows = std::mem::take(&mut *share.lock());
            rows.into_iter().map(|row| pass.evaluate(row)).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let start = |share| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || check(share));
            let judges: Vec<_> = shares.iter().map(start).collect();
            self.read = self.rows.by_ref().take(BATCH).collect();
            let results = judges.into_iter().zip(&shares).flat_map(|(thread, share)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no thread to give: then this one does it.
                Err(_) => check(share),
            });
            results.collect()
        })
    }
}

/// What is found out about a row by itself.
#[derive(Default)]
struct CheckedRow {
    /// What the ledger is to know of it; nothing of a row that cannot be read.
    entry: Option<Entry>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    rewritten: Option<RewrittenPhone>,
    /// Whether nothing more can be read.
    ends_list: bool,
}

struct RowChecker<'a> {
    evaluator: &'a RowEvaluator,
    folder: Folder,
    invalid: Invalid,
    /// Whether it is asked which messages have changed.
    compare: bool,
}

impl RowChecker<'_> {
    fn evaluate(&self, row: Read) -> CheckedRow {
        let row = match row {
            Err(RowError::Row(problem)) => return self.invalid(None, vec![problem]),
            Err(RowError::List(problem)) => {
                return CheckedRow { problems: vec![problem], ends_list: true, ..CheckedRow::default() };
            }
            Ok(row) => row,
        };
        match self.evaluator.evaluate(&row) {
            Decision::Deliver(delivery) => self.deliver(row, *delivery),
            Decision::Skip { key, reason } => {
                let entry = Entry::Skipped { line: row.line, key, reason, row: Some(row) };
                CheckedRow { entry: Some(entry), ..CheckedRow::default() }
            }
            Decision::Invalid(problems) => self.invalid(Some(&row), problems),
        }
    }

    fn deliver(&self, row: Row, delivery: Delivery) -> CheckedRow {
        let problems: Vec<Problem> = delivery
            .message
            .attachments
            .iter()
            .enumerate()
            .filter_map(|(at, path)| Some((at, self.folder.check(path).err()?)))
            .map(|(at, why)| {
                let what = format!("`message.attachments.{at}`: {why}");
                let spec = self.evaluator.templates.spec();
                // A path that is the same for every row is wrong in the spec, once.
                let constant = spec.message.attachments.get(at).filter(|template| template.is_constant());
                let place = constant.map_or_else(
                    || Place::line(&self.evaluator.list, row.line),
                    |template| spec.source.place(template.span),
                );
                let problem = Problem::error(UNUSABLE_ATTACHMENT, place, what);
                problem.hint("paths are relative to the spec, and upper and lower case matter")
            })
            .collect();
        let mut evaluated = if problems.is_empty() {
            let message = self.compare.then(|| delivery.message.fingerprint());
            let entry = Entry::Delivery { key: delivery.key, row, message };
            CheckedRow { entry: Some(entry), ..CheckedRow::default() }
        } else {
            self.invalid(Some(&row), problems)
        };
        evaluated.warnings.splice(..0, delivery.warnings);
        evaluated.rewritten = delivery.rewritten;
        evaluated
    }

    fn invalid(&self, row: Option<&Row>, problems: Vec<Problem>) -> CheckedRow {
        let first = problems.first().map(|first| (first.place.line, first.message()));
        match (self.invalid, first) {
            (Invalid::Skip | Invalid::Plan, Some((Some(line), what))) => {
                let line = row.map_or(line, |row| row.line);
                let key = row.map(|row| self.evaluator.key_if_any(row)).unwrap_or_default();
                let entry = Some(Entry::Skipped { line, key, reason: SkipReason::Invalid { what }, row: row.cloned() });
                if self.invalid == Invalid::Plan {
                    return CheckedRow { entry, problems, ..CheckedRow::default() };
                }
                CheckedRow {
                    entry,
                    warnings: problems.into_iter().map(|problem| problem.severity(Severity::Warning)).collect(),
                    ..CheckedRow::default()
                }
            }
            // A problem without a line is the list's own, and no row can be left out for it.
            _ => CheckedRow { problems, ..CheckedRow::default() },
        }
    }
}
