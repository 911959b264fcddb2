//! What WhatsApp and LiveDesk take in a template's values, as far as it can be told without asking them.
//!
//! Each rule is one function, for a value that is in the spec as for one that a row gives. The sources are Meta's
//! documentation (`templates/overview`, `templates/components`) and the behaviour of LiveDesk's ancestor.

use crate::problem::{Severity, did_you_mean};

/// A rule that a value breaks. It never repeats the value: that may be a customer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What kind of problem, as in [`crate::problem::Problem`].
    pub code: &'static str,
    /// A warning where only some providers mind.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// How to mend it. It may repeat part of the value, so it is for what is in the spec.
    pub hint: String,
}

impl Breach {
    fn error(code: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, what: what.into(), hint: hint.into() }
    }
}

/// Meta's limit for a template's name.
const MAX_NAME_LENGTH: usize = 512;
/// The categories of templates, in Meta's spelling.
const CATEGORIES: [&str; 3] = ["MARKETING", "UTILITY", "AUTHENTICATION"];
/// LiveDesk's ancestor cuts longer values without a word.
pub const MAX_PARAMETER_LENGTH: usize = 1_000;
/// LiveDesk's ancestor refuses longer texts.
pub const MAX_CONTENT_LENGTH: usize = 150_000;
/// LiveDesk's ancestor refuses longer addresses of media, and Meta longer addresses for a button.
const MAX_URL_LENGTH: usize = 2_000;
/// Providers cap payloads at this, though Meta documents no number.
const USUAL_PAYLOAD: usize = 128;
/// No provider is known to take more.
const MAX_PAYLOAD_LENGTH: usize = 256;
/// A template has at most ten buttons, counted from 0.
pub const LAST_BUTTON: u64 = 9;

/// The name of a template: lower-case letters, digits and `_`.
///
/// # Errors
/// Any other name, which no template can have.
pub fn template_name(name: &str) -> Result<(), Breach> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty() && name.len() <= MAX_NAME_LENGTH && name.chars().all(allowed) {
        return Ok(());
    }
    let changed: String = name.to_lowercase().replace(['-', ' ', '.'], "_");
    let hint =
        if changed != name && !changed.is_empty() && changed.len() <= MAX_NAME_LENGTH && changed.chars().all(allowed) {
            format!("did you mean `{changed}`?")
        } else {
            "copy the name from the list of approved templates".to_owned()
        };
    let what = format!("a template name has only lower-case letters, digits and `_`, at most {MAX_NAME_LENGTH}");
    Err(Breach::error("template-name", what, hint))
}

/// The code of a translation: `en`, `en_US`, `fil`.
///
/// # Errors
/// Any other spelling, which names no translation.
pub fn language(code: &str) -> Result<(), Breach> {
    if is_language(code) {
        return Ok(());
    }
    let parts: Vec<&str> = code.split(['_', '-']).collect();
    let changed = match parts.as_slice() {
        [language] => language.to_lowercase(),
        [language, region] => format!("{}_{}", language.to_lowercase(), region.to_uppercase()),
        _ => String::new(),
    };
    let hint = if is_language(&changed) {
        format!("did you mean `{changed}`?")
    } else {
        "the code of an approved translation, such as `en`, `en_US` or `zh_CN`".to_owned()
    };
    Err(Breach::error("template-language", "not a language code of WhatsApp", hint))
}

