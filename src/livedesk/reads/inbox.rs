//! An inbox and the templates that WhatsApp has for it, as a read shows them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::answer::body::{Body, Fields};
use super::super::answer::{Answer, Exchange, number};
use super::error::{ReadError, success_with};
use crate::state::InboxId;

/// What is kept of the answer. An inbox also has tokens of its provider, which are nobody's business: they are skipped.
static FIELDS: Fields = Fields {
    needed: &[
        "buttons",
        "channel_type",
        "code",
        "components",
        "data",
        "error",
        "errors",
        "format",
        "id",
        "language",
        "message",
        "message_templates",
        "name",
        "payload",
        "status",
        "text",
        "type",
        "url",
    ],
    whole: &["error", "errors"],
    most: 10_000,
};

/// An inbox, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// What it is called.
    pub name: Option<String>,
    /// The kind of its channel, in LiveDesk's words.
    pub channel_type: Option<String>,
    /// The templates of its WhatsApp number; `None` where the answer has none to show.
    pub templates: Option<Vec<InboxTemplate>>,
}

/// A WhatsApp template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxTemplate {
    /// Its name.
    pub name: String,
    /// The language of this translation.
    pub language: String,
    /// WhatsApp's decision, in lower case: `approved`, `paused`, ...
    pub status: Option<String>,
    /// The variables of its body.
    pub body: BTreeSet<String>,
    /// Its header's format in lower case (`text`, `image`, ...), and the variables of a text.
    pub header: Option<(String, BTreeSet<String>)>,
    /// Its buttons.
    pub buttons: Vec<InboxButton>,
}

/// A button of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxButton {
    /// Its type in lower case: `url`, `quick_reply`, ...
    pub kind: String,
    /// Its label.
    pub label: String,
    /// Whether its address has a variable.
    pub has_variable: bool,
}

impl InboxTemplate {
    /// Whether WhatsApp lets it be sent. Without a word about it, nothing speaks against that.
    pub fn is_approved(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "approved")
    }
}

impl Exchange {
    /// As the answer to reading this inbox.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn inbox(self, asked: InboxId) -> Result<Inbox, ReadError> {
        let (answer, body) = success_with(self, &FIELDS)?;
        let json = body.json();
        let inbox = [json, &json["data"], &json["payload"]].into_iter().find(|place| number(&place["id"]).is_some());
        let unavailable = |what: &str| ReadError::Unavailable {
            status: answer.status,
            text: format!("the server answers with {what}"),
        };
        match (inbox, &body) {
            (Some(inbox), _) if number(&inbox["id"]) == Some(asked.0) => Ok(read(inbox, &answer)),
            (Some(_), _) => Err(ReadError::Failed { text: "the answer is about another inbox".to_owned() }),
            (None, Body::Html) => Err(unavailable("a page for a browser")),
            (None, Body::Json(_)) => Err(unavailable("something else than an inbox")),
            (None, _) => Err(ReadError::Failed { text: "the answer is empty, cut off or no JSON".to_owned() }),
        }
    }
}

fn read(inbox: &Value, answer: &Answer) -> Inbox {
    let text = |name: &str| inbox[name].as_str().map(|text| answer.text(text)).filter(|text| !text.is_empty());
    let templates = inbox["message_templates"].as_array();
    Inbox {
        name: text("name"),
        channel_type: text("channel_type"),
        templates: templates.map(|list| list.iter().filter_map(|value| template(value, answer)).collect()),
    }
}

fn template(value: &Value, answer: &Answer) -> Option<InboxTemplate> {
    let lower = |value: &Value| value.as_str().map(|text| answer.text(text).to_lowercase());
    let components = || value["components"].as_array().into_iter().flatten();
    let component = |kind: &str| components().find(|component| lower(&component["type"]).as_deref() == Some(kind));
    let button = |button: &Value| InboxButton {
        kind: lower(&button["type"]).unwrap_or_default(),
        label: button["text"].as_str().map(|text| answer.text(text)).unwrap_or_default(),
        has_variable: !variables(&button["url"]).is_empty(),
    };
    Some(InboxTemplate {
        name: answer.text(value["name"].as_str()?),
        language: answer.text(value["language"].as_str()?),
        status: lower(&value["status"]),
        body: component("body").map(|body| variables(&body["text"])).unwrap_or_default(),
        header: component("header").and_then(|header| Some((lower(&header["format"])?, variables(&header["text"])))),
        buttons: component("buttons")
            .map(|list| list["buttons"].as_array().into_iter().flatten().map(button).collect())
            .unwrap_or_default(),
    })
}

/// The names in double braces of a text.
fn variables(text: &Value) -> BTreeSet<String> {
    let parts = text.as_str().unwrap_or_default().split("{{").skip(1);
    parts.filter_map(|part| Some(part.split_once("}}")?.0.trim().to_owned())).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_inbox_is_read_with_its_templates_and_without_its_tokens() {
        let body = json!({
            "id": 79, "name": "Shop", "channel_type": "Channel::Whatsapp", "provider_config": { "api_key": "s3cret" },
            "message_templates": [
                { "name": "welcome", "language": "de", "status": "APPROVED", "components": [
                    { "type": "HEADER", "format": "IMAGE" },
                    { "type": "BODY", "text": "Hallo {{1}}, {{ 2 }} und {{1}} {{" },
                    { "type": "BUTTONS", "buttons": [
                        { "type": "URL", "text": "Open", "url": "https://a.de/{{1}}" }, { "type": "QUICK_REPLY", "text": "Nein danke" },
                    ] },
                ] },
                { "name": "no language" }, 7, null,
            ],
        });
        let exchange =
            |body: &Value, status| Exchange::Answered(Answer { status, body: body.to_string(), ..Answer::default() });
        let inbox = exchange(&body, 200).inbox(InboxId(79)).unwrap();
        assert!(!format!("{inbox:?}").contains("s3cret"));
        let templates = inbox.templates.unwrap();
        let [template] = templates.as_slice() else { panic!("{templates:?}") };
        assert_eq!(template.body, ["1", "2"].map(str::to_owned).into());
        assert_eq!(template.header, Some(("image".to_owned(), BTreeSet::new())));
        assert_eq!(template.buttons.iter().map(|button| button.has_variable).collect::<Vec<_>>(), [true, false]);
        assert!(template.is_approved());
        assert!(matches!(exchange(&body, 200).inbox(InboxId(7)), Err(ReadError::Failed { .. })));
        assert!(matches!(exchange(&json!({}), 200).inbox(InboxId(7)), Err(ReadError::Unavailable { status: 200, .. })));
        assert!(matches!(exchange(&body, 401).inbox(InboxId(79)), Err(ReadError::Unavailable { status: 401, .. })));
    }
}
