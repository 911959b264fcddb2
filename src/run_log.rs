//! What happens during a run, a line each, for whoever reads it later: a log file, a service manager, a program.
//!
//! Every line has a time and a level. Knows nothing of where lines go.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::json_schema;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// The message alone, for somebody who watches.
    Plain,
    /// Time, level and message.
    Text,
    /// One JSON object.
    Json,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Info,
    /// A person should look at it.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(
    title = "campaign run events",
    description = "One line that `campaign run --format json` writes to standard error."
)]
pub struct LogLine<'a> {
    /// When it happened (RFC 3339, UTC).
    time: String,
    /// How much it matters.
    level: Level,
    /// What happened, in words. Wordings may change.
    message: Cow<'a, str>,
    /// What happened, as data.
    #[serde(flatten)]
    event: LogEvent<'a>,
}

/// What happened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LogEvent<'a> {
    /// Sending begins.
    SendingStarted {
        /// Messages to send.
        messages: u64,
    },
    /// How far it is, every ten seconds.
    Progress {
        /// Messages whose outcome is known or in doubt.
        done: u64,
        /// Messages to send.
        messages: u64,
        /// Failed ones among those that are done.
        failed: u64,
        /// Unknown ones among those that are done.
        unknown: u64,
        /// Messages a second so far.
        per_second: f64,
        /// Seconds left at that speed.
        seconds_left: f64,
    },
    /// Nothing is sent until a time.
    #[serde(rename = "held")]
    Paused {
        /// That time (RFC 3339, UTC).
        until: String,
    },
    /// Sending ends.
    SendingEnded,
    /// A report was written.
    ReportWritten {
        /// Its path.
        path: Cow<'a, str>,
    },
    /// A problem or a warning of spec or list.
    Problem {
        /// The same data as `campaign check --format json` gives.
        problem: Value,
    },
    /// A request and its answer, with `--verbose`.
    Request,
    /// Anything else: see `message`.
    Message,
}

impl<'a> LogLine<'a> {
    /// A line about now.
    pub fn now(level: Level, event: LogEvent<'a>, message: impl Into<Cow<'a, str>>) -> Self {
        Self { time: format!("{:.3}", Timestamp::now()), level, message: message.into(), event }
    }

    /// The line as it is written, with its end.
    pub fn written(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Plain => format!("{}\n", self.message),
            LogFormat::Text => {
                let Self { time, level, message, .. } = self;
                let lines: Vec<String> =
                    message.lines().map(|line| format!("{time} {} {line}\n", level.word())).collect();
                lines.concat()
            }
            LogFormat::Json => serde_json::to_string(self).unwrap_or_default() + "\n",
        }
    }

    /// The JSON Schema of a line.
    pub fn json_schema() -> Value {
        json_schema::of::<LogLine<'_>>(json_schema::Null::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_time_and_a_level() {
        let line = LogLine::now(Level::Warning, LogEvent::Message, "one\ntwo");
        assert_eq!(line.written(LogFormat::Plain), "one\ntwo\n");
        let text = line.written(LogFormat::Text);
        assert!(text.lines().all(|line| line.get(24..30) == Some(" WARN ")), "{text}");
        let json: Value = serde_json::from_str(&line.written(LogFormat::Json)).unwrap();
        assert_eq!(
            (&json["event"], &json["level"], &json["message"]),
            (&"message".into(), &"warning".into(), &"one\ntwo".into())
        );
    }
}