/// Two or three small letters, and a region of two capitals if any.
fn is_language(code: &str) -> bool {
    let (language, region) = code.split_once('_').map_or((code, None), |(language, region)| (language, Some(region)));
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(|region| region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// The category of a template.
///
/// # Errors
/// What Meta does not have.
pub fn category(name: &str) -> Result<(), Breach> {
    if CATEGORIES.contains(&name) {
        return Ok(());
    }
    let list = "one of `MARKETING`, `UTILITY` and `AUTHENTICATION`";
    let hint = did_you_mean(name, CATEGORIES).map_or_else(|| list.to_owned(), |near| format!("did you mean `{near}`?"));
    Err(Breach::error("template-category", "not a template category", hint))
}

/// A value that goes into a template's place. Outer white space is not sent and does not count.
///
/// # Errors
/// The first rule of WhatsApp or of LiveDesk's ancestor that it breaks.
pub fn parameter(value: &str) -> Result<(), Breach> {
    let value = value.trim();
    if value.is_empty() {
        // LiveDesk's ancestor drops a blank value, and all that follow move up one place.
        return Err(Breach::error("empty", "an empty value", "a template's value cannot be blank"));
    }
    let bytes = value.as_bytes();
    if has_line_break_or_tab(bytes) {
        return Err(Breach::error(
            "line-break-or-tab",
            "WhatsApp allows no line breaks or tabs in a template's value",
            "write it on one line; `>-` joins several lines",
        ));
    }
    if bytes.array_windows().any(|five| five == b"     ") {
        return Err(Breach::error(
            "many-spaces",
            "WhatsApp allows at most four spaces in a row in a template's value",
            "remove some",
        ));
    }
    if value.len() > MAX_PARAMETER_LENGTH && value.chars().count() > MAX_PARAMETER_LENGTH {
        let what = format!("longer than {MAX_PARAMETER_LENGTH} characters; LiveDesk would cut it");
        return Err(Breach::error("too-long", what, "shorten it"));
    }
    Ok(())
}

/// Whether a UTF-8 text has a tab, a line feed up to U+000D, or a Unicode line separator (U+2028, U+2029). Each row has several
/// values, and nearly all are ASCII: comparing bytes is ten times as quick as comparing characters.
fn has_line_break_or_tab(text: &[u8]) -> bool {
    let is_separator = |three: &[u8; 3]| matches!(three, [0xe2, 0x80, 0xa8 | 0xa9]);
    text.iter().any(|byte| matches!(byte, b'\t'..=b'\r')) || text.array_windows().any(is_separator)
}

/// What a `url` button appends to the address in its template.
///
/// # Errors
/// A whole address: it would be appended to another one.
pub fn url_suffix(text: &str) -> Result<(), Breach> {
    let text = text.trim();
    let scheme = text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    });
    if scheme || text.starts_with("www.") {
        return Err(Breach::error(
            "url-not-a-suffix",
            "a whole URL, which would be appended to the URL in the template",
            "give only what follows the fixed part, such as `track/{{ order }}`",
        ));
    }
    if text.contains(char::is_whitespace) {
        let hint = "write a space as `%20`, or use `{{ value | urlencode }}`";
        return Err(Breach::error("url-with-spaces", "a URL contains no spaces", hint));
    }
    if text.chars().count() > MAX_URL_LENGTH {
        return Err(Breach::error("too-long", format!("longer than {MAX_URL_LENGTH} characters"), "shorten it"));
    }
    Ok(())
}

/// What comes back when a quick reply is pressed.
///
/// # Errors
/// More than any provider takes; as a warning, more than some take.
pub fn payload(text: &str) -> Result<(), Breach> {
    let length = text.trim().chars().count();
    if length > MAX_PAYLOAD_LENGTH {
        return Err(Breach::error(
            "payload-too-long",
            format!("a payload of more than {MAX_PAYLOAD_LENGTH} characters"),
            "send a short id and look up the rest by it",
        ));
    }
    if length > USUAL_PAYLOAD {
        return Err(Breach {
            severity: Severity::Warning,
            ..Breach::error(
                "payload-too-long",
                format!("a payload of more than {USUAL_PAYLOAD} characters, which some providers refuse"),
                "send a short id and look up the rest by it",
            )
        });
    }
    Ok(())
}

/// The address of a header's file: WhatsApp fetches it by itself, so everybody must be able to.
///
/// # Errors
/// What is not https, or not for everybody to reach.
pub fn media_url(address: &str) -> Result<(), Breach> {
    let hint = "such as `https://shop.example/picture.png`";
    let parsed = url::Url::parse(address.trim()).ok().filter(|url| url.scheme() == "https" && url.has_host());
    let Some(url) = parsed else {
        return Err(Breach::error("media-url", "a public https URL is expected", hint));
    };
    if is_private(&url) {
        let hint = "WhatsApp fetches the file itself: make it publicly reachable";
        return Err(Breach::error("media-url-private", "a URL that only this network can reach", hint));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "make the file available without credentials";
        return Err(Breach::error("media-url", "a URL with credentials, which would be sent too", hint));
    }
    if address.trim().chars().count() > MAX_URL_LENGTH {
        return Err(Breach::error("too-long", format!("longer than {MAX_URL_LENGTH} characters"), "shorten it"));
    }
    Ok(())
}

/// Whether an address can only be reached from this machine or its network.
fn is_private(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.contains('.')
                || [".localhost", ".local", ".internal", ".lan", ".home.arpa"].iter().any(|end| name.ends_with(end))
        }
        Some(url::Host::Ipv4(address)) => is_private_v4(address.octets()),
        Some(url::Host::Ipv6(address)) => {
            address.to_ipv4_mapped().is_some_and(|address| is_private_v4(address.octets()))
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
        None => true,
    }
}

