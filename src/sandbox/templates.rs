//! The rules for template messages: first the shape that the API demands, then what the approved template expects.
//!
//! A wrong shape is refused with 422 and no message exists. A template that does not exist or is given the wrong
//! parameters is a message that was taken and then failed, as it is with WhatsApp.

use serde::Deserialize;
use serde_json::Value;

/// An approved template, as the script registers it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) language: String,
    /// How many positional body parameters ("1", "2", ...) it has.
    #[serde(default)]
    pub(super) body: usize,
    /// What WhatsApp has decided about it; only an approved one is sent.
    #[serde(default = "approved")]
    pub(super) status: String,
    /// The names of its body parameters, when they are named.
    #[serde(default)]
    pub(super) named: Vec<String>,
    #[serde(default)]
    pub(super) header: Header,
    /// How many buttons take a parameter.
    #[serde(default)]
    pub(super) buttons: usize,
}

fn approved() -> String {
    "approved".to_owned()
}

/// What the header of a template takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Header {
    /// No header, or one without a variable.
    #[default]
    None,
    /// One text variable.
    Text,
    Image,
    Video,
    Document,
    Location,
}

/// Why a message failed after it was taken: a WhatsApp error code and its title.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub(super) code: u32,
    pub(super) title: String,
    #[serde(default)]
    pub(super) form: Form,
}

/// How a failure is written into `external_error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// `131047: Re-engagement message is not allowed`, as a status report brings it.
    #[default]
    Status,
    /// `(#132000) Number of parameters ...`, as a rejected request brings it.
    Graph,
}

impl Failure {
    fn new(code: u32, title: &str) -> Self {
        Self { code, title: title.to_owned(), form: Form::Status }
    }

    fn count() -> Self {
        Self::new(132_000, "Number of parameters does not match the expected number of params")
    }

    fn format() -> Self {
        Self::new(132_012, "Parameter format does not match format in the created template")
    }

    pub(super) fn text(&self) -> String {
        match self.form {
            Form::Status => format!("{}: {}", self.code, self.title),
            Form::Graph => format!("(#{}) {}", self.code, self.title),
        }
    }
}

/// Holds `template_params` against the registered templates.
pub(super) fn check(registry: &[Template], params: &Value) -> Result<(), Failure> {
    let wanted = (text(params, "name"), text(params, "language"));
    let template = registry
        .iter()
        .find(|template| (template.name.as_str(), template.language.as_str()) == wanted)
        .filter(|template| template.status.eq_ignore_ascii_case("approved"))
        .ok_or_else(|| Failure::new(132_001, "Template name does not exist in the translation"))?;
    template.check_body(params.get("processed_params"))?;
    template.check_header(params.get("header_params"))?;
    let buttons = params.get("button_params").and_then(Value::as_array).map_or(0, Vec::len);
    if buttons == template.buttons { Ok(()) } else { Err(Failure::count()) }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Template {
    fn check_body(&self, params: Option<&Value>) -> Result<(), Failure> {
        let expected = if self.named.is_empty() {
            (1..=self.body).map(|position| position.to_string()).collect()
        } else {
            self.named.clone()
        };
        let given = params.and_then(Value::as_object);
        if given.map_or(0, serde_json::Map::len) != expected.len() {
            return Err(Failure::count());
        }
        let known = |key: &String| given.is_some_and(|given| given.contains_key(key));
        if expected.iter().all(known) { Ok(()) } else { Err(Failure::format()) }
    }

    fn check_header(&self, params: Option<&Value>) -> Result<(), Failure> {
        let Some(params) = params else {
            return if self.header == Header::None { Ok(()) } else { Err(Failure::count()) };
        };
        let (given, filled) = match text(params, "type") {
            "text" => (
                Header::Text,
                params.pointer("/text_variables").and_then(Value::as_object).map(serde_json::Map::len) == Some(1),
            ),
            "image" => (Header::Image, !text(params, "media_url").is_empty()),
            "video" => (Header::Video, !text(params, "media_url").is_empty()),
            "document" => (Header::Document, !text(params, "media_url").is_empty()),
            _ => (Header::Location, params.get("location").is_some()),
        };
        match self.header {
            Header::None => Err(Failure::count()),
            header if header != given => Err(Failure::format()),
            _ if filled => Ok(()),
            _ => Err(Failure::count()),
        }
    }
}

/// Holds `template_params` against the shape that the API demands. The text is what follows `Validation failed: `.
pub(super) fn check_shape(params: &Value) -> Result<(), String> {
    let at = "template_params";
    must(params.is_object(), at, "object")?;
    for key in ["name", "language"] {
        if params.get(key).is_none_or(|value| value.as_str() == Some("")) {
            return Err(format!("{} is required", if key == "name" { "Name" } else { "Language" }));
        }
    }
    strings(params, at, &["name", "language", "namespace", "category"])?;
    string_map(params, at, "processed_params")?;
    check_header_shape(params)?;
    if let Some(footer) = params.get("footer_params") {
        must(footer.is_object(), "template_params/footer_params", "object")?;
        string_map(footer, "template_params/footer_params", "text_variables")?;
    }
    check_button_shapes(params)
}

fn check_header_shape(params: &Value) -> Result<(), String> {
    let at = "template_params/header_params";
    let Some(header) = params.get("header_params") else {
        return Ok(());
    };
    must(header.is_object(), at, "object")?;
    if !matches!(text(header, "type"), "text" | "image" | "video" | "document" | "location") {
        return Err(format!("{at}/type must be one of text, image, video, document, location"));
    }
    strings(header, at, &["media_url", "filename"])?;
    string_map(header, at, "text_variables")?;
    let Some(location) = header.get("location") else {
        return Ok(());
    };
    let at = "template_params/header_params/location";
    must(location.is_object(), at, "object")?;
    for key in ["latitude", "longitude"] {
        must(location.get(key).is_some_and(Value::is_number), &format!("{at}/{key}"), "number")?;
    }
    strings(location, at, &["name", "address"])
}

fn check_button_shapes(params: &Value) -> Result<(), String> {
    let Some(buttons) = params.get("button_params") else {
        return Ok(());
    };
    must(buttons.is_array(), "template_params/button_params", "array")?;
    for (position, button) in buttons.as_array().into_iter().flatten().enumerate() {
        let at = format!("template_params/button_params/{position}");
        must(button.is_object(), &at, "object")?;
        must(button.get("index").is_some_and(Value::is_u64), &format!("{at}/index"), "integer")?;
        if !matches!(text(button, "sub_type"), "url" | "quick_reply") {
            return Err(format!("{at}/sub_type must be one of url, quick_reply"));
        }
        strings(button, &at, &["text", "payload"])?;
    }
    Ok(())
}

fn must(holds: bool, at: &str, kind: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{at} must be of type {kind}")) }
}

/// Those of `keys` that are present must be strings; `null` is present.
fn strings(object: &Value, at: &str, keys: &[&str]) -> Result<(), String> {
    keys.iter().try_for_each(|key| match object.get(*key) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(format!("{at}/{key} must be of type string")),
    })
}

/// `key`, when present, must be an object whose values are strings.
fn string_map(object: &Value, at: &str, key: &str) -> Result<(), String> {
    let Some(map) = object.get(key) else {
        return Ok(());
    };
    let at = format!("{at}/{key}");
    must(map.is_object(), &at, "object")?;
    let mut entries = map.as_object().into_iter().flatten();
    entries.try_for_each(|(key, value)| must(value.is_string(), &format!("{at}/{key}"), "string"))
}
