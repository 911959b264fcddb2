//! Which ids rows have after a copy: a database numbers the rows of all its ledgers together.
//!
//! Knows no database.

use crate::ledger::LedgerError;

/// New ids by old ones. Both ascend, and neighbours mostly stay neighbours, so that runs of them take little room.
#[derive(Debug, Default)]
pub(super) struct IdMap(Vec<Run>);

/// Ids that follow each other both before and after.
#[derive(Debug)]
struct Run {
    old: i64,
    new: i64,
    length: i64,
}

impl IdMap {
    /// Adds a row. Its old id is larger than those before.
    pub(super) fn push(&mut self, old: i64, new: i64) {
        match self.0.last_mut() {
            Some(run) if run.old + run.length == old && run.new + run.length == new => run.length += 1,
            _ => self.0.push(Run { old, new, length: 1 }),
        }
    }

    /// The new id of a row.
    pub(super) fn new_id(&self, old: i64) -> Result<i64, LedgerError> {
        let at = self.0.partition_point(|run| run.old <= old);
        let run = at.checked_sub(1).and_then(|at| self.0.get(at)).filter(|run| old < run.old + run.length);
        run.map(|run| run.new + (old - run.old))
            .ok_or_else(|| LedgerError::damaged(format!("a row refers to row {old}, which is not there")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_found_by_its_new_id(gaps in prop::collection::vec((1..4_i64, 1..3_i64), 0..60)) {
            let mut map = IdMap::default();
            let (mut old, mut new, mut all) = (0, 100, Vec::new());
            for (after, behind) in gaps {
                (old, new) = (old + after, new + behind);
                map.push(old, new);
                all.push((old, new));
            }
            for id in 0..=old + 1 {
                let expected = all.iter().find(|(old, _)| *old == id).map(|(_, new)| *new);
                prop_assert_eq!(map.new_id(id).ok(), expected);
            }
        }
    }

    #[test]
    fn rows_without_gaps_take_the_room_of_one() {
        let mut map = IdMap::default();
        (1..10_000).for_each(|id| map.push(id, id + 77));
        assert_eq!(map.0.len(), 1);
        assert_eq!(map.new_id(9_999).ok(), Some(10_076));
    }
}
