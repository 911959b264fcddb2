//! Problems that are alike, counted: a list of millions of bad rows has as many problems, most of them the same.

use indexmap::IndexMap;

use super::{DrawOptions, Problem, Severity};

/// How many of each kind are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first few.
    First(usize),
    /// Every one.
    All,
}

impl Keep {
    const fn most(self) -> usize {
        match self {
            Self::First(most) => most,
            Self::All => usize::MAX,
        }
    }
}

/// What makes problems alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    severity: Severity,
    code: &'static str,
    what: String,
    file: String,
    /// Each problem of a spec is shown by itself.
    place: Option<(u64, u64)>,
}

/// One of the problems of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its line.
    pub line: u64,
    /// What is particular about it.
    pub detail: Option<Box<str>>,
    /// What was written there.
    pub value: Option<Box<str>>,
}

/// Problems that are alike.
#[derive(Debug)]
pub struct Kind {
    /// The first of them.
    pub first: Problem,
    /// How many there are.
    pub count: u64,
    sites: Vec<Site>,
}

impl Kind {
    /// Where they are, as far as that was kept.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Each of those that were kept, whole.
    pub fn each(&self) -> impl Iterator<Item = Problem> {
        self.sites.iter().map(|site| {
            let mut problem = self.first.clone();
            problem.place.line = self.first.place.line.map(|_| site.line);
            problem.detail = site.detail.as_deref().map(str::to_owned);
            problem.value.clone_from(&site.value);
            problem
        })
    }

    /// The drawn problem with its first places.
    pub fn render(&self, shown: usize, draw: DrawOptions) -> String {
        super::draw::kind(self, shown, draw)
    }
}

/// Problems by kind, in the order in which each kind was first met.
#[derive(Debug)]
pub struct Problems {
    keep: Keep,
    kinds: IndexMap<Alike, Kind>,
    count: u64,
}

impl Default for Keep {
    /// Enough for somebody to see what is wrong.
    fn default() -> Self {
        Self::First(3)
    }
}

impl Default for Problems {
    fn default() -> Self {
        Self::new(Keep::default())
    }
}

impl Problems {
    /// None yet.
    pub fn new(keep: Keep) -> Self {
        Self { keep, kinds: IndexMap::new(), count: 0 }
    }

    /// How many there are in all.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The kinds, in the order in which they were first met.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = &Kind> {
        self.kinds.values()
    }

    /// Adds some.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.add(problem);
        }
    }

    /// Takes out all those about a file, but for one code.
    pub fn forget_about(&mut self, file: &str, but_for: &str) {
        self.kinds.retain(|alike, kind| {
            let stays = alike.file != file || alike.code == but_for;
            self.count -= if stays { 0 } else { kind.count };
            stays
        });
    }

    /// Adds all of others.
    pub fn absorb(&mut self, others: Self) {
        self.count += others.count;
        for (alike, kind) in others.kinds {
            match self.kinds.get_mut(&alike) {
                None => _ = self.kinds.insert(alike, kind),
                Some(known) => {
                    known.count += kind.count;
                    known.sites.extend(kind.sites);
                    known.sites.truncate(self.keep.most());
                }
            }
        }
    }

    fn add(&mut self, problem: Problem) {
        let alike = Alike {
            severity: problem.severity,
            code: problem.code,
            what: problem.what.clone(),
            file: problem.place.file.clone(),
            place: problem.place.column.map(|column| (problem.place.line.unwrap_or_default(), column)),
        };
        let site = Site {
            line: problem.place.line.unwrap_or_default(),
            detail: problem.detail.clone().map(String::into_boxed_str),
            value: problem.value.clone(),
        };
        // Whatever has a place in a text of its own is one problem, however many rows lead to it.
        if alike.place.is_some() && self.kinds.contains_key(&alike) {
            return;
        }
        self.count += 1;
        let kind = self.kinds.entry(alike).or_insert_with(|| Kind { first: problem, count: 0, sites: Vec::new() });
        kind.count += 1;
        if kind.sites.len() < self.keep.most() {
            kind.sites.push(site);
        }
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        let mut all = Self::new(Keep::All);
        all.extend(problems);
        all
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self::from(problems.into_iter().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Place;

    #[test]
    fn all_are_counted_and_the_first_of_each_kind_are_kept() {
        let mut problems = Problems::new(Keep::First(2));
        for line in 1..=5 {
            problems.extend([
                Problem::error("empty", Place::line("list.csv", line), "`phone` is empty"),
                Problem::warning("stripped", Place::line("list.csv", line), "`name` holds a quote").detail("x"),
            ]);
        }
        assert_eq!(problems.count(), 10);
        let kept: Vec<(u64, usize)> = problems.kinds().map(|kind| (kind.count, kind.each().count())).collect();
        assert_eq!(kept, [(5, 2), (5, 2)]);
        let last: Vec<String> =
            problems.kinds().filter_map(|kind| kind.each().last()).map(|one| one.message()).collect();
        assert_eq!(last, ["`phone` is empty", "`name` holds a quote: x"]);
    }
}