/// Addresses of this machine, of a network of one's own, and those that nobody can have.
fn is_private_v4(address: [u8; 4]) -> bool {
    match address {
        // Kept for examples in texts, or for one's own network.
        [192, 0, 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 168, ..]
        | [169, 254, ..]
        | [0 | 10 | 127 | 224..=255, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        // Between a provider and its customers.
        [100, second, ..] => (64..128).contains(&second),
        _ => false,
    }
}

/// Degrees of latitude.
///
/// # Errors
/// What is not a number from -90 to 90.
pub fn latitude(text: &str) -> Result<(), Breach> {
    degrees(text, 90.0)
}

/// Degrees of longitude.
///
/// # Errors
/// What is not a number from -180 to 180.
pub fn longitude(text: &str) -> Result<(), Breach> {
    degrees(text, 180.0)
}

fn degrees(text: &str, most: f64) -> Result<(), Breach> {
    let number: Option<serde_json::Number> = text.trim().trim_start_matches('+').parse().ok();
    if number.and_then(|number| number.as_f64()).is_some_and(|degrees| degrees.abs() <= most) {
        return Ok(());
    }
    let hint = if text.contains(',') {
        "use a decimal point, not a comma"
    } else {
        "use degrees with a decimal point; north and east are positive"
    };
    Err(Breach::error("not-degrees", format!("degrees from -{most} to {most} are expected, such as `52.5200`"), hint))
}

/// An id or a count.
///
/// # Errors
/// What is not digits alone.
pub fn whole_number(text: &str) -> Result<(), Breach> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok() {
        return Ok(());
    }
    Err(Breach::error("not-a-number", "a whole number is expected", "use digits only, or a template: \"{{ column }}\""))
}

/// Which button is meant.
///
/// # Errors
/// What is not a number from 0 to 9.
pub fn button_index(text: &str) -> Result<(), Breach> {
    whole_number(text)?;
    if text.trim().parse::<u64>().is_ok_and(|index| index <= LAST_BUTTON) {
        return Ok(());
    }
    let what = "a template has at most ten buttons, counted from 0 to 9";
    Err(Breach::error("button-index", what, "the first button is `index: 0`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: fn(&str) -> Result<(), Breach>, values: &[&str]) {
        for value in values {
            assert_eq!(rule(value), Ok(()), "{value}");
        }
    }

    fn refuses(rule: fn(&str) -> Result<(), Breach>, values: &[&str]) {
        for value in values {
            assert!(rule(value).is_err(), "{value}");
        }
    }

    #[test]
    fn names_and_languages_are_those_of_whatsapp() {
        accepts(template_name, &["order_update", "a", "2fa_code"]);
        refuses(template_name, &["", "Order_update", "order-update", "bestätigung", &"x".repeat(513)]);
        accepts(language, &["en", "fil", "en_US", "zh_CN"]);
        refuses(language, &["", "ES", "en-US", "en_us", "english", "en_USA", "e"]);
        assert_eq!(language("en-us").unwrap_err().hint, "did you mean `en_US`?");
        assert_eq!(language("ES").unwrap_err().hint, "did you mean `es`?");
        accepts(category, &CATEGORIES);
        refuses(category, &["utility", "SERVICE", ""]);
    }

    #[test]
    fn a_file_must_be_where_everybody_can_fetch_it() {
        accepts(media_url, &["https://example.com/a.png", "https://93.184.216.34/a.png", "https://[2606:4700::1]/a"]);
        refuses(
            media_url,
            &[
                "http://example.com/a.png",
                "example.com/a.png",
                "file:///a.png",
                "https://localhost/a.png",
                "https://LOCALHOST./a",
                "https://intranet/a.png",
                "https://nas.local/a.png",
                "https://127.0.0.1/a",
                "https://2130706433/a",
                "https://10.1.2.3/a",
                "https://172.16.0.1/a",
                "https://192.168.1.1/a",
                "https://169.254.1.1/a",
                "https://100.64.0.1/a",
                "https://[::1]/a",
                "https://[fd00::1]/a",
                "https://[::ffff:10.0.0.1]/a",
                "https://user:word@example.com/a.png",
            ],
        );
    }

    #[test]
    fn a_button_takes_the_end_of_an_address() {
        accepts(url_suffix, &["track/4711", "?order=1", "a%20b", "to=https%3A%2F%2Fexample.com"]);
        refuses(url_suffix, &["https://example.com/a", "HTTP://example.com", "www.example.com", "a b"]);
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        accepts(payload, &["OPT_OUT", &"é".repeat(128)]);
        assert_eq!(payload(&"é".repeat(129)).unwrap_err().severity, Severity::Warning);
        assert_eq!(payload(&"é".repeat(257)).unwrap_err().severity, Severity::Error);
        accepts(parameter, &["Ada", " Ada\n", "a    b", &"é".repeat(1_000)]);
        refuses(parameter, &["", " \n", "a\nb", "a\tb", "a\u{b}b", "a\u{2028}b", "a     b", &"é".repeat(1_001)]);
    }

    #[test]
    fn numbers_and_degrees() {
        accepts(latitude, &["52.52", "-90", "+90", "0"]);
        refuses(latitude, &["90.1", "52,52", "", "NaN", "1e9", "north"]);
        accepts(longitude, &["180", "-179.99"]);
        refuses(longitude, &["180.5"]);
        accepts(whole_number, &["0", "0012", " 7 "]);
        refuses(whole_number, &["", "-1", "+1", "1.5", "1e3", "18446744073709551616"]);
        accepts(button_index, &["0", "9"]);
        refuses(button_index, &["10", "-1", "first"]);
    }
}
