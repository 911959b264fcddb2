//! Recipients who were messaged already and whose number, or other address, is another one in the list since: the message
//! went to the old one, and no second one is sent. Somebody should know.

use std::collections::{HashMap, HashSet};

use crate::ledger::{Duplicate, Entry, Inspect, LedgerError};
use crate::message::{Address, Delivery};
use crate::plan::RowEvaluator;
use crate::recipients::Row;

/// Recipients that are kept as examples.
const EXAMPLES: usize = 3;

/// Recipients whose address has changed since they were messaged.
#[derive(Debug, Clone, Default)]
pub struct MovedRecipients {
    /// The first few.
    pub first: Vec<MovedRecipient>,
    /// How many there are.
    pub count: u64,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRecipient {
    /// The line of the list.
    pub line: u64,
    /// Where the message went.
    pub was: String,
    /// What the list says now.
    pub now: String,
}

impl MovedRecipients {
    /// Adds those of a batch, without its duplicates, which are other rows.
    pub(super) fn extend(&mut self, moved: Vec<MovedRecipient>, duplicates: &[Duplicate]) {
        let duplicates: HashSet<u64> = duplicates.iter().map(|duplicate| duplicate.line).collect();
        for moved in moved.into_iter().filter(|moved| !duplicates.contains(&moved.line)) {
            self.count += 1;
            if self.first.len() < EXAMPLES {
                self.first.push(moved);
            }
        }
    }
}

/// Those rows of a batch whose recipient was messaged at another address.
pub(super) async fn moved(
    ledger: &impl Inspect,
    evaluator: &RowEvaluator,
    batch: &[Entry],
) -> Result<Vec<MovedRecipient>, LedgerError> {
    let deliveries = || {
        batch.iter().filter_map(|entry| match entry {
            Entry::Delivery { key, row, .. } => Some((key, row)),
            Entry::Skipped { .. } => None,
        })
    };
    let messaged = ledger.messaged_among(deliveries().map(|(key, _)| key.clone()).collect()).await?;
    let before: HashMap<String, Row> = messaged.into_iter().map(|lease| (lease.key, lease.row)).collect();
    let address = |row: &Row| evaluator.templates.render(row, &evaluator.list).ok().map(address);
    let moved = |(key, row): (&String, &Row)| {
        let before = before.get(key).filter(|before| before.cells != row.cells)?;
        let (was, now) = (address(before)?, address(row)?);
        (was != now).then_some(MovedRecipient { line: row.line, was, now })
    };
    Ok(deliveries().filter_map(moved).collect())
}

/// Whom a message reaches, as people write it.
fn address(delivery: Delivery) -> String {
    match delivery.address {
        Address::Conversation(id) => format!("conversation {id}"),
        Address::Sender { source_id: Some(source), .. } => source,
        Address::Sender { contact_id, .. } => contact_id.map(|id| format!("contact {id}")).unwrap_or_default(),
        Address::Contact { contact, .. } => {
            contact.phone_number.or(contact.email).or(contact.identifier).unwrap_or_default()
        }
    }
}
