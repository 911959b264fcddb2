//! Taking a list in.

use super::*;

impl Enroll for MemoryLedger {
    async fn begin_enrolment(&self, campaign: &str, retry: Option<RetryRules>) -> Result<(), LedgerError> {
        self.begin();
        self.store(|store| {
            store.name.get_or_insert_with(|| campaign.to_owned());
            store.reading += 1;
            store.left_out.clear();
            if let Some(retry) = &retry {
                store.mark(retry);
            }
        });
        Ok(())
    }

    async fn begin_without_list(&self) -> Result<(), LedgerError> {
        self.begin();
        Ok(())
    }

    async fn enroll(&self, batch: Vec<Entry>) -> Result<Vec<Duplicate>, LedgerError> {
        let duplicates = self.store(|store| {
            let mut duplicates = Vec::new();
            for entry in batch {
                match entry {
                    Entry::Skipped { line, key, reason, row } => store.left_out.push((line, key, reason, row)),
                    Entry::Delivery { key, row, message } => {
                        let line = row.line;
                        if let Some(first_line) = deliver(store, key.clone(), row.clone(), message.as_deref()) {
                            store.left_out.push((line, key, SkipReason::Duplicate { first_line }, Some(row)));
                            duplicates.push(Duplicate { line, first_line });
                        }
                    }
                }
            }
            duplicates
        });
        Ok(duplicates)
    }

    async fn skip(&self, people: Vec<(Lease, SkipReason)>) -> Result<(), LedgerError> {
        self.store(|store| {
            for (lease, why) in people {
                store
                    .deliveries
                    .retain(|delivery| delivery.stored.key != lease.key || delivery.state != State::Pending);
                store.left_out.push((lease.row.line, lease.key, why, Some(lease.row)));
            }
        });
        Ok(())
    }

    async fn finish_enrolment(&self) -> Result<Enrolment, LedgerError> {
        Ok(self.store(|store| {
            let now = store.reading;
            let on_list = |delivery: &&Delivery| delivery.reading == now;
            let line = |delivery: &Delivery| delivery.stored.row.line;
            let all = store.deliveries.iter();
            let new: Vec<u64> = all.clone().filter(|delivery| delivery.first_reading == now).map(line).collect();
            let changed: Vec<u64> = all.clone().filter(|delivery| delivery.changed_in == now).map(line).collect();
            let known = all.clone().filter(on_list).count() - new.len();
            let left = all.filter(|delivery| delivery.reading < now && delivery.state == State::Pending);
            let gone: Vec<String> =
                left.filter(|delivery| !delivery.was_tried()).map(|delivery| delivery.stored.key.clone()).collect();
            store.forget_those_who_left();
            let is_reenrolment = now > 1;
            let mut enrolment = Enrolment {
                new: new.len() as u64,
                known: known as u64,
                changed: changed.len() as u64,
                gone: gone.len() as u64,
                retried: store.retry(),
                is_reenrolment,
                first: Examples::default(),
            };
            if is_reenrolment {
                enrolment.first = Examples { new, changed, gone };
                enrolment.first.new.truncate(3);
                enrolment.first.changed.truncate(3);
                enrolment.first.gone.truncate(3);
            }
            enrolment
        }))
    }

    async fn keep_enrolment(&self, version: Option<Version>) -> Result<(), LedgerError> {
        let mut store = self.enrolling.borrow_mut().take().unwrap();
        store.version = version.or(store.version);
        *self.disk.0.borrow_mut() = store;
        Ok(())
    }

    async fn restart_canary(&self) -> Result<(), LedgerError> {
        self.store(|store| (store.canary_after, store.canary_verdict) = (store.run, None));
        Ok(())
    }

    async fn abandon_enrolment(&self) -> Result<(), LedgerError> {
        *self.enrolling.borrow_mut() = None;
        Ok(())
    }

    async fn discard_if_new(self) {}
}

/// Adds a delivery or recognises it; gives the line of an earlier row of this reading that has its key.
pub(super) fn deliver(store: &mut Store, key: String, row: Row, message: Option<&str>) -> Option<u64> {
    let reading = store.reading;
    let Some(known) = store.find(&key) else {
        store.next += 1;
        let stored = Stored {
            position: Position::new(store.next),
            key,
            row,
            attempts: 0,
            contact_id: None,
            conversation_id: None,
            address: None,
            message: None,
            failed_message: None,
        };
        store.deliveries.push(Delivery {
            stored,
            state: State::Pending,
            reading,
            first_reading: reading,
            changed_in: 0,
            run: 0,
            failure: None,
            livedesk_status: None,
            retry: None,
            first_attempt_at: None,
            claimed_at: None,
            left_at: None,
            settled_at: None,
            receipt: None,
            seen_contact: None,
            history: Vec::new(),
        });
        return None;
    };
    if known.reading == reading {
        return Some(known.stored.row.line);
    }
    known.reading = reading;
    let same_cells = known.stored.row.cells == row.cells;
    if known.state == State::Pending && !(same_cells && known.stored.row.columns.names() == row.columns.names()) {
        known.changed_in = reading;
    }
    if known.state == State::Pending || known.retry.is_some() {
        known.stored.row = row;
    } else {
        known.stored.row.line = row.line;
    }
    if known.retry == Some(RetryIf::MessageChanged) {
        known.retry = (message != known.stored.message.as_deref()).then_some(RetryIf::FailedBy(Timestamp::MAX));
    }
    None
}
