//! One recipient's path: contact, conversation, claim, message, outcome; and again where that is safe.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::denied::Moment;
use super::{End, Event, Patience, Run};
use crate::attachment::Attachment;
use crate::ledger::{Found, Lease, Ledger, LedgerError};
use crate::livedesk::{ContactReply, Hindrance, Reply};
use crate::message::{Address, Contact, Delivery};
use crate::pace::Ticket;
use crate::retry::Tries;
use crate::state::{ContactId, ConversationId, Failure, InboxId, Outcome};

/// Pages of a contact search that are read at most: the search is by substring, and a short text may match thousands.
const MOST_PAGES: u32 = 40;

/// Long waits are slept in pieces, so that a laptop that was closed wakes up in time.
const NAP: Duration = Duration::from_secs(30);

/// Shorter waits than this are nobody's business.
const NOT_WORTH_TELLING: Duration = Duration::from_millis(200);

/// Why a delivery is not settled by this try.
enum Setback {
    /// Refused for good before any message.
    Refused(Failure),
    /// Certainly not taken.
    Hindered(Hindrance, Moment),
    /// A contact or conversation may have been made; trying again does no harm.
    Doubtful(Failure),
    /// Everybody must wait, and a claim should not wait with them.
    Paused,
    /// The run is ending.
    Stopped,
    /// The ledger failed.
    Ledger(LedgerError),
}

impl From<LedgerError> for Setback {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// How a try ended when the lease is still in hand.
enum After {
    Settled,
    NotYet(Box<Lease>, Setback),
}

impl<L: Ledger> Run<'_, L> {
    /// Takes one delivery as far as it goes.
    pub(super) async fn deliver(&self, mut lease: Lease) -> Result<(), LedgerError> {
        let delivery = match self.judge.templates.render(&lease.row, &self.judge.list) {
            Ok(delivery) => delivery,
            Err(problems) => {
                let what = problems.first().map(|problem| problem.what.clone()).unwrap_or_default();
                return self.refuse(lease, Failure::new("not-renderable", what)).await;
            }
        };
        lease.address_to(&delivery.address);
        let mut tries = Tries::new(self.spec.send.retry);
        loop {
            lease.attempts += 1;
            let setback = match self.attempt(lease, &delivery).await? {
                After::Settled => return Ok(()),
                After::NotYet(back, setback) => {
                    lease = *back;
                    setback
                }
            };
            match setback {
                Setback::Stopped => return Ok(()),
                // Nothing was asked of the server, so this was no attempt.
                Setback::Paused => lease.attempts -= 1,
                Setback::Ledger(error) => return Err(error),
                Setback::Refused(failure) => return self.refuse(lease, failure).await,
                Setback::Hindered(Hindrance::Denied(failure), began) => {
                    return self.denied(began, lease, failure).await;
                }
                Setback::Hindered(Hindrance::Busy(told), _) => self.wait_for_server(tries.after_busy(told)),
                Setback::Hindered(Hindrance::Unreachable(why), _) => match tries.after_failure() {
                    Some(wait) => self.sleep(wait).await,
                    None => {
                        self.unreachable(&why);
                        return Ok(());
                    }
                },
                Setback::Doubtful(failure) => match tries.after_failure() {
                    Some(wait) => self.sleep(wait).await,
                    None => return self.refuse(lease, failure).await,
                },
            }
        }
    }

    /// One try: everything up to the answer to the message.
    async fn attempt(&self, mut lease: Lease, delivery: &Delivery) -> Result<After, LedgerError> {
        let ready = async {
            let ticket = self.admit().await?;
            let conversation_id = self.conversation(&mut lease, &delivery.address).await?;
            let place = self.unless_stopped(self.pace.on_deck()).await?;
            let attachments = self.attachments(delivery)?;
            Ok((ticket, conversation_id, attachments, place))
        };
        let (ticket, conversation_id, attachments, place) = match ready.await {
            Ok(ready) => ready,
            Err(Setback::Ledger(error)) => return Err(error),
            Err(setback) => return Ok(After::NotYet(Box::new(lease), setback)),
        };
        let claim = self.ledger.claim(lease, conversation_id).await?;
        if let Err(setback) = self.may_leave().await {
            let lease = self.ledger.release(claim).await?;
            return Ok(After::NotYet(Box::new(lease), setback));
        }
        drop(place);
        let (left_at, began) = (Timestamp::now(), self.begin());
        let reply = self.client.send(&claim, &delivery.message, attachments).await;
        let welcome = is_welcome(&reply);
        if !matches!(reply, Reply::NotTaken(_)) {
            ticket.spend(left_at);
        }
        let outcome = match reply {
            Reply::NotTaken(hindrance) => {
                let lease = self.ledger.release(claim).await?;
                return Ok(After::NotYet(Box::new(lease), Setback::Hindered(hindrance, began)));
            }
            Reply::Done(sent) => {
                Outcome::Accepted { message_id: sent.message_id, livedesk_status: sent.livedesk_status }
            }
            Reply::Refused(failure) => Outcome::Failed(failure),
            Reply::Doubtful(failure) => Outcome::Unknown(failure),
        };
        self.ledger.settle(claim, outcome.clone()).await?;
        self.observe(&outcome);
        self.let_in(welcome, began).await?;
        Ok(After::Settled)
    }

