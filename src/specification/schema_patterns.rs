//! How single values are spelled and which keys go together, for the JSON Schema: an editor marks what `check` would refuse.
//!
//! Nothing here decides anything: `check` does, in words that help more. A pattern accepts everything that is accepted
//! there, and refuses what can be told by a regular expression that every validator understands (no look-around).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Types that exist for their schema alone.
macro_rules! spellings {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Schema::try_from($schema).unwrap_or_default()
            }
        }
    )+};
}

/// Characters that no file's name has.
const NO_CONTROL: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// A number above nothing and the unit of its time.
const RATE: &str = r"[+]?[0-9_]*[1-9][0-9_]*\s*/\s*(s|sec|second|min|m|minute|h|hour|day|d)";

/// The units of jiff's durations, up to hours.
const UNIT: &str = "(nanoseconds?|nanos?|nsecs?|ns|microseconds?|micros?|usecs?|[uµμ]s|[uµμ]secs?|milliseconds?|millis?|\
                    msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)";

const TIME_OF_DAY: &str = "([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?";

spellings! {
    /// `${NAME}`.
    EnvironmentVariable = text(r"^\$\{[A-Za-z0-9_]+\}$");
    /// A file to read.
    InputFile = json!({ "type": "string", "minLength": 1, "pattern": NO_CONTROL });
    /// A file of people who must never be messaged: never standard input.
    SuppressionList = json!({ "type": "string", "pattern": NO_CONTROL, "not": { "pattern": r"^(\s*|-)$" } });
    /// A file to write, by its ending.
    Report = text(r"^[^\u0000-\u001f\u007f-\u009f]*[^/\u0000-\u001f\u007f-\u009f]\.(csv|jsonl|html)$");
    /// A CSV file to write.
    CsvFile = text(r"^[^\u0000-\u001f\u007f-\u009f]*[^/\u0000-\u001f\u007f-\u009f]\.[cC][sS][vV]$");
    /// One character, or `\t`.
    Delimiter = text(r"^(\\t|[\u0000-!#-/:-@\[-`{-\u007f])$");
    /// A country.
    Region = text(r"^[A-Z]{2}$|\{");
    /// `20/s` or `unlimited`.
    Speed = text(&format!(r"^(unlimited|\s*{RATE}\s*)$"));
    /// `1000/day`.
    Quota = text(&format!(r"^\s*{RATE}\s*$"));
    /// `30s`, more than nothing.
    Duration = json!({
        "type": "string",
        "pattern": format!(r"^([+]?(\s*[0-9]+([.,][0-9]+)?\s*{UNIT},?)+\s*|[+]?[0-9]+:[0-9]+:[0-9]+([.,][0-9]+)?|[+]?[Pp][Tt].+)$"),
        "not": { "pattern": "^[^1-9]*$" },
    });
    /// `10%`.
    Share = json!({
        "type": "string",
        "pattern": r"^[+]?0*(100([.]0*)?|[0-9]{1,2}([.][0-9]*)?|[.][0-9]+)\s*%$",
        "not": { "pattern": "^[^1-9]*$" },
    });
    /// RFC 3339.
    Time = text(r"^[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9:.,]+ ?([Zz]|[+-][0-9:.]+)(\[.*\])*$");
    /// `09:00`.
    TimeOfDay = text(&format!(r"^\s*{TIME_OF_DAY}\s*$"));
    /// The same, or `24:00`.
    EndOfDay = text(&format!(r"^\s*({TIME_OF_DAY}|24:00(:00)?)\s*$"));
    /// `mon-fri`, or several with commas.
    DaysOfWeek = text(&days());
    /// A command and its arguments.
    Command = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
}

/// One value or a list of them, which may be empty only where that means something.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}

/// Days of which there is one at least.
#[derive(Debug)]
pub(super) struct Days;

impl JsonSchema for Days {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Days".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<DaysOfWeek>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one, "minItems": 1 }] })
    }
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// Each day in any case, short or long.
fn days() -> String {
    let names = ["mon(day)?", "tue(sday)?", "wed(nesday)?", "thu(rsday)?", "fri(day)?", "sat(urday)?", "sun(day)?"];
    let any_case = |c: char| match c {
        'a'..='z' => format!("[{}{c}]", c.to_ascii_uppercase()),
        other => other.to_string(),
    };
    let day = format!("({})", names.join("|").chars().map(any_case).collect::<String>());
    let range = format!(r"\s*{day}\s*(-\s*{day}\s*)?");
    format!("^{range}(,{range})*$")
}

/// Whom a message goes to: one way of three.
pub(super) fn one_way_to_address() -> Value {
    json!([
        {
            "required": ["conversation_id"],
            "properties": { "inbox_id": false, "contact_id": false, "source_id": false, "contact": false },
        },
        {
            "required": ["inbox_id"],
            "anyOf": [{ "required": ["contact_id"] }, { "required": ["source_id"] }],
            "properties": { "conversation_id": false, "contact": false },
        },
        {
            "required": ["inbox_id", "contact"],
            "properties": { "conversation_id": false, "contact_id": false, "source_id": false },
        },
    ])
}

/// A contact has something by which it is found again.
pub(super) fn findable() -> Value {
    json!([{ "anyOf": [
        { "required": ["identifier"] },
        { "required": ["phone_number"] },
        { "required": ["email"] },
    ] }])
}

