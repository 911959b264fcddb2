//! What a campaign needs of an account: inboxes, and templates in the languages of its list, with their parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::inputs::enroll_list;
use super::super::pending_scan::each_pending;
use super::super::{CampaignError, EnrolmentOptions, Inputs, Operator};
use crate::ledger;
use crate::message::{Address, Delivery};
use crate::run::Selection;
use crate::specification::{ButtonType, HeaderType};
use crate::state::{ConversationId, InboxId};

/// More different uses of templates than this are not told apart: some value of the list is in them.
const MAX_USES: usize = 200;

/// How a template is used: everything about it but the values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TemplateUse {
    pub(super) name: String,
    pub(super) language: String,
    /// The body's variables, in order.
    pub(super) body: Vec<String>,
    /// The kind of header that is given.
    pub(super) header: Option<&'static str>,
    /// The variables of a text header.
    pub(super) header_variables: Vec<String>,
    /// The buttons that are given: which one, of which kind, and the payload of a quick reply.
    pub(super) buttons: Vec<(u64, &'static str, Option<String>)>,
}

/// What a campaign needs.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The inboxes, with how many messages leave through each.
    pub(super) inboxes: BTreeMap<InboxId, u64>,
    /// The templates in each inbox, with how many messages each.
    pub(super) templates: BTreeMap<(InboxId, TemplateUse), u64>,
    /// A conversation that the list names.
    pub(super) conversation: Option<ConversationId>,
}

impl Needs {
    /// What the list needs.
    pub(super) async fn of(inputs: Inputs, operator: &impl Operator) -> Result<Self, CampaignError> {
        let Inputs { list, evaluator, .. } = inputs;
        let ledger = ledger::scratch()?;
        enroll_list(&ledger, &evaluator, list?, EnrolmentOptions::default(), operator).await?;
        let mut needs = Self::default();
        each_pending(&ledger, &Selection::default(), |lease| {
            needs.add(&evaluator.templates.render(&lease.row, &evaluator.list)?);
            Ok::<_, CampaignError>(())
        })
        .await?;
        Ok(needs)
    }

    fn add(&mut self, delivery: &Delivery) {
        let inbox = match &delivery.address {
            Address::Conversation(id) => {
                self.conversation.get_or_insert(*id);
                // No inbox has the number 0; a template without one cannot be compared.
                InboxId(0)
            }
            Address::Sender { inbox_id, .. } | Address::Contact { inbox_id, .. } => {
                *self.inboxes.entry(*inbox_id).or_default() += 1;
                *inbox_id
            }
        };
        let Some(used) = TemplateUse::of(delivery) else { return };
        let count = self.templates.len();
        match self.templates.entry((inbox, used)) {
            Entry::Occupied(mut entry) => *entry.get_mut() += 1,
            Entry::Vacant(entry) if count < MAX_USES => {
                entry.insert(1);
            }
            Entry::Vacant(_) => {}
        }
    }
}

impl TemplateUse {
    fn of(delivery: &Delivery) -> Option<Self> {
        let params = delivery.message.template_params.as_ref()?;
        let names = params.processed_params.as_ref().map(|variables| variables.0.iter().map(|(name, _)| name.clone()));
        let header_variables = params.header_params.as_ref().and_then(|header| header.text_variables.as_ref());
        let header_variables = header_variables.into_iter().flat_map(|variables| &variables.0);
        let header = params.header_params.as_ref().map(|header| match header.r#type {
            HeaderType::Text => "text",
            HeaderType::Image => "image",
            HeaderType::Video => "video",
            HeaderType::Document => "document",
            HeaderType::Location => "location",
        });
        let buttons = params.button_params.iter().flatten().map(|button| match button.sub_type {
            ButtonType::Url => (button.index, "url", None),
            ButtonType::QuickReply => (button.index, "quick_reply", button.payload.clone()),
        });
        Some(Self {
            name: params.name.clone(),
            language: params.language.clone(),
            body: names.map(Iterator::collect).unwrap_or_default(),
            header,
            header_variables: header_variables.map(|(name, _)| name.clone()).collect(),
            buttons: buttons.collect(),
        })
    }
}