    /// Waits for the turn of a message that is claimed.
    async fn may_leave(&self) -> Result<(), Setback> {
        self.unless_stopped(self.pace.message()).await?.map_err(|_| Setback::Paused)?;
        self.in_time(Timestamp::now())
    }

    /// Whether messages may still leave.
    fn in_time(&self, now: Timestamp) -> Result<(), Setback> {
        if self.spec.send.not_after.is_some_and(|end| now >= end) {
            self.stop.because(End::Guard("`send.not_after` has passed".to_owned()));
            return Err(Setback::Stopped);
        }
        Ok(())
    }

    /// Waits for the spec's hours and quotas.
    async fn admit(&self) -> Result<Ticket<'_>, Setback> {
        let send = &self.spec.send;
        loop {
            if self.stop.asked().is_some() {
                return Err(Setback::Stopped);
            }
            let now = Timestamp::now();
            self.in_time(now)?;
            let (why, until) = match send.not_before.filter(|start| now < *start) {
                Some(start) => ("send.not_before", start),
                None => match self.pace.take_quota(now) {
                    Ok(ticket) => return Ok(ticket),
                    Err(until) => ("send.quota", until),
                },
            };
            if self.patience == Patience::End {
                self.stop.after_these(End::Guard(format!("`{why}` holds until {until:.0}")));
                return Err(Setback::Stopped);
            }
            let wait = until.duration_since(now).unsigned_abs();
            if wait > NOT_WORTH_TELLING {
                (self.tell)(Event::Held { why: why.to_owned(), until });
            }
            self.sleep(wait.min(NAP)).await;
        }
    }

    /// The conversation: known, kept from an earlier try, or made now.
    async fn conversation(&self, lease: &mut Lease, address: &Address) -> Result<ConversationId, Setback> {
        let (inbox_id, contact_id, source_id) = match (address, lease.conversation_id) {
            (Address::Conversation(id), _) => return Ok(*id),
            (_, Some(kept)) => return Ok(kept),
            (Address::Sender { inbox_id, contact_id, source_id }, None) => {
                lease.contact_id = *contact_id;
                (*inbox_id, *contact_id, source_id.as_deref())
            }
            (Address::Contact { inbox_id, contact }, None) => {
                (*inbox_id, Some(self.contact(lease, *inbox_id, contact).await?), None)
            }
        };
        let began = self.turn().await?;
        let reply = self.client.create_conversation(inbox_id, contact_id, source_id).await;
        if matches!(reply, Reply::Doubtful(_)) {
            let line = lease.row.line;
            let what = "the answer to making the conversation was lost, so there may be a spare, empty one";
            (self.tell)(Event::Noted(format!("{}:{line}: {what}", self.judge.list)));
        }
        let id = self.result(reply, began).await?;
        self.ledger.note(lease, Found::Conversation(id)).await?;
        Ok(id)
    }

    /// The contact: kept from an earlier try, made now, or found when it was there before.
    async fn contact(&self, lease: &mut Lease, inbox_id: InboxId, contact: &Contact) -> Result<ContactId, Setback> {
        if let Some(kept) = lease.contact_id {
            return Ok(kept);
        }
        let began = self.turn().await?;
        let reply = self.client.create_contact(inbox_id, contact).await;
        let id = match self.result(reply, began).await? {
            ContactReply::Made(id) => id,
            ContactReply::Taken(attributes) => self.find(contact, &attributes).await?,
        };
        self.ledger.note(lease, Found::Contact(id)).await?;
        Ok(id)
    }

    /// The one contact that has the attributes which are taken. Two of them would be a conflict for a person to solve.
    async fn find(&self, contact: &Contact, attributes: &[String]) -> Result<ContactId, Setback> {
        let mut found: Vec<ContactId> = Vec::new();
        for attribute in attributes {
            let value = match attribute.as_str() {
                "email" => &contact.email,
                "phone_number" => &contact.phone_number,
                "identifier" => &contact.identifier,
                _ => &None,
            };
            let Some(value) = value else { continue };
            for page in 1..=MOST_PAGES {
                let began = self.turn().await?;
                let reply = self.client.find_contact(attribute, value, page).await;
                let (ids, more) = self.result(reply, began).await?;
                found.extend(ids);
                if !more {
                    break;
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let taken = attributes.join(" and ");
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let text = format!("{taken} taken, but the search does not find by whom");
                Err(Setback::Refused(Failure::new("contact-not-found", text)))
            }
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                let text = format!("{taken} belong to several contacts: {}", ids.join(", "));
                Err(Setback::Refused(Failure::new("contact-conflict", text)))
            }
        }
    }

    fn attachments(&self, delivery: &Delivery) -> Result<Vec<Attachment>, Setback> {
        let read = |path| self.folder.read(path).map_err(|what| Setback::Refused(Failure::new("attachment", what)));
        delivery.message.attachments.iter().map(|path| read(path)).collect()
    }

    /// Waits for the turn of a request that is no message.
    async fn turn(&self) -> Result<Moment, Setback> {
        self.unless_stopped(self.pace.request()).await?;
        Ok(self.begin())
    }

    /// The result of a request that is no message, or what stands in its way.
    async fn result<T>(&self, reply: Reply<T>, began: Moment) -> Result<T, Setback> {
        self.let_in(is_welcome(&reply), began).await?;
        match reply {
            Reply::Done(result) => Ok(result),
            Reply::Refused(failure) => Err(Setback::Refused(failure)),
            Reply::NotTaken(hindrance) => Err(Setback::Hindered(hindrance, began)),
            Reply::Doubtful(failure) => Err(Setback::Doubtful(failure)),
        }
    }

    /// Records a failure before any message.
    async fn refuse(&self, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        self.ledger.refuse(lease, failure.clone()).await?;
        self.observe(&Outcome::Failed(failure));
        Ok(())
    }

    fn observe(&self, outcome: &Outcome) {
        (self.tell)(Event::Settled(outcome.state()));
        let stop = self.guard.lock().unwrap_or_else(PoisonError::into_inner).observe(outcome);
        if let Some(why) = stop {
            self.stop.because(End::Guard(why));
        }
    }

    fn begin(&self) -> Moment {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).begin()
    }

    /// The delivery stays pending until it is known whose fault it is.
    async fn denied(&self, began: Moment, lease: Lease, failure: Failure) -> Result<(), LedgerError> {
        let again = self.denied.lock().unwrap_or_else(PoisonError::into_inner).deny(began, lease, failure);
        self.whose_fault(again).await
    }

    /// Knocks, unless that was in vain before, and draws the conclusion. `last_word`: whether it is the credentials if the
    /// knock does not say otherwise.
    async fn whose_fault(&self, last_word: bool) -> Result<(), LedgerError> {
        let _one_at_a_time = self.knocking.lock().await;
        let (open_case, in_vain) = {
            let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
            (denied.open_case(), denied.knocked_in_vain)
        };
        let Some(failure) = open_case.filter(|_| self.stop.asked().is_none()) else { return Ok(()) };
        if !in_vain {
            if self.unless_stopped(self.pace.request()).await.is_err() {
                return Ok(());
            }
            let reply = self.client.knock().await;
            if is_welcome(&reply) {
                let cleared = self.denied.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return self.refuse_all(cleared).await;
            }
            let in_vain = matches!(reply, Reply::NotTaken(Hindrance::Denied(_)));
            self.denied.lock().unwrap_or_else(PoisonError::into_inner).knocked_in_vain = in_vain;
        }
        if last_word {
            self.stop.because(End::Environment(format!("LiveDesk refuses the credentials ({failure})")));
        }
        Ok(())
    }

    /// After a welcome: those who were denied before failed for reasons of their own.
    async fn let_in(&self, welcome: bool, began: Moment) -> Result<(), LedgerError> {
        if !welcome {
            return Ok(());
        }
        let cleared = self.denied.lock().unwrap_or_else(PoisonError::into_inner).let_in(began);
        self.refuse_all(cleared).await
    }

    async fn refuse_all(&self, cleared: Vec<(Lease, Failure)>) -> Result<(), LedgerError> {
        for (lease, failure) in cleared {
            self.refuse(lease, failure).await?;
        }
        Ok(())
    }

    /// At the end of a run: denials that no other recipient has cleared up.
    pub(super) async fn still_denied(&self) -> Result<(), LedgerError> {
        self.whose_fault(true).await
    }

    fn unreachable(&self, why: &str) {
        let text = format!("{} cannot be reached: {why}", self.spec.livedesk.base_url);
        self.stop.because(End::Environment(text));
    }

    /// Everybody waits, by one deadline.
    fn wait_for_server(&self, wait: Duration) {
        let until = Timestamp::now() + wait;
        (self.tell)(Event::Held { why: "the server (too many requests)".to_owned(), until });
        self.pace.pause(wait);
    }

    /// Waits for something, unless somebody asks to stop: that comes first.
    async fn unless_stopped<T>(&self, something: impl Future<Output = T>) -> Result<T, Setback> {
        tokio::select! {
            biased;
            () = self.stop.wait() => Err(Setback::Stopped),
            result = something => Ok(result),
        }
    }

    /// Sleeps, unless somebody asks to stop.
    async fn sleep(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.wait() => {}
        }
    }
}

/// Whether an answer is one that only a good key pair gets.
const fn is_welcome<T>(reply: &Reply<T>) -> bool {
    matches!(reply, Reply::Done(_) | Reply::Refused(_))
}
