//! What would be done: who is sent to, who is left out and why, and how long it takes under the limits.

mod forecast;
mod samples;

use crate::message::{Address, Delivery, Templates};
use crate::problem::{Place, Problem, Severity};
use crate::recipients::{IdKind, Row, Suppression};
use crate::specification::{Spec, To};
use crate::state::SkipReason;
pub use forecast::{Forecast, Load, forecast};
pub use samples::{Sample, Sampler};

/// Decides about rows: the one place where "who gets it" is answered.
#[derive(Debug)]
pub struct RowEvaluator {
    /// The list's name, for problems.
    pub list: String,
    /// The compiled templates.
    pub templates: Templates,
    /// People who must never be messaged.
    pub suppression: Suppression,
}

/// What a row leads to.
#[derive(Debug)]
pub enum Decision {
    /// A message.
    Deliver(Box<Delivery>),
    /// Nothing, and that is as it should be.
    Skip {
        /// The row's key, where it is known.
        key: String,
        /// Why.
        reason: SkipReason,
    },
    /// Nothing, because something is wrong with it.
    Invalid(Vec<Problem>),
}

impl RowEvaluator {
    /// Decides about a row: first `where`, then what is wrong with it, then suppression. Duplicates are found by the
    /// ledger, which knows the other rows.
    pub fn evaluate(&self, row: &Row) -> Decision {
        let (lost, _) = self.flaws(row, |column| self.templates.condition_uses(column));
        if !lost.is_empty() {
            return Decision::Invalid(lost);
        }
        match self.templates.is_wanted(row, &self.list) {
            Err(problem) => return Decision::Invalid(vec![*problem]),
            Ok(false) => {
                let key = self.key_if_any(row);
                self.note_if_listed(&key, row);
                return Decision::Skip { key, reason: SkipReason::Where };
            }
            Ok(true) => {}
        }
        let (lost, changed) = self.flaws(row, |column| self.templates.delivery_uses(column));
        match self.templates.render(row, &self.list) {
            // What a lost cell leads to further on is no problem of its own.
            _ if !lost.is_empty() => Decision::Invalid(lost),
            Err(problems) => Decision::Invalid(problems),
            Ok(delivery) => match self.suppressed(&delivery, row) {
                Some(place) => Decision::Skip { key: delivery.key, reason: SkipReason::Suppressed { place } },
                None => {
                    let mut delivery = Box::new(delivery);
                    delivery.warnings.extend(changed);
                    delivery.warnings.extend(self.templates.damage(row, &self.list));
                    Decision::Deliver(delivery)
                }
            },
        }
    }

    /// What is wrong with those cells of a row that are used: what is lost, and what is only changed.
    fn flaws(&self, row: &Row, is_used: impl Fn(&str) -> bool) -> (Vec<Problem>, Vec<Problem>) {
        let names = row.columns.names();
        let used = row.flaws.iter().filter_map(|flaw| Some((flaw, names.get(flaw.column)?)));
        used.filter(|(_, name)| is_used(name))
            .map(|(flaw, name)| flaw.problem(Place::line(&self.list, row.line), name))
            .partition(|problem| problem.severity == Severity::Error)
    }

    /// Where a recipient is listed as one who must not be messaged.
    fn suppressed(&self, delivery: &Delivery, row: &Row) -> Option<String> {
        if self.suppression.is_empty() {
            return None;
        }
        let by_name = self.suppression.find(spellings(delivery), &row.cells, self.templates.region(row).as_deref());
        let by_id = self.suppression.find_id(ids(delivery), row.columns.names(), &row.cells);
        by_name.or(by_id)
    }

    /// Where an address that is no row's is listed as one that must not be messaged.
    pub fn suppressed_address(&self, address: &Address) -> Option<String> {
        let id = match address {
            Address::Conversation(id) => Some(id.to_string()),
            Address::Sender { contact_id, .. } => contact_id.map(|id| id.to_string()),
            Address::Contact { .. } => None,
        };
        self.suppression.find(id.as_deref().into_iter().chain(names(address)), &[], None)
    }

    /// Tells the suppression lists of a row that is left out for another reason: what they say of it is about somebody.
    fn note_if_listed(&self, key: &str, row: &Row) {
        if !self.suppression.is_empty() {
            self.suppression.find([key], &row.cells, self.templates.region(row).as_deref());
            self.suppression.find_id([], row.columns.names(), &row.cells);
        }
    }

    /// The key of a row that is left out: only for the report, so a row that has none is none the worse.
    pub fn key_if_any(&self, row: &Row) -> String {
        self.templates.key(row, &self.list).unwrap_or_default()
    }
}

/// Everything by which a suppression list may name a recipient.
fn spellings(delivery: &Delivery) -> impl Iterator<Item = &str> {
    std::iter::once(delivery.key.as_str()).chain(names(&delivery.address))
}

/// What an address calls a person.
fn names(address: &Address) -> impl Iterator<Item = &str> {
    let names = match address {
        Address::Conversation(_) => [None; 3],
        Address::Sender { source_id, .. } => [source_id.as_ref(), None, None],
        Address::Contact { contact, .. } => {
            [contact.phone_number.as_ref(), contact.email.as_ref(), contact.identifier.as_ref()]
        }
    };
    names.into_iter().flatten().map(String::as_str)
}

/// The ids of LiveDesk's by which a suppression list may name a recipient.
fn ids(delivery: &Delivery) -> Option<(IdKind, u64)> {
    match &delivery.address {
        Address::Conversation(id) => Some((IdKind::Conversation, id.0)),
        Address::Sender { contact_id, .. } => contact_id.map(|id| (IdKind::Contact, id.0)),
        Address::Contact { .. } => None,
    }
}

/// How many requests each delivery of a spec makes when nothing goes wrong.
pub const fn requests_each(spec: &Spec) -> u64 {
    match spec.to {
        To::Conversation { .. } => 1,
        To::Sender { .. } => 2,
        To::Contact { .. } => 3,
    }
}
