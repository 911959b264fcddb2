//! One pass over the list: every row is judged and handed to the ledger, in one transaction. Checking, rehearsing and
//! running all go through here, so what a check says is what a run does.

use std::collections::BTreeMap;

use futures_util::future::join;

use crate::attachment::Folder;
use crate::ledger::{Again, Enrolment, Entry, LedgerError, Sqlite};
use crate::plan::{Judge, Judgement};
use crate::problem::{Keep, Place, Problem, Problems, Severity};
use crate::recipients::{Row, Rows, Unreadable};
use crate::spec::Duplicates;
use crate::state::LeftOut;

/// Rows that travel to the ledger together.
const BATCH: usize = 1_000;

/// Rewritten phone numbers that are kept as examples.
const EXAMPLES: usize = 3;

/// What to do with rows that have problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// They stop the run.
    Stop,
    /// They are recorded as skipped.
    Skip,
}

/// How a list is taken in.
#[derive(Debug, Clone)]
pub struct Manner {
    /// What to do with rows that have problems.
    pub invalid: Invalid,
    /// Which failed deliveries to take up on the way.
    pub again: Option<Again>,
    /// How many problems of each kind are kept.
    pub keep: Keep,
}

/// Phone numbers of which more than the spaces were changed, such as national ones that have got their country.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The first few, as they were and as they are sent.
    pub first: Vec<(String, String)>,
    /// How many there are.
    pub count: u64,
}

impl Rewritten {
    fn extend(&mut self, number: Option<(String, String)>) {
        let Some(number) = number else { return };
        self.count += 1;
        if self.first.len() < EXAMPLES {
            self.first.push(number);
        }
    }
}

/// What the pass found out.
#[derive(Debug, Default)]
pub struct Survey {
    /// Rows of the list.
    pub rows: u64,
    /// Rows that are left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Phone numbers that were written otherwise than they are sent, and how many there are.
    pub rewritten: Rewritten,
    /// What is wrong. If anything is, the ledger is as it was before.
    pub problems: Problems,
    /// What a person should know.
    pub warnings: Problems,
    /// What changed in the ledger; `None` if there were problems.
    pub enrolment: Option<Enrolment>,
}

/// Takes a list in.
///
/// # Errors
/// The ledger's; what is wrong with rows is in the survey.
pub async fn enroll(ledger: &Sqlite, judge: &Judge, rows: Rows, manner: Manner) -> Result<Survey, LedgerError> {
    let Manner { invalid, again, keep } = manner;
    let spec = judge.templates.spec();
    let survey = Survey { problems: Problems::new(keep), warnings: Problems::new(keep), ..Survey::default() };
    let mut pass = Pass { judge, folder: Folder::new(&spec.folder), invalid, compare: again.is_some(), survey };
    let mut rows = rows;
    ledger.begin_enrolment(spec, again).await?;
    let mut next = pass.next_batch(&mut rows);
    while let Some(batch) = next {
        // The next rows are judged while the ledger writes these.
        let (duplicates, following) = join(ledger.enroll(batch), async { pass.next_batch(&mut rows) }).await;
        for duplicate in duplicates? {
            *pass.survey.left_out.entry("duplicate").or_default() += 1;
            if spec.recipients.on_duplicate == Duplicates::Stop {
                let place = Place::line(&judge.list, duplicate.line);
                let problem = Problem::error("duplicate-key", place, "the same key as an earlier row");
                let problem = problem.hint("remove one of them, or set `recipients.on_duplicate: skip`");
                pass.survey.problems.extend([problem.detail(format!("line {}", duplicate.first_line))]);
            }
        }
        next = following;
    }
    pass.survey.warnings.extend(rows.remarks());
    let mut survey = pass.survey;
    if survey.rows == 0 && survey.problems.is_empty() {
        let problem = Problem::error("list-without-recipients", Place::file(&judge.list), "the list has no recipients");
        survey.problems.extend([problem.hint("is it the right file? A header alone is nobody")]);
    }
    if survey.problems.is_empty() {
        survey.enrolment = Some(ledger.finish_enrolment(spec).await?);
    } else {
        ledger.abandon_enrolment().await?;
    }
    Ok(survey)
}

struct Pass<'a> {
    judge: &'a Judge,
    folder: Folder,
    invalid: Invalid,
    /// Whether it is asked which messages have changed.
    compare: bool,
    survey: Survey,
}

impl Pass<'_> {
    /// The next rows that have a place in the ledger; `None` at the end of the list.
    fn next_batch(&mut self, rows: &mut Rows) -> Option<Vec<Entry>> {
        let before = self.survey.rows;
        let mut batch = Vec::with_capacity(BATCH);
        for row in rows.by_ref().take(BATCH) {
            self.survey.rows += 1;
            match row {
                Err(Unreadable::Row(problem)) => self.invalid(None, vec![problem], &mut batch),
                Err(Unreadable::List(problem)) => self.survey.problems.extend([problem]),
                Ok(row) => self.row(row, &mut batch),
            }
        }
        (self.survey.rows > before).then_some(batch)
    }

    fn row(&mut self, row: Row, batch: &mut Vec<Entry>) {
        match self.judge.judge(&row) {
            Judgement::Deliver(delivery) => {
                let problems: Vec<Problem> = delivery
                    .message
                    .attachments
                    .iter()
                    .filter_map(|path| self.folder.check(path).err())
                    .map(|what| Problem::error("attachment", Place::line(&self.judge.list, row.line), what))
                    .collect();
                self.survey.rewritten.extend(delivery.rewritten);
                self.survey.warnings.extend(delivery.warnings);
                if problems.is_empty() {
                    let message = self.compare.then(|| delivery.message.fingerprint());
                    batch.push(Entry::Delivery { key: delivery.key, row, message });
                } else {
                    self.invalid(Some(&row), problems, batch);
                }
            }
            Judgement::LeftOut { key, reason } => self.leave_out(row.line, key, reason, batch),
            Judgement::Invalid(problems) => self.invalid(Some(&row), problems, batch),
        }
    }

    fn invalid(&mut self, row: Option<&Row>, problems: Vec<Problem>, batch: &mut Vec<Entry>) {
        let Some(first) = problems.first() else { return };
        let line = first.place.line;
        match (self.invalid, line) {
            (Invalid::Skip, Some(line)) => {
                let reason = LeftOut::Invalid { what: first.message() };
                let key = row.map(|row| self.judge.key_if_any(row)).unwrap_or_default();
                self.leave_out(line, key, reason, batch);
                self.survey.warnings.extend(problems.into_iter().map(|problem| problem.severity(Severity::Warning)));
            }
            // A problem without a line is the list's own, and no row can be left out for it.
            _ => self.survey.problems.extend(problems),
        }
    }

    fn leave_out(&mut self, line: u64, key: String, reason: LeftOut, batch: &mut Vec<Entry>) {
        *self.survey.left_out.entry(reason.word()).or_default() += 1;
        batch.push(Entry::LeftOut { line, key, reason });
    }
}
