//! The cheaper way: the inbox's list of conversations shows 25 of them at a time, each with its last messages. Where ours is
//! the last one, that is a look at it; for the others the conversation itself is read.

use super::{Fallback, TrackError, Tracker};
use crate::ledger::{Track as TrackLedger, TrackQuery};
use crate::state::{ConversationId, InboxId};

/// Fewer messages are read one by one.
const MIN_MESSAGES: usize = 10;
/// Conversations on a page.
const CONVERSATIONS_PER_PAGE: u64 = 25;
/// No inbox has more: such a server gives pages for ever.
const MAX_PAGES: u32 = 200_000;

impl<L: TrackLedger> Tracker<'_, L> {
    /// Looks through the inbox, if that is cheaper than reading so many conversations. `due` are all messages that are due,
    /// or the first of them.
    pub(super) async fn sweep(&mut self, inbox: InboxId, which: TrackQuery, due: usize) -> Result<u64, TrackError> {
        let mut looked = 0;
        if due < MIN_MESSAGES {
            return Ok(looked);
        }
        let mut before: Vec<ConversationId> = Vec::new();
        for number in 1..=MAX_PAGES {
            let page = match self.reader.conversations(inbox, number).await {
                Ok(page) => page,
                Err(error) => {
                    self.refuse_sweep(error.to_string());
                    break;
                }
            };
            let is_dearer = |all: u64| due < super::LEDGER_BATCH && all / CONVERSATIONS_PER_PAGE > due as u64;
            if page.listed == 0 || page.all_count.is_some_and(is_dearer) {
                break;
            }
            // A server that knows no pages gives the same one for ever.
            let shown: Vec<ConversationId> = page.conversations.iter().map(|conversation| conversation.id).collect();
            if shown.is_empty() || shown == before {
                self.refuse_sweep("its pages cannot be told apart".to_owned());
                break;
            }
            before = shown;
            looked += self.look_at_listed(&page.conversations, which).await?.looked;
            self.keep_up().await?;
        }
        Ok(looked)
    }

    fn refuse_sweep(&mut self, why: String) {
        self.is_sweep_refused = true;
        self.fallbacks.push(Fallback::List { why });
    }
}
