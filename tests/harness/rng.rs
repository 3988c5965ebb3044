//! Random numbers from a seed, so that a test can be repeated. The test prints its seed;
//! `CONCORDAT_SEED` sets it.

use uuid::Uuid;

/// A generator (SplitMix64); not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[must_use = "a number drawn for nothing changes all that follow"]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 below 0.
    #[must_use = "a number drawn for nothing changes all that follow"]
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A place below `bound`; 0 below 0.
    #[must_use = "a number drawn for nothing changes all that follow"]
    pub fn place(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("it is below a usize")
    }
}

/// The seed given by `CONCORDAT_SEED`, or a fresh one.
///
/// # Panics
/// When the variable is not a number.
#[must_use]
pub fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is no part of the node's environment")]
    match std::env::var("CONCORDAT_SEED") {
        Ok(text) => text.parse().expect("CONCORDAT_SEED is a number"),
        Err(_) => Uuid::new_v4().as_u64_pair().1 >> 16,
    }
}
