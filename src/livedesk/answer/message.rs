//! Messages in answers: what became of them.

use serde_json::Value;

use super::body::whole_json;
use super::{number, status_word};
use crate::state::{ConversationId, MessageId};

/// A message that LiveDesk took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// LiveDesk's word for its state.
    pub livedesk_status: String,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct MessageRequest {
    /// Where it was posted.
    pub conversation_id: ConversationId,
    /// The message that is to be sent again, where it is not a new one.
    pub message_id: Option<MessageId>,
}

/// A message as an answer has it.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) message_id: Option<MessageId>,
    pub(super) status: Option<String>,
    conversation_id: Option<ConversationId>,
}

impl Posted {
    pub(super) fn read(body: &Value) -> Self {
        Self {
            message_id: number(&body["id"]).map(MessageId),
            status: status(&body["status"]),
            conversation_id: number(&body["conversation_id"]).map(ConversationId),
        }
    }

    /// How it contradicts what was asked for: it is the answer to another request.
    pub(super) fn contradiction(&self, asked: MessageRequest) -> Option<String> {
        if let Some(id) = self.conversation_id.filter(|id| *id != asked.conversation_id) {
            return Some(format!("the answer is about conversation {id}, not about {}", asked.conversation_id));
        }
        let (is, wanted) = (self.message_id?, asked.message_id?);
        (is != wanted).then(|| format!("the answer is about message {is}, not about {wanted}"))
    }
}

/// LiveDesk's word for a message's state, which may also be the number that its ancestor keeps.
pub(in crate::livedesk) fn status(value: &Value) -> Option<String> {
    let word = match value {
        Value::String(text) => status_word(text),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let named = match word.as_str() {
        "0" => "sent",
        "1" => "delivered",
        "2" => "read",
        "3" => "failed",
        // Any other number could be anything.
        number if number.parse::<f64>().is_ok() => return None,
        "" => return None,
        word => word,
    };
    Some(named.to_owned())
}

/// Why a message failed, in the channel's words. The attributes may come as an object or as JSON text.
pub(in crate::livedesk) fn external_error(attributes: &Value) -> Option<String> {
    let parsed = attributes.as_str().and_then(whole_json);
    let code_alone = |code: &str| format!("{code}: no reason given");
    match &parsed.as_ref().unwrap_or(attributes)["external_error"] {
        Value::Null => None,
        Value::Number(code) => Some(code_alone(&code.to_string())),
        Value::String(text) if is_number(text.trim()) => Some(code_alone(text.trim())),
        Value::String(text) => Some(text.clone()),
        // `{code, title}`: as a status webhook writes it.
        Value::Object(error) => {
            let first =
                |names: &[&str]| names.iter().find_map(|name| error.get(*name).filter(|value| !value.is_null()));
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match (first(&["code"]), first(&["title", "message", "error", "details"])) {
                (Some(code), Some(title)) => Some(format!("{}: {}", text(code), text(title))),
                (Some(code), None) => Some(code_alone(&text(code))),
                (None, Some(title)) => Some(text(title)),
                (None, None) => Some(Value::Object(error.clone()).to_string()),
            }
        }
        other => Some(other.to_string()),
    }
    .filter(|text| !text.trim().is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_understood_in_any_form() {
        for (given, word) in [
            (json!("sent"), Some("sent")),
            (json!("Failed"), Some("failed")),
            (json!(" FAILED "), Some("failed")),
            (json!(0), Some("sent")),
            (json!(1), Some("delivered")),
            (json!("2"), Some("read")),
            (json!(3), Some("failed")),
            (json!("queued"), Some("queued")),
            (json!(4), None),
            (json!(-1), None),
            (json!(""), None),
            (json!(null), None),
            (json!({ "a": 1 }), None),
        ] {
            assert_eq!(status(&given).as_deref(), word, "{given}");
        }
    }

    #[test]
    fn reasons_are_understood_in_any_form() {
        for (given, text) in [
            (json!({ "external_error": "131047: too late" }), Some("131047: too late")),
            (json!(r#"{"external_error": "131047: too late \ud83d"}"#), Some("131047: too late \u{fffd}")),
            (json!({ "external_error": { "code": 131_047, "title": "too late" } }), Some("131047: too late")),
            (json!({ "external_error": { "message": "too late" } }), Some("too late")),
            (json!({ "external_error": { "code": 131_047 } }), Some("131047: no reason given")),
            (json!({ "external_error": " 131047 " }), Some("131047: no reason given")),
            (json!({ "external_error": 131_047 }), Some("131047: no reason given")),
            (json!({ "external_error": ["a"] }), Some("[\"a\"]")),
            (json!({}), None),
            (json!(null), None),
        ] {
            assert_eq!(external_error(&given).as_deref(), text, "{given}");
        }
    }
}
