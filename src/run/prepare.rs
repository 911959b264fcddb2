//! What a message needs before it can be claimed: its contact, its conversation, its files.

use super::deliver::{Setback, is_welcome};
use super::waiting::Step;
use super::{Event, Run};
use crate::attachment::Attachment;
use crate::ledger::{Found, Lease, Ledger};
use crate::livedesk::{ContactReply, Reply};
use crate::message::{Address, Contact, Delivery};
use crate::retry::Moment;
use crate::state::{ContactId, ConversationId, Failure, InboxId};

/// Pages of a contact search that are read at most: the search is by substring, and a short text may match thousands.
const MOST_PAGES: u32 = 40;

impl<L: Ledger> Run<'_, L> {
    /// The conversation: known, kept from an earlier try, or made now.
    pub(super) async fn conversation(&self, lease: &mut Lease, address: &Address) -> Result<ConversationId, Setback> {
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

    pub(super) fn attachments(&self, delivery: &Delivery) -> Result<Vec<Attachment>, Setback> {
        let read = |path| self.folder.read(path).map_err(|what| Setback::Refused(Failure::new("attachment", what)));
        delivery.message.attachments.iter().map(|path| read(path)).collect()
    }

    /// Waits for the turn of a request that is no message.
    async fn turn(&self) -> Result<Moment, Setback> {
        self.answering().await?;
        self.unless_stopped(self.pace.request()).await?;
        Ok(self.begin())
    }

    /// The result of a request that is no message, or what stands in its way.
    async fn result<T>(&self, reply: Reply<T>, began: Moment) -> Result<T, Setback> {
        self.learn(&reply, began, Step::Preparing);
        self.let_in(is_welcome(&reply), began).await?;
        match reply {
            Reply::Done(result) => Ok(result),
            Reply::Refused(failure) => Err(Setback::Refused(failure)),
            Reply::NotTaken(hindrance) => Err(Setback::Hindered(hindrance, began)),
            Reply::Doubtful(failure) => Err(Setback::Doubtful(failure)),
        }
    }
}
