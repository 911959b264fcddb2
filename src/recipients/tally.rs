//! How often something was seen in a list, and on which line first.

/// A count with the first line.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first_line: u64,
}

impl Tally {
    pub(super) const fn see(&mut self, line: u64) {
        if self.count == 0 {
            self.first_line = line;
        }
        self.count += 1;
    }
}
