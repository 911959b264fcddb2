//! Random numbers that can be had again: the seed is printed, and read from the environment.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Random numbers (splitmix64) whose seed a failure shows; the environment plays one again.
pub(crate) struct Random(u64);

impl Random {
    #[expect(clippy::disallowed_methods, reason = "a seed is given by the environment")]
    #[expect(clippy::print_stdout, reason = "a failure shows its seed")]
    pub(crate) fn from_environment(variable: &str) -> Self {
        let now = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
        let seed = std::env::var(variable).map_or_else(|_| now(), |seed| seed.parse().unwrap());
        println!("{variable}={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
