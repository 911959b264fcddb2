//! `send.window`: hours, days and zones as people write them.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Template;
use super::checker::{Checker, template};
use super::one_or_many::OneOrMany;
use super::schema_patterns;
use super::span::{Span, Spanned, Text};
use crate::problem::did_you_mean;
use crate::window::{DAY_NAMES, Days, Window, zone, zone_names};

/// The end of a day, which is a time only as an end.
const END_OF_DAY: [&str; 2] = ["24:00", "24:00:00"];

/// Hours in which messages are sent, in each recipient's local time. Messages outside these hours wait. A time skipped
/// in spring means the first moment after the gap; a time that occurs twice in autumn opens at the first and closes at
/// the second.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Window")]
pub(super) struct RawWindow {
    /// When it opens: `HH:MM` or `HH:MM:SS`, local time.
    #[schemars(with = "schema_patterns::TimeOfDay")]
    pub(super) from: Spanned<String>,
    /// When it closes: `HH:MM` or `HH:MM:SS`, local time, at most `24:00`. If earlier than `from`, it is on the next
    /// day.
    #[schemars(with = "schema_patterns::EndOfDay")]
    pub(super) to: Spanned<String>,
    /// The recipient's time zone: a template such as `{{ timezone }}`, or one zone for everyone, such as
    /// `Europe/Berlin`.
    #[schemars(with = "String")]
    pub(super) timezone: Spanned<Text>,
    /// The time zone for rows whose own is missing or unknown. Without it such rows are a problem.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) fallback: Option<Spanned<String>>,
    /// The days on which it opens: `mon-fri`, or a list such as `[mon, wed, fri]`. Default: all.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Days>")]
    pub(super) days: Option<OneOrMany>,
}

/// The hours in which messages leave, by each recipient's own clock.
#[derive(Debug, Clone)]
pub struct SendWindow {
    /// From when to when, on which days.
    pub hours: Window,
    /// By whose clock.
    pub timezone: Timezone,
    /// The zone of those whose own is missing or unknown; without it they are a problem.
    pub fallback: Option<TimeZone>,
}

/// By whose clock the hours count.
#[derive(Debug, Clone)]
pub enum Timezone {
    /// One zone for everybody.
    Fixed(TimeZone),
    /// The name of the recipient's own.
    PerRow(Template),
}

impl Checker<'_> {
    pub(super) fn window(&mut self, raw: Option<&Spanned<RawWindow>>) -> Option<SendWindow> {
        let Spanned { value: raw, span } = raw?;
        let from = self.time_of_day(&raw.from);
        let whole_day = END_OF_DAY.contains(&raw.to.value.trim());
        let to = if whole_day { Some(Time::midnight()) } else { self.time_of_day(&raw.to) };
        let days = self.days(raw.days.as_ref());
        let timezone = self.timezone(&raw.timezone);
        let fallback = raw.fallback.as_ref().map(|name| self.zone(name.span, &name.value));
        if raw.days.as_ref().is_some_and(|OneOrMany(days)| days.is_empty()) {
            self.problem("window-without-days", *span, "the window opens on no day", "name a day, or remove `days`");
        }
        let (from, to) = (from?, to?);
        if from == to && !whole_day {
            self.problem(
                "window-empty",
                raw.to.span,
                "the window closes when it opens",
                "give it an end; a whole day is from `00:00` to `24:00`",
            );
            return None;
        }
        // One that is not known has been recorded as a problem.
        let fallback = fallback.flatten();
        Some(SendWindow { hours: Window::new(from, to, days?), timezone: timezone?, fallback })
    }

    fn time_of_day(&mut self, raw: &Spanned<String>) -> Option<Time> {
        let time = time_of_day(raw.value.trim());
        if time.is_none() {
            self.problem(
                "not-a-time-of-day",
                raw.span,
                format!("`{}` is not a time of day", raw.value),
                "write hours and minutes, such as `09:00` or `20:30`; `24:00` can only be the end",
            );
        }
        time
    }

    fn timezone(&mut self, raw: &Spanned<Text>) -> Option<Timezone> {
        let text = raw.value.0.as_str();
        if text.contains('{') {
            return Some(Timezone::PerRow(template("send.window.timezone", raw.clone())));
        }
        self.zone(raw.span, text).map(Timezone::Fixed)
    }

    fn zone(&mut self, span: Span, name: &str) -> Option<TimeZone> {
        let found = zone(name.trim());
        if found.is_none() {
            let names = zone_names();
            let hint = did_you_mean(name, names.iter().map(String::as_str)).map_or_else(
                || "a name such as `Europe/Berlin`, or a column: `\"{{ timezone }}\"`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.problem("timezone-unknown", span, format!("`{name}` is not a known time zone"), hint);
        }
        found
    }

    /// Days and ranges of days, one or many; all of them if nothing is said.
    fn days(&mut self, raw: Option<&OneOrMany>) -> Option<Days> {
        let Some(OneOrMany(many)) = raw else { return Some(Days::ALL) };
        let written = many.iter().flat_map(|raw| raw.value.split(',').map(move |text| (raw, text.trim())));
        let ranges: Vec<Option<Vec<Weekday>>> = written.map(|(raw, text)| self.range(raw, text)).collect();
        let days: Vec<Weekday> = ranges.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
        Some(days.into_iter().collect())
    }

    /// `mon`, or `mon-fri`: a range may run over the end of the week.
    fn range(&mut self, raw: &Spanned<String>, text: &str) -> Option<Vec<Weekday>> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (self.day(raw, first.trim())?, self.day(raw, last.trim())?);
        let mut days = vec![first];
        days.extend(first.cycle_forward().skip(1).take(usize::from(first.until(last).unsigned_abs())));
        Some(days)
    }

    fn day(&mut self, raw: &Spanned<String>, name: &str) -> Option<Weekday> {
        let lower = name.to_lowercase();
        let known = DAY_NAMES
            .iter()
            .position(|short| *short == lower)
            .or_else(|| LONG_NAMES.iter().position(|long| *long == lower));
        let day = known.and_then(|n| Weekday::from_monday_zero_offset(i8::try_from(n).ok()?).ok());
        if day.is_none() {
            let near = did_you_mean(name, DAY_NAMES.into_iter().chain(LONG_NAMES));
            let hint = near.map_or_else(
                || format!("days are {}; a range is `mon-fri`", DAY_NAMES.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.problem("unknown-day", raw.span, format!("`{name}` is not a day of the week"), hint);
        }
        day
    }
}

const LONG_NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// `9:00`, `09:00` or `09:00:00`.
fn time_of_day(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &&str, shortest: usize| {
        let fits = (shortest..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i8>().ok().filter(|_| fits)
    };
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (number(hour, 1)?, number(minute, 2)?, 0),
        [hour, minute, second] => (number(hour, 1)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_hours_minutes_and_perhaps_seconds() {
        let read = |text| time_of_day(text).map(|time| time.to_string());
        assert_eq!(read("09:00").as_deref(), Some("09:00:00"));
        assert_eq!(read("9:05").as_deref(), Some("09:05:00"));
        assert_eq!(read("23:59:59").as_deref(), Some("23:59:59"));
        for text in
            ["", "9", "9am", "09:0", "09:00:0", "25:00", "12:60", "24:00", "-1:00", "+9:00", "09:00:00:00", "0900"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
