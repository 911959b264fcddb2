//! Deliveries settled over time, in buckets that grow with the time they must cover.
//!
//! The plot is drawn by `plotters` with nothing but its SVG backend, a maintained crate that brings axes with it
//! and little else: three small crates, no fonts, no images, some three seconds of a first build. Its colours are
//! attributes that the page's style overrides, which is what makes the plot follow a dark page. Shares and reasons are plain HTML
//! with one rectangle each: a chart crate would draw their words into a picture, where nobody can select them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plotters::prelude::*;

use crate::humanize::grouped;
use crate::report::Record;
use crate::state::{RESOLVED, State};

/// What a bucket counts, from the bottom of the stack, in colours that the style knows by these very values.
pub(super) const STACK: [(State, RGBColor); 3] = [
    (State::Unknown, RGBColor(0xe6, 0x9f, 0x00)),
    (State::Failed, RGBColor(0xd5, 0x5e, 0x00)),
    (State::Accepted, RGBColor(0x00, 0x72, 0xb2)),
];
const INK: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// Seconds that people count in. Each is a multiple of the one before, so that buckets can be merged.
const WIDTHS: [i64; 13] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];

/// Buckets at most, from the first to the last.
const BUCKETS: i64 = 90;

#[derive(Debug)]
pub(super) struct Throughput {
    /// Seconds of a bucket.
    width: i64,
    /// Counts in the order of [`STACK`], by the time in widths since 1970. Empty ones are absent.
    buckets: BTreeMap<i64, [u64; STACK.len()]>,
    by_hand: u64,
}

impl Default for Throughput {
    fn default() -> Self {
        Self { width: WIDTHS[0], buckets: BTreeMap::new(), by_hand: 0 }
    }
}

impl Throughput {
    pub(super) fn add(&mut self, record: &Record) {
        let Some(at) = record.settled_at else { return };
        let Some(place) = STACK.iter().position(|(outcome, _)| *outcome == record.outcome) else { return };
        // The operator's word may come weeks later and would flatten the plot.
        if record.error_code.as_deref() == Some(RESOLVED) {
            self.by_hand += 1;
            return;
        }
        self.buckets.entry(at.as_second().div_euclid(self.width)).or_default()[place] += 1;
        while self.span().is_some_and(|(first, end)| end - first > BUCKETS) {
            self.widen();
        }
    }

    /// Seconds of a bucket.
    pub(super) const fn width(&self) -> i64 {
        self.width
    }

    /// Deliveries that were settled by hand, which are in no bucket.
    pub(super) const fn by_hand(&self) -> u64 {
        self.by_hand
    }

    /// When each bucket that is not empty begins, and its counts in the order of [`STACK`].
    pub(super) fn buckets(&self) -> impl Iterator<Item = (Timestamp, &[u64; STACK.len()])> {
        self.buckets.iter().map(|(at, counts)| (time(at * self.width), counts))
    }

    /// The first bucket, and the one after the last.
    fn span(&self) -> Option<(i64, i64)> {
        Some((*self.buckets.first_key_value()?.0, self.buckets.last_key_value()?.0 + 1))
    }

    fn widen(&mut self) {
        let wider = step_above(self.width);
        let factor = wider / self.width;
        for (at, counts) in std::mem::take(&mut self.buckets) {
            let bucket = self.buckets.entry(at.div_euclid(factor)).or_default();
            for (sum, count) in bucket.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        self.width = wider;
    }

    /// The plot as an SVG element, so many pixels wide and high; `None` where there is nothing to see.
    pub(super) fn plot(&self, size: (u32, u32)) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
        let Some((first, end)) = self.span() else { return Ok(None) };
        let (start, end) = (first * self.width, end * self.width);
        let highest = self.buckets.values().map(|counts| counts.iter().sum()).max().unwrap_or(1_u64);
        // A label needs some 90 pixels.
        let ticks = ticks(start, end, i64::from(size.0 / 90).max(2));
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin_top(12)
                .margin_right(28)
                .x_label_area_size(26)
                .y_label_area_size(56)
                .build_cartesian_2d((start..end).with_key_points(ticks), 0..highest + highest / 20)
                .map_err(|error| error.to_string())?;
            let label = TextStyle::from(("sans-serif", 15)).color(&INK);
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(GRID)
                .axis_style(GRID)
                .y_labels(5)
                .x_label_formatter(&|at| tick_label(*at, end - start))
                .y_label_formatter(&|count| grouped(*count))
                .x_label_style(label.clone())
                .y_label_style(label)
                .draw()
                .map_err(|error| error.to_string())?;
            chart.draw_series(self.bars()).map_err(|error| error.to_string())?;
            area.present().map_err(|error| error.to_string())?;
        }
        Ok(Some(svg))
    }

    fn bars(&self) -> impl Iterator<Item = Rectangle<(i64, u64)>> {
        self.buckets.iter().flat_map(|(at, counts)| {
            let (from, to) = (at * self.width, (at + 1) * self.width);
            STACK.iter().zip(counts).filter(|(_, count)| **count > 0).scan(0, move |height, ((_, color), count)| {
                let base = *height;
                *height += count;
                let mut bar = Rectangle::new([(from, base), (to, *height)], color.filled());
                bar.set_margin(0, 0, 0, 1);
                Some(bar)
            })
        })
    }
}

/// The next larger of [`WIDTHS`], and doubled beyond them.
fn step_above(width: i64) -> i64 {
    WIDTHS.into_iter().find(|wider| *wider > width).unwrap_or(width * 2)
}

/// Round times between `start` and `end`, at most `most`.
fn ticks(start: i64, end: i64, most: i64) -> Vec<i64> {
    let mut step = 1;
    while (end - start) / step > most {
        step = step_above(step);
    }
    let first = -(-start).div_euclid(step);
    (first..=end.div_euclid(step)).map(|at| at * step).collect()
}

fn tick_label(at: i64, span: i64) -> String {
    let form = match span {
        ..600 => "%H:%M:%S",
        600..86_400 => "%H:%M",
        86_400..604_800 => "%b %-d %H:%M",
        604_800..31_536_000 => "%b %-d",
        _ => "%Y-%m-%d",
    };
    time(at).strftime(form).to_string()
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
