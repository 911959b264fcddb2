//! What a message needs before it can be claimed: its contact, its conversation, its files.

use super::attempt::AttemptError;
use super::recent_answers::{Endpoint, Request};
use super::{End, Event, Run, Stopped, StoppedBy};
use crate::attachment::{Attachment, ReadError};
use crate::codes;
use crate::ledger::{Deliver, Found, Gone, Lease, Position};
use crate::livedesk::{Attribute, ContactReply, ConversationRequest, Obstacle, Owner, Reply};
use crate::message::{Address, Contact, Delivery};
use crate::state::{ContactId, ConversationId, Failure, InboxId};

/// Pages of a contact search that are read at most: the search is by substring, and a short text may match thousands.
const MAX_PAGES: u32 = 40;

impl<L: Deliver> Run<'_, L> {
    /// The conversation: known, kept from an earlier try, or made now.
    pub(super) async fn conversation(
        &self,
        lease: &mut Lease,
        delivery: &Delivery,
        is_first_try: bool,
    ) -> Result<ConversationId, AttemptError> {
        let address = &delivery.address;
        let mut known_obstacles = Vec::new();
        // The contact that a row names is the row's own.
        let contact_is_kept = lease.has_kept_contact() && matches!(address, Address::Contact { .. });
        let asked = match (address, lease.conversation_id) {
            (Address::Conversation(id), _) => return Ok(*id),
            (_, Some(kept)) => return Ok(kept),
            (Address::Sender { inbox_id, contact_id, source_id }, None) => {
                lease.contact_id = *contact_id;
                let (inbox_id, source_id) = (*inbox_id, source_id.as_deref());
                ConversationRequest { inbox_id, contact_id: *contact_id, source_id, contact: None }
            }
            (Address::Contact { inbox_id, contact }, None) => {
                let (contact_id, obstacles) = self.contact(lease, *inbox_id, contact).await?;
                known_obstacles = obstacles;
                let (contact_id, contact) = (Some(contact_id), Some(contact));
                ConversationRequest { inbox_id: *inbox_id, contact_id, source_id: None, contact }
            }
        };
        let request = self.turn(Endpoint::Conversation, lease.position()).await?;
        let reply = self.client.create_conversation(asked).await;
        let may_be_made = matches!(&reply, Reply::Unknown(failure) if !codes::is_conflict(&failure.code));
        if may_be_made && is_first_try {
            let line = lease.row.line;
            let what = "the answer to creating the conversation was lost, so LiveDesk may have an extra, empty one";
            (self.emit)(Event::Warned(format!("{}:{line}: {what}", self.evaluator.list)));
        }
        let conversation = match self.result(reply, request).await {
            Err(AttemptError::Refused(failure, _)) if codes::is_not_found(&failure.code) && contact_is_kept => {
                return Err(AttemptError::Gone(Gone::Contact));
            }
            result => result?,
        };
        let mut obstacles = conversation.obstacles(delivery.message.template_params.is_some());
        obstacles.retain(|obstacle| !known_obstacles.contains(obstacle));
        // Before it is kept: nothing is asked about a conversation that is kept, so a later attempt would not know.
        self.check_reachable(lease, &obstacles)?;
        self.ledger.note(lease, Found::Conversation(conversation.id)).await?;
        Ok(conversation.id)
    }

    /// The contact: kept from an earlier try, made now, or found when it was there before; and the obstacles that its
    /// answer has shown, which are checked here.
    async fn contact(
        &self,
        lease: &mut Lease,
        inbox_id: InboxId,
        contact: &Contact,
    ) -> Result<(ContactId, Vec<Obstacle>), AttemptError> {
        if let Some(kept) = lease.contact_id {
            return Ok((kept, Vec::new()));
        }
        let request = self.turn(Endpoint::Contact, lease.position()).await?;
        let reply = self.client.create_contact(inbox_id, contact).await;
        let owner = match self.result(reply, request).await? {
            ContactReply::Created(owner) => owner,
            ContactReply::Conflict(attributes) => self.find(lease.position(), contact, &attributes).await?,
        };
        let obstacles = owner.obstacles();
        self.check_reachable(lease, &obstacles)?;
        self.ledger.note(lease, Found::Contact(owner.id)).await?;
        Ok((owner.id, obstacles))
    }

    /// The one contact that has everything that is taken, and nothing else than what the row says. Anything else is a
    /// conflict for a person to solve: it would reach the wrong one.
    async fn find(&self, who: Position, contact: &Contact, taken: &[Attribute]) -> Result<Owner, AttemptError> {
        let mut owners: Vec<(Attribute, Owner)> = Vec::new();
        for attribute in taken.iter().copied() {
            let Some(value) = attribute.of(contact) else { continue };
            let found = self.owners(who, attribute, value).await?;
            if found.is_empty() {
                let text = format!("{} is taken, but the search finds no contact with it", attribute.name());
                return Err(AttemptError::Refused(Failure::new(codes::CONTACT_NOT_FOUND, text), None));
            }
            owners.extend(found.into_iter().map(|owner| (attribute, owner)));
        }
        let Some((_, owner)) = owners.first() else {
            let names: Vec<&str> = taken.iter().map(|attribute| attribute.name()).collect();
            let text = format!("LiveDesk says that {} is taken, but the row does not have it", names.join(" and "));
            return Err(AttemptError::Refused(Failure::new(codes::CONTACT_NOT_FOUND, text), None));
        };
        let conflict = |text| Err(AttemptError::Refused(Failure::new(codes::CONTACT_CONFLICT, text), None));
        if owners.iter().any(|(_, other)| other.id != owner.id) {
            let whose: Vec<String> = owners
                .iter()
                .map(|(attribute, owner)| format!("{} of contact {}", attribute.name(), owner.id))
                .collect();
            return conflict(format!("several contacts match this row: {}", whose.join(", ")));
        }
        if let Some(attribute) = owner.contradiction(contact) {
            let (had, other) = (owners[0].0.name(), attribute.name());
            return conflict(format!("contact {} has this {had}, but another {other}", owner.id));
        }
        Ok(owner.clone())
    }

    /// All contacts that have exactly this.
    async fn owners(&self, who: Position, attribute: Attribute, value: &str) -> Result<Vec<Owner>, AttemptError> {
        let mut owners: Vec<Owner> = Vec::new();
        for page in 1..=MAX_PAGES {
            let request = self.turn(Endpoint::Search, who).await?;
            let reply = self.client.find_contact(attribute, value, page).await;
            let (found, more) = match self.result(reply, request).await {
                // Some servers answer 404 to a page beyond the last one: whoever was found before is found.
                Err(AttemptError::Refused(..)) if !owners.is_empty() => break,
                result => result?,
            };
            owners.extend(found);
            if !more {
                break;
            }
        }
        // Pages may repeat rows.
        owners.sort_by_key(|owner| owner.id);
        owners.dedup_by_key(|owner| owner.id);
        Ok(owners)
    }

    pub(super) fn attachments(&self, delivery: &Delivery) -> Result<Vec<Attachment>, AttemptError> {
        let failed = |error: ReadError| match error {
            // Whoever has it already has another version.
            ReadError::Changed(_) => {
                self.stop.because(End::Guard(Stopped::by(StoppedBy::Attachment, error.to_string())));
                AttemptError::Stopped
            }
            ReadError::Unusable(what) => AttemptError::Refused(Failure::new("attachment", what), None),
        };
        delivery.message.attachments.iter().map(|path| self.folder.read(path).map_err(failed)).collect()
    }

    /// Waits for the turn of a request that is no message.
    async fn turn(&self, endpoint: Endpoint, who: Position) -> Result<Request, AttemptError> {
        self.wait_until_answering().await?;
        self.request_turn().await?;
        Ok(self.begin(endpoint, Some(who)))
    }

    /// The result of a request that is no message, or what is in its way.
    async fn result<T>(&self, reply: Reply<T>, request: Request) -> Result<T, AttemptError> {
        self.observe_reply(&reply, request);
        self.on_success(&reply, request).await?;
        match reply {
            Reply::Done(result) => Ok(result),
            Reply::Refused(failure) => Err(AttemptError::Refused(failure, Some(request))),
            Reply::NotAccepted(reason) => Err(AttemptError::Retry(Box::new(reason), request)),
            Reply::Unknown(failure) => Err(AttemptError::Unknown(failure)),
        }
    }
}