/// A message says something; a template has its file in its header.
pub(super) fn content() -> Value {
    let files = json!({ "required": ["attachments"], "properties": { "attachments": { "minItems": 1 } } });
    json!([
        { "anyOf": [{ "required": ["content"] }, files] },
        { "not": { "allOf": [{ "required": ["template_params"] }, files] } },
    ])
}

/// Each type of header has keys of its own.
pub(super) fn header() -> Value {
    let all = ["text_variables", "media_url", "filename", "location"];
    let rule = |kinds: &[&str], required: &str, allowed: &[&str]| {
        let others = all.into_iter().filter(|name| !allowed.contains(name)).map(|name| (name.to_owned(), json!(false)));
        json!({
            "if": { "required": ["type"], "properties": { "type": { "enum": kinds } } },
            "then": { "required": [required], "properties": Value::Object(others.collect()) },
        })
    };
    json!([
        rule(&["text"], "text_variables", &["text_variables"]),
        rule(&["image", "video"], "media_url", &["media_url"]),
        rule(&["document"], "media_url", &["media_url", "filename"]),
        rule(&["location"], "location", &["location"]),
    ])
}

/// Each type of button has one value.
pub(super) fn button() -> Value {
    let rule = |kind: &str, required: &str, other: &str| {
        json!({
            "if": { "required": ["sub_type"], "properties": { "sub_type": { "const": kind } } },
            "then": { "required": [required], "properties": { other: false } },
        })
    };
    json!([rule("url", "text", "payload"), rule("quick_reply", "payload", "text")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specification::units;

    fn accepts<T: JsonSchema>(text: &str) -> bool {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        jsonschema::validator_for(&schema).unwrap().is_valid(&json!(text))
    }

    #[test]
    fn patterns_and_checks_are_of_one_mind_about_rates_and_lengths_of_time() {
        for text in [
            "20/s",
            " 20 / s ",
            "1_000/day",
            "600/h",
            "1/min",
            "1/minute",
            "+5/s",
            "007/s",
            "20",
            "0/s",
            "-1/s",
            "_/s",
            "20/fortnight",
            "/s",
            "1.5/s",
            "20/ s s",
            "20 s",
            "unlimited/s",
            "",
            "٣/s",
        ] {
            assert_eq!(accepts::<Quota>(text), text.parse::<units::Rate>().is_ok(), "{text}");
            assert_eq!(accepts::<Speed>(text), text.parse::<units::Speed>().is_ok(), "{text}");
        }
        for text in [
            "500ms",
            "1m 30s",
            "1m30s",
            "30 s",
            "1 minute, 30 seconds",
            "2hrs",
            "1.5h",
            "1,5h",
            "PT30S",
            "pt1m",
            "00:00:30",
            "1h 00:00:05",
            "5µs",
            "5 usecs",
            "+5s",
            "",
            "30",
            "-5s",
            "0s",
            "0 hours",
            "soon",
            "30 fortnights",
            "1d",
            "s",
            "30s!",
            "5s 5",
        ] {
            assert_eq!(accepts::<Duration>(text), units::duration(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn patterns_and_checks_are_of_one_mind_about_shares() {
        for text in [
            "10%", "0.5%", "100%", "100.0%", "5 %", ".5%", "010%", "10", "0%", "0.0%", "101%", "100.5%", "-1%", "x%",
            "%",
        ] {
            assert_eq!(accepts::<Share>(text), units::share(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn points_in_time_and_days_are_known_by_their_spelling() {
        for text in ["2026-12-01T09:00:00+01:00", "2026-12-01 09:00Z", "2026-12-01T09:00:00-05:00[America/New_York]"] {
            assert!(text.parse::<jiff::Timestamp>().is_ok() && accepts::<Time>(text), "{text}");
        }
        for text in ["2026-12-01", "2026-12-01T09:00:00", "tomorrow", ""] {
            assert!(text.parse::<jiff::Timestamp>().is_err() && !accepts::<Time>(text), "{text}");
        }
        assert!(["mon", "Mon - FRI", "monday,wed", "sat-sun"].into_iter().all(accepts::<DaysOfWeek>));
        assert!(!["", "mo", "mon-", "monday fri", "everyday"].into_iter().any(accepts::<DaysOfWeek>));
        assert!(accepts::<EndOfDay>("24:00") && !accepts::<TimeOfDay>("24:00") && accepts::<TimeOfDay>("9:05:59"));
    }

    #[test]
    fn file_names_are_on_one_line() {
        assert!(["r.csv", "a/b.jsonl", "ä b.html"].into_iter().all(accepts::<Report>));
        assert!(!["r.pdf", ".csv", "a/.csv", "a\nb.csv", "csv", "a.csv\n", ""].into_iter().any(accepts::<Report>));
        assert!(
            accepts::<SuppressionList>("a.csv")
                && !["", " ", "-", "a\n.csv"].into_iter().any(accepts::<SuppressionList>)
        );
        assert!([";", "\\t", "\t", "|"].into_iter().all(accepts::<Delimiter>));
        assert!(!["", "a", "\"", ";;", "é"].into_iter().any(accepts::<Delimiter>));
    }
}
