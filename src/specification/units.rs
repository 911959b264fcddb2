//! Amounts as people write them: `20/s`, `1000/day`, `30s`, `10%`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// The time from one to the next when they are evenly spaced.
    pub fn interval(self) -> Duration {
        self.per / self.count.get()
    }

    /// For how long a message counts in a quota: a little longer than the unit. Requests travel for different times, and the server
    /// must not see one too many.
    pub fn quota_window(self) -> Duration {
        self.per + (self.per / 100).min(Duration::from_millis(100))
    }
}

/// The units of time in a rate, the first name being the one that is printed.
const UNITS: [(&[&str], u64); 4] =
    [(&["s", "sec", "second"], 1), (&["min", "m", "minute"], 60), (&["h", "hour"], 3_600), (&["day", "d"], 86_400)];

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, unit) = text.split_once('/').ok_or("a rate is a number and a unit, such as `20/s` or `600/h`")?;
        let count = count.trim().replace('_', "").parse().map_err(|_| "the number before `/` must be 1 or more")?;
        let seconds = UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit.trim()))
            .map(|(_, seconds)| *seconds)
            .ok_or("the unit after `/` is one of `s`, `min`, `h` and `day`")?;
        Ok(Self { count, per: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, seconds)| *seconds == self.per.as_secs()).map_or("?", |(names, _)| names[0]);
        write!(f, "{}/{unit}", self.count)
    }
}

/// A speed limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it goes.
    Unlimited,
    /// Never faster than this.
    Limited(Rate),
}

impl Speed {
    /// The time from one to the next when they are evenly spaced; `None` without a limit.
    pub fn interval(self) -> Option<Duration> {
        match self {
            Self::Unlimited => None,
            Self::Limited(rate) => Some(rate.interval()),
        }
    }

    /// A tenth of it.
    pub(super) fn tenth(self) -> Self {
        let Self::Limited(Rate { count, per }) = self else { return Self::Unlimited };
        let tenth = NonZeroU32::new(count.get() / 10).map(|count| Rate { count, per });
        // Below ten in a unit: so many in the next one, rounded down; never none.
        let longer = || {
            let (_, seconds) = UNITS.iter().find(|(_, seconds)| *seconds > per.as_secs())?;
            let times = u32::try_from(*seconds / per.as_secs().max(1)).ok()?;
            let count = NonZeroU32::new(count.get().saturating_mul(times) / 10)?;
            Some(Rate { count, per: Duration::from_secs(*seconds) })
        };
        Self::Limited(tenth.or_else(longer).unwrap_or(Rate { count: NonZeroU32::MIN, per }))
    }
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" { Ok(Self::Unlimited) } else { text.parse().map(Self::Limited) }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Limited(rate) => rate.fmt(f),
        }
    }
}

/// A positive length of time such as `30s`, `500ms` or `1m 30s`, at most a week.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const MAX_DURATION: Duration = Duration::from_secs(7 * 86_400);
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "a duration is a number with a unit, such as `30s` or `500ms`")?;
    let duration = Duration::try_from(parsed).map_err(|_| "a duration cannot be negative")?;
    if duration.is_zero() || duration > MAX_DURATION {
        return Err("a duration is more than zero and at most a week");
    }
    Ok(duration)
}

/// A share such as `10%`, as a fraction of one.
pub(super) fn share(text: &str) -> Result<f64, &'static str> {
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|percent| (0.0..=100.0).contains(percent) && *percent > 0.0)
        .map(|percent| percent / 100.0)
        .ok_or("a share is a percentage above 0 and up to 100, such as `10%`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_printed_alike() {
        for text in ["20/s", "600/h", "1000/day", "1/min"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("50/s".parse::<Rate>().unwrap().interval(), Duration::from_millis(20));
        for text in ["20", "0/s", "-1/s", "20/fortnight", "/s", "1.5/s", "99999999999/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!("unlimited".parse(), Ok(Speed::Unlimited));
        for (whole, tenth) in
            [("50/s", "5/s"), ("5/s", "30/min"), ("1/min", "6/h"), ("3/day", "1/day"), ("unlimited", "unlimited")]
        {
            assert_eq!(whole.parse::<Speed>().unwrap().tenth().to_string(), tenth);
        }
    }

    #[test]
    fn durations_and_shares() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "30", "-5s", "0s", "9999999h", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!((share("10%").unwrap() - 0.1).abs() < 1e-9);
        for text in ["10", "0%", "101%", "-1%", "x%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
