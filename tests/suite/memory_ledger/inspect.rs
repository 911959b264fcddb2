//! Reading.

use super::*;

impl Inspect for MemoryLedger {
    async fn belongs_to(&self, campaign: &str) -> Result<(), LedgerError> {
        match self.store(|store| store.name.clone()) {
            Some(owner) if owner != campaign => Err(LedgerError::OtherCampaign(owner)),
            _ => Ok(()),
        }
    }

    async fn version(&self) -> Result<Option<Version>, LedgerError> {
        Ok(self.store(|store| store.version.clone()))
    }

    async fn totals(&self) -> Result<Totals, LedgerError> {
        Ok(self.store(|store| {
            let mut totals = deliveries(store, |_| true);
            for delivery in &store.deliveries {
                totals.off_list += u64::from(delivery.stored.row.line == 0);
            }
            for (_, _, why, _) in &store.left_out {
                *totals.states.entry(State::Skipped).or_default() += 1;
                *totals.left_out.entry(why.word().to_owned()).or_default() += 1;
            }
            totals
        }))
    }

    async fn canary(&self) -> Result<CanaryRecord, LedgerError> {
        Ok(self.store(|store| {
            let after = store.canary_after;
            CanaryRecord { verdict: store.canary_verdict, totals: deliveries(store, |delivery| delivery.run > after) }
        }))
    }

    async fn look_up(&self, keys: Vec<String>) -> Result<KeyLookup, LedgerError> {
        Ok(self.store(|store| {
            let mut found = KeyLookup::default();
            for key in keys {
                let state = store.deliveries.iter().find(|delivery| delivery.stored.key == key);
                match state.map(|delivery| store.seen(delivery)) {
                    Some(State::Pending) => found.pending += 1,
                    Some(_) => {}
                    None => found.missing.push(key),
                }
            }
            found
        }))
    }

    async fn messaged(&self) -> Result<u64, LedgerError> {
        let sent = |delivery: &&Delivery| {
            matches!(delivery.state, State::Accepted | State::Unknown | State::Claimed) || !delivery.history.is_empty()
        };
        Ok(self.store(|store| store.deliveries.iter().filter(sent).count() as u64))
    }

    async fn untouched(&self, keys: Vec<String>) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            let untouched = store.deliveries.iter().filter(|delivery| {
                store.seen(delivery) == State::Pending
                    && delivery.history.is_empty()
                    && keys.contains(&delivery.stored.key)
            });
            untouched.count() as u64
        }))
    }

    async fn last_send_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.store(|store| {
            let proofs = store.proofs.iter().filter_map(|proof| proof.left_at);
            store.deliveries.iter().filter_map(Delivery::departure).chain(proofs).max()
        }))
    }

    async fn holder(&self) -> Result<Option<Holder>, LedgerError> {
        Ok(None)
    }

    async fn sent_within(&self, window: Duration) -> Result<u64, LedgerError> {
        let since = Timestamp::now() - window;
        let left = |delivery: &&Delivery| delivery.state != State::Pending && delivery.departure() > Some(since);
        Ok(self.store(|store| store.deliveries.iter().filter(left).count() as u64))
    }

    async fn send_times_within(&self, window: Duration, most: u32) -> Result<Vec<Timestamp>, LedgerError> {
        let since = Timestamp::now() - window;
        Ok(self.store(|store| {
            let now = store.deliveries.iter().filter(|delivery| delivery.state != State::Pending);
            let before = store.deliveries.iter().flat_map(|delivery| &delivery.history).filter_map(|(_, at)| *at);
            let proofs = store.proofs.iter().filter(|proof| proof.state != State::Pending);
            let proofs = proofs.filter_map(|proof| proof.left_at);
            let all = now.filter_map(Delivery::departure).chain(before).chain(proofs);
            let mut times: Vec<_> = all.filter(|at| *at > since).collect();
            times.sort();
            times.split_off(times.len().saturating_sub(most as usize))
        }))
    }

    async fn records<E: From<LedgerError>>(
        &self,
        query: &RecordQuery,
        each: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut records = self.store(|store| {
            let left_out = store.left_out.iter().map(left_out);
            store
                .deliveries
                .iter()
                .map(|delivery| record(delivery, store.seen(delivery)))
                .chain(left_out)
                .collect::<Vec<_>>()
        });
        records.sort_by_key(|record| (record.line.is_none(), record.line));
        let RecordQuery { only, with_rows } = query;
        if !with_rows {
            for record in &mut records {
                record.row = None;
            }
        }
        records.into_iter().filter(|record| only.is_empty() || only.contains(&record.outcome)).try_for_each(each)
    }

    async fn columns(&self) -> Result<Vec<String>, LedgerError> {
        Ok(self.store(|store| {
            let delivered = store.deliveries.iter().map(|delivery| &delivery.stored.row);
            let rows = delivered.chain(store.left_out.iter().filter_map(|(.., row)| row.as_ref()));
            let mut names: Vec<String> = Vec::new();
            for name in rows.flat_map(|row| row.columns.names()) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            names
        }))
    }

    async fn messaged_among(&self, keys: Vec<String>) -> Result<Vec<Lease>, LedgerError> {
        let is_messaged = |state| matches!(state, State::Accepted | State::Unknown | State::Claimed);
        Ok(self.store(|store| {
            let deliveries = store.deliveries.iter();
            let found =
                deliveries.filter(|delivery| is_messaged(delivery.state) && keys.contains(&delivery.stored.key));
            found.map(|delivery| delivery.stored.clone().into()).collect()
        }))
    }

    async fn failed_with(&self, code: &str) -> Result<Vec<Lease>, LedgerError> {
        Ok(self.store(|store| {
            let failed =
                store.deliveries.iter().filter(|delivery| delivery.state == State::Failed && delivery.code() == code);
            failed.map(|delivery| delivery.stored.clone().into()).collect()
        }))
    }
}

