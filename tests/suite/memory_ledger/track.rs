//! What operators decide, and receipts.

use super::*;

impl Operate for MemoryLedger {
    async fn resolve(
        &self,
        keys: Option<Vec<String>>,
        sent: bool,
        note: Option<String>,
    ) -> Result<Resolved, LedgerError> {
        Ok(self.store(|store| {
            let is_unknown = |delivery: &Delivery| delivery.state == State::Unknown;
            let mut others = keys.clone().unwrap_or_default();
            others.retain(|key| !store.find(key).is_some_and(|delivery| is_unknown(delivery)));
            if !others.is_empty() {
                return Resolved::NotUnknown(others);
            }
            let asked = |delivery: &&mut Delivery| keys.as_ref().is_none_or(|keys| keys.contains(&delivery.stored.key));
            let mut resolved = 0;
            for delivery in store.deliveries.iter_mut().filter(|delivery| is_unknown(delivery)).filter(asked) {
                let status = delivery.livedesk_status.clone();
                delivery.decide(
                    if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent },
                    note.clone(),
                );
                delivery.livedesk_status = status;
                if sent {
                    delivery.accept(Timestamp::now());
                    delivery.failure = Some(Failure::new(RESOLVED, ""));
                } else {
                    delivery.stored.failed_message = None;
                }
                resolved += 1;
            }
            Resolved::All(resolved)
        }))
    }

    async fn settle_by_evidence(&self, resolutions: Vec<Resolution>) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            let mut settled = 0;
            for Resolution { position, message_id, note } in resolutions {
                let found = store.deliveries.iter_mut().find(|delivery| delivery.stored.position == position);
                let Some(delivery) = found.filter(|delivery| delivery.state == State::Unknown) else { continue };
                let status = delivery.livedesk_status.clone();
                let sent = message_id.is_some();
                let action = if sent { OperatorAction::ResolvedAsSent } else { OperatorAction::ResolvedAsNotSent };
                delivery.decide(action, Some(note));
                delivery.livedesk_status = status;
                delivery.stored.failed_message = message_id;
                if sent {
                    delivery.accept(Timestamp::now());
                    delivery.failure = Some(Failure::new(RESOLVED, ""));
                }
                settled += 1;
            }
            settled
        }))
    }

    async fn retry_failed(&self, retry: RetryRules) -> Result<u64, LedgerError> {
        Ok(self.store(|store| {
            store.mark(&retry);
            store.retry()
        }))
    }
}

impl Track for MemoryLedger {
    async fn tracked(
        &self,
        which: TrackQuery,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let wanted = |tracked: &TrackedMessage| match which {
            TrackQuery::DueBy(time) => tracked.next_look.is_some_and(|at| at <= time),
            TrackQuery::Open => {
                let failed = tracked.receipt.status() == Some(MessageStatus::Failed) && !tracked.receipt.is_gone;
                tracked.next_look.is_some() || failed
            }
            TrackQuery::Canary => true,
        };
        Ok(self.store(|store| {
            let of_canary = |delivery: &&Delivery| which != TrackQuery::Canary || delivery.run > store.canary_after;
            let all = store.deliveries.iter().filter(of_canary).filter_map(Delivery::tracked).filter(wanted);
            all.filter(|tracked| after.is_none_or(|after| tracked.position > after)).take(limit).collect()
        }))
    }

    async fn tracked_in(
        &self,
        conversations: Vec<ConversationId>,
        contacts: Vec<ContactId>,
    ) -> Result<Vec<TrackedMessage>, LedgerError> {
        let wanted = |tracked: &TrackedMessage| {
            conversations.contains(&tracked.conversation_id)
                || tracked.contact_id.is_some_and(|contact| contacts.contains(&contact))
        };
        Ok(self.store(|store| store.deliveries.iter().filter_map(Delivery::tracked).filter(wanted).collect()))
    }

    async fn observe(&self, observations: Vec<Observation>) -> Result<(), LedgerError> {
        self.store(|store| {
            for Observation { position, message_id, receipt, next_look, contact_id } in observations {
                let delivery = store.deliveries.iter_mut().find(|delivery| delivery.stored.position == position);
                let Some(delivery) = delivery.filter(|it| it.stored.failed_message == Some(message_id)) else {
                    continue;
                };
                if let Some((known, _, next)) = &mut delivery.receipt {
                    *known = std::mem::take(known).merge(receipt);
                    *next = next_look;
                    delivery.seen_contact = contact_id.or(delivery.seen_contact);
                }
            }
        });
        Ok(())
    }

    async fn unknown_deliveries(&self) -> Result<Vec<UnknownDelivery>, LedgerError> {
        Ok(self.store(|store| {
            let unknown = store.deliveries.iter().filter(|delivery| delivery.state == State::Unknown);
            let unknown_deliveries = unknown.map(|delivery| UnknownDelivery {
                lease: delivery.stored.clone().into(),
                claimed_at: delivery.departure().unwrap_or_default(),
            });
            unknown_deliveries.collect()
        }))
    }

    async fn complete_until(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.store(|store| store.complete_until))
    }

    async fn set_complete_until(&self, until: Timestamp) -> Result<(), LedgerError> {
        self.store(|store| store.complete_until = store.complete_until.max(Some(until)));
        Ok(())
    }
}
