//! What the benchmarks share: rounds, medians, and a table of figures with ratios.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its result")]

use std::error::Error;

/// Whatever goes wrong ends the benchmark.
pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// How often everything is measured. Odd, so that the median is one of the figures.
pub(crate) const ROUNDS: usize = 5;

/// Ways to do the same work, measured in turns so that whatever else the machine does meets all of them alike.
pub(crate) struct Contest<'a> {
    title: String,
    entrants: Vec<Entrant<'a>>,
}

struct Entrant<'a> {
    name: &'static str,
    /// One round: how many a second.
    round: Box<dyn FnMut() -> Result<f64> + 'a>,
    figures: Vec<f64>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), entrants: Vec::new() }
    }

    /// Adds an entrant; the first one is the floor that the others are compared with.
    pub(crate) fn entrant(mut self, name: &'static str, round: impl FnMut() -> Result<f64> + 'a) -> Self {
        self.entrants.push(Entrant { name, round: Box::new(round), figures: Vec::new() });
        self
    }

    /// Runs all rounds and prints the table.
    pub(crate) fn run(mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            for entrant in &mut self.entrants {
                entrant.figures.push((entrant.round)()?);
            }
        }
        println!("{:<60}{:>12}{:>12}{:>12}{:>8}", self.title, "median", "least", "most", "ratio");
        let mut floor = None;
        for entrant in &mut self.entrants {
            entrant.figures.sort_by(f64::total_cmp);
            let (least, most) = (entrant.figures[0], entrant.figures[ROUNDS - 1]);
            let median = entrant.figures[ROUNDS / 2];
            let ratio = median / *floor.get_or_insert(median);
            println!("  {:<58}{median:>12.0}{least:>12.0}{most:>12.0}{ratio:>8.2}", entrant.name);
        }
        println!();
        Ok(())
    }
}