pub(super) fn left_out((line, key, why, row): &LeftOutRow) -> Record {
    Record {
        line: Some(*line),
        key: key.clone(),
        outcome: State::Skipped,
        livedesk_status: None,
        error_code: Some(why.word().to_owned()),
        error: Some(why.to_string()),
        attempts: 0,
        contact_id: None,
        conversation_id: None,
        message_id: None,
        first_attempt_at: None,
        settled_at: None,
        duration_ms: None,
        earlier: Vec::new(),
        row: row.clone(),
        receipt: ReceiptColumns::default(),
    }
}

pub(super) fn record(delivery: &Delivery, outcome: State) -> Record {
    let gone = outcome == State::Skipped;
    let (code, text) = match &delivery.failure {
        _ if gone => (Some(Totals::GONE.to_owned()), Some("no longer on the list".to_owned())),
        Some(failure) => (Some(failure.code.clone()), Some(failure.text.clone()).filter(|text| !text.is_empty())),
        None => (None, None),
    };
    let duration = delivery.first_attempt_at.zip(delivery.settled_at);
    Record {
        line: Some(delivery.stored.row.line).filter(|line| *line > 0),
        key: delivery.stored.key.clone(),
        outcome,
        livedesk_status: delivery.livedesk_status.clone(),
        error_code: code,
        error: text,
        attempts: delivery.stored.attempts,
        contact_id: delivery.stored.contact_id.map(|id| id.0),
        conversation_id: delivery.stored.conversation_id.map(|id| id.0),
        message_id: delivery.stored.failed_message.map(|id| id.0),
        first_attempt_at: delivery.first_attempt_at,
        settled_at: delivery.settled_at,
        duration_ms: duration
            .and_then(|(first, settled)| u64::try_from(settled.duration_since(first).as_millis()).ok()),
        earlier: delivery.history.iter().map(|(earlier, _)| earlier.clone()).collect(),
        row: Some(delivery.stored.row.clone()),
        receipt: delivery
            .receipt
            .clone()
            .map(|(receipt, _, next)| ReceiptColumns::new(receipt, next.is_none()))
            .unwrap_or_default(),
    }
}

fn deliveries(store: &Store, is_counted: impl Fn(&Delivery) -> bool) -> Totals {
    let mut totals = Totals::default();
    let mut errors: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
    let mut times: BTreeMap<(State, String), Vec<Timestamp>> = BTreeMap::new();
    let counted: Vec<&Delivery> = store.deliveries.iter().filter(|delivery| is_counted(delivery)).collect();
    for delivery in &counted {
        let state = store.seen(delivery);
        *totals.states.entry(state).or_default() += 1;
        if state == State::Skipped {
            *totals.left_out.entry(Totals::GONE.to_owned()).or_default() += 1;
        }
        if let (State::Failed | State::Unknown, Some(failure)) = (state, &delivery.failure) {
            errors.entry((state, failure.code.clone())).or_default().push(failure.text.clone());
            times.entry((state, failure.code.clone())).or_default().extend(delivery.settled_at);
        }
    }
    let error = |((state, code), mut texts): ((State, String), Vec<String>)| {
        let count = texts.len() as u64;
        texts.sort();
        texts.dedup();
        let times = times.get(&(state, code.clone())).into_iter().flatten();
        let settled = times.clone().min().copied().zip(times.max().copied());
        ErrorCount { state, code, text: texts[0].clone(), varies: texts.len() > 1, count, settled }
    };
    let mut undelivered: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
    for delivery in &counted {
        if let Some((receipt, _, next)) = &delivery.receipt {
            totals.receipts.add(receipt, next.is_none());
        }
        if let Some(seen) = delivery.failed_on_the_way() {
            let code = (State::Accepted, seen.code.clone().unwrap_or_default());
            undelivered.entry(code).or_default().push(seen.error.clone().unwrap_or_default());
        }
    }
    totals.undelivered = undelivered.into_iter().map(error).collect();
    totals.undelivered.sort_by(|one, other| (other.count, &one.code).cmp(&(one.count, &other.code)));
    totals.errors = errors.into_iter().map(error).collect();
    totals.errors.sort_by(|one, other| (other.count, &one.code).cmp(&(one.count, &other.code)));
    totals
}
