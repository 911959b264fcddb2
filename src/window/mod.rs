//! Hours of the day in which messages may leave, by the clock on a recipient's wall.
//!
//! It is told the time and the zone, and says whether the window is open and when that changes. Clocks that are changed
//! are the whole difficulty, and the rules are these:
//!
//! - A local time that does not exist, because the clock was put forward over it, is the first moment after the gap.
//! - A local time that comes twice, because the clock was put back, opens the window the first time and closes it the
//!   second time: the window is never shorter for it.
//! - A window that lies wholly inside a gap does not open on that day.

use std::fmt;
use std::iter::successors;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// A window that opened so many days ago may still be open: it may run over midnight, and a zone may skip a day.
const DAYS_BACK: i64 = 2;

/// So many days ahead a window opens at the latest: one that opens once a week may miss a week in a gap.
const DAYS_AHEAD: usize = 22;

/// The days of the week on which a window opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days([bool; 7]);

impl Days {
    /// Every day.
    pub const ALL: Self = Self([true; 7]);

    /// Whether a day is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }
}

impl FromIterator<Weekday> for Days {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        let mut all = [false; 7];
        for day in days {
            all[usize::from(day.to_monday_zero_offset().unsigned_abs())] = true;
        }
        Self(all)
    }
}

/// The names of the days, Monday first.
pub const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// From one time of day to another, on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Time,
    to: Time,
    days: Days,
}

/// Whether a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Open {
        /// The first moment at which it is not any more. Windows that follow each other without a break are one, as far
        /// as three weeks ahead.
        closes: Timestamp,
    },
    /// It is not.
    Closed {
        /// The first moment at which it is.
        opens: Timestamp,
    },
}

impl Window {
    /// Open from `from` on, `to` excluded. If `to` is not after `from` it is a time of the next day, and `days` are those
    /// on which the window opens.
    pub const fn new(from: Time, to: Time, days: Days) -> Self {
        Self { from, to, days }
    }

    /// Whether the window is open at a moment in a zone.
    pub fn at(&self, now: Timestamp, zone: &TimeZone) -> Status {
        let mut open_until: Option<Timestamp> = None;
        for (opens, closes) in self.openings(now, zone).filter(|(_, closes)| *closes > now) {
            match open_until {
                None if opens > now => return Status::Closed { opens },
                None => open_until = Some(closes),
                Some(until) if opens <= until => open_until = Some(until.max(closes)),
                Some(closes) => return Status::Open { closes },
            }
        }
        match open_until {
            Some(closes) => Status::Open { closes },
            // Only at the end of all calendars.
            None => Status::Closed { opens: Timestamp::MAX },
        }
    }

    /// The first moment from `now` on at which the window is open: `now` itself if it is.
    pub fn opens_next(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        match self.at(now, zone) {
            Status::Open { .. } => now,
            Status::Closed { opens } => opens,
        }
    }

    /// When it opens and closes on the days around a moment, in their order.
    fn openings(&self, now: Timestamp, zone: &TimeZone) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let first = zone.to_datetime(now).date().saturating_sub(DAYS_BACK.days());
        successors(Some(first), |date| date.tomorrow().ok())
            .take(DAYS_AHEAD)
            .filter(|date| self.days.contains(date.weekday()))
            .filter_map(|date| self.on(date, zone))
    }

    /// When it opens on a day, and when it closes after that.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let last = if self.to > self.from { date } else { date.tomorrow().ok()? };
        let opens = moment(zone, date.to_datetime(self.from), Occurrence::First)?;
        let closes = moment(zone, last.to_datetime(self.to), Occurrence::Second)?;
        (opens < closes).then_some((opens, closes))
    }
}

/// `09:00 to 20:00`, and the days if they are not all.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.to == Time::midnight() { "24:00".to_owned() } else { shown(self.to) };
        write!(f, "{} to {to}", shown(self.from))?;
        if self.days != Days::ALL {
            let names: Vec<&str> =
                DAY_NAMES.into_iter().zip(self.days.0).filter_map(|(name, on)| on.then_some(name)).collect();
            write!(f, " on {}", names.join(", "))?;
        }
        Ok(())
    }
}

fn shown(time: Time) -> String {
    time.strftime(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

/// Which one is meant of a local time that comes twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occurrence {
    First,
    Second,
}

/// The moment of a local time; of one that does not exist, the first moment after.
fn moment(zone: &TimeZone, local: DateTime, twice: Occurrence) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, after } => {
            let offset = if twice == Occurrence::First { before } else { after };
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { after, .. } => {
            // By the later clock a time in the gap is a moment before the change.
            let before_it = after.to_timestamp(local).ok()?;
            zone.following(before_it).find(|change| change.offset() == after).map(|change| change.timestamp())
        }
    }
}

/// The zone of a name such as `Europe/Berlin`, from the data that come with the program, however the name is cased.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The names of all zones.
pub fn zone_names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests;
