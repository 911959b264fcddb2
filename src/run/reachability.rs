//! Recipients whom a message may not reach, as answers say that a run gets anyway; `checks.unreachable` decides what
//! follows.
//!
//! Knows neither requests nor what an answer looks like.

use std::cell::RefMut;
use std::collections::BTreeMap;

use super::attempt::AttemptError;
use super::{Event, Run};
use crate::codes;
use crate::ledger::{Deliver, Lease};
use crate::livedesk::Obstacle;
use crate::specification::UnreachableCheck;
use crate::state::Failure;

/// So many warnings name their recipient; the others are counted.
const MAX_NAMED: u64 = 5;

/// The warnings of a run so far, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    named: u64,
    unnamed: BTreeMap<Obstacle, u64>,
}

impl Warnings {
    /// Takes note of a recipient; whether to name them.
    fn record(&mut self, obstacles: &[Obstacle]) -> bool {
        if self.named < MAX_NAMED {
            self.named += 1;
            return true;
        }
        for obstacle in obstacles {
            *self.unnamed.entry(*obstacle).or_default() += 1;
        }
        false
    }

    /// How many were not named, for each reason.
    fn unnamed(&self) -> Option<String> {
        let counts: Vec<String> = self.unnamed.iter().map(|(obstacle, count)| format!("{obstacle} ×{count}")).collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

impl<L: Deliver> Run<'_, L> {
    /// What `checks.unreachable` makes of obstacles that an answer has shown.
    pub(super) fn check_reachable(&self, lease: &Lease, obstacles: &[Obstacle]) -> Result<(), AttemptError> {
        if obstacles.is_empty() {
            return Ok(());
        }
        let reasons = obstacles.iter().map(Obstacle::to_string).collect::<Vec<_>>().join(", ");
        match self.spec.checks.unreachable {
            UnreachableCheck::Allow => Ok(()),
            UnreachableCheck::Refuse => Err(AttemptError::Refused(Failure::new(codes::UNREACHABLE, reasons), None)),
            UnreachableCheck::Warn => {
                if self.reachability_warnings().record(obstacles) {
                    let text = format!("{}: the message may not arrive: {reasons}", self.place(lease));
                    (self.emit)(Event::Warned(text));
                }
                Ok(())
            }
        }
    }

    /// Says how many were not named.
    pub(super) fn sum_up_reachability(&self) {
        if let Some(counts) = self.reachability_warnings().unnamed() {
            let text = format!(
                "more messages that may not arrive: {counts} (`checks.unreachable: refuse` would not send them)"
            );
            (self.emit)(Event::Warned(text));
        }
    }

    fn reachability_warnings(&self) -> RefMut<'_, Warnings> {
        self.reachability_warnings.borrow_mut()
    }
}
