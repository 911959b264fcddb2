//! One request, read whole and put into words that the rest of the sandbox understands.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::state::{Refusal, Upload};

/// More than any upload that the real service takes (40 MB a file).
pub(super) const BODY_LIMIT: usize = 128 * 1024 * 1024;

/// Which endpoint a request is for. Ids are kept as they were sent: telling what they name is the account's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Contact,
    Search,
    Conversation,
    Message { conversation: String },
    Retry { conversation: String, message: String },
    ReadMessages { conversation: String },
    ListConversations,
    ReadInbox { inbox: String },
    Unknown,
    WrongMethod,
}

/// A request, read.
pub(super) struct ApiRequest {
    pub(super) route: Route,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) raw_query: Option<String>,
    pub(super) body: Body,
}

/// What a request carried.
pub(super) enum Body {
    Empty,
    Json(Value),
    Form {
        fields: Map<String, Value>,
        uploads: Vec<Upload>,
    },
    /// Announced as JSON or as a form and is not, or is too long; with what could be read of it.
    Broken(String),
    /// Neither JSON nor a form: the real service does not look at it.
    Other(String),
}

impl ApiRequest {
    pub(super) async fn read(route: Route, request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str().to_owned();
        let path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().map(ToOwned::to_owned);
        let body = Body::read(parts, body).await;
        Self { route, method, path, raw_query, body }
    }

    /// A parameter of the query, decoded as a form: `+` is a space.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.raw_query.as_deref()?.as_bytes();
        form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// A parameter of the body.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => value.get(name),
            Body::Form { fields, .. } => fields.get(name),
            Body::Empty | Body::Broken(_) | Body::Other(_) => None,
        }
    }

    /// A parameter of the body as text; numbers and booleans become text as they do in the real service,
    /// blank text, `null` and everything nested is nothing.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.field(name).and_then(as_text)
    }

    /// An id in the body, sent as a number or as digits; what cannot be an id names nothing.
    pub(super) fn id(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.text(name).map(|text| text.trim().parse().map_err(|_| Refusal::NotFound)).transpose()
    }

    /// The files sent as `attachments[]`.
    pub(super) fn uploads(&self) -> &[Upload] {
        match &self.body {
            Body::Form { uploads, .. } => uploads,
            _ => &[],
        }
    }
}

/// A scalar that is not blank, as text.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Body {
    async fn read(parts: Parts, body: axum::body::Body) -> Self {
        let media = media_type(&parts.headers);
        if media == "multipart/form-data" {
            return match Multipart::from_request(Request::from_parts(parts, body), &()).await {
                Ok(form) => read_form(form).await,
                Err(error) => Self::Broken(error.body_text()),
            };
        }
        let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
            return Self::Broken("the body is too long or was cut off".to_owned());
        };
        if bytes.is_empty() {
            return Self::Empty;
        }
        if media == "application/json" || media.ends_with("+json") {
            return serde_json::from_slice(&bytes)
                .map_or_else(|_| Self::Broken(String::from_utf8_lossy(&bytes).into_owned()), Self::Json);
        }
        if media == "application/x-www-form-urlencoded" {
            let mut fields = Map::new();
            for (key, value) in form_urlencoded::parse(&bytes) {
                nest(&mut fields, &key, Value::String(value.into_owned()));
            }
            return Self::Form { fields, uploads: Vec::new() };
        }
        Self::Other(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The body as the journal shows it.
    pub(super) fn journaled(&self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Json(value) => value.clone(),
            Self::Broken(text) | Self::Other(text) => Value::String(text.clone()),
            Self::Form { fields, uploads } => {
                let uploads: Vec<Value> = uploads.iter().map(Upload::journaled).collect();
                json!({ "fields": fields, "attachments": uploads })
            }
        }
    }
}

impl Upload {
    fn journaled(&self) -> Value {
        json!({
            "name": self.name,
            "filename": self.filename,
            "content_type": self.content_type,
            "size": self.size,
        })
    }
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn read_form(mut form: Multipart) -> Body {
    let mut fields = Map::new();
    let mut uploads = Vec::new();
    loop {
        let part = match form.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => return Body::Form { fields, uploads },
            Err(error) => return Body::Broken(error.body_text()),
        };
        let name = part.name().unwrap_or_default().to_owned();
        let filename = part.file_name().map(ToOwned::to_owned);
        let content_type = part.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes = match part.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return Body::Broken(error.body_text()),
        };
        match filename {
            Some(filename) => uploads.push(Upload { name, filename, content_type, size: bytes.len() as u64 }),
            None => nest(&mut fields, &name, Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
}

/// Puts a form field where its bracketed name says: `a[b]` into the object `a`, `a[]` at the end of the list `a`.
fn nest(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((head, rest)) = name.split_once('[') else {
        fields.insert(name.to_owned(), value);
        return;
    };
    let Some((key, deeper)) = rest.split_once(']') else {
        fields.insert(name.to_owned(), value);
        return;
    };
    if key.is_empty() {
        if let Value::Array(list) = fields.entry(head).or_insert_with(|| json!([])) {
            list.push(value);
        }
    } else if let Value::Object(object) = fields.entry(head).or_insert_with(|| json!({})) {
        nest(object, &format!("{key}{deeper}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bracketed_names_nest() {
        let mut fields = Map::new();
        for (name, value) in [("content", "hi"), ("t[name]", "x"), ("t[p][1]", "y"), ("l[]", "1"), ("l[]", "2")] {
            nest(&mut fields, name, json!(value));
        }
        assert_eq!(
            Value::Object(fields),
            json!({ "content": "hi", "t": { "name": "x", "p": { "1": "y" } }, "l": ["1", "2"] })
        );
    }
}
