//! What one client draws and knows of other dialects. It asks nothing itself.
//!
//! The draws are from a generator of their own: no other draw depends on them.

use concordat_tests::{
    dialects::{Dialect, Listed},
    rng::Rng,
};

/// Where the seeds with dialects are drawn from.
const DRAW: u64 = 0xd1a_1ec7;

/// Whether clients ask in other dialects.
pub(crate) fn has_dialects(seed: u64) -> bool {
    Rng::new(seed ^ DRAW).below(2) == 0
}

/// A dialect's place in a table.
pub(super) const fn place(dialect: Dialect) -> Option<usize> {
    match dialect {
        Dialect::Native => None,
        Dialect::Generic => Some(0),
        Dialect::Legacy => Some(1),
        Dialect::Jitsudo => Some(2),
        Dialect::Aisquare => Some(3),
    }
}

/// The kinds, by that place.
pub(crate) const KINDS: [&str; 4] = [
    "asked as generic ZITADEL",
    "asked as legacy ZITADEL",
    "asked as jitsudo",
    "asked as AISquare",
];

/// What one client draws and knows of other dialects.
pub(super) struct Speaker {
    pub(super) rng: Rng,
    is_on: bool,
    /// The credentials of each organization, as the last search listed them.
    pub(super) listed: Vec<Vec<Listed>>,
}

impl Speaker {
    pub(super) fn new(seed: u64, orgs: usize, number: usize, is_worker: bool) -> Self {
        let drawn = (seed ^ DRAW).wrapping_mul(983).wrapping_add(number as u64);
        let is_on = is_worker && has_dialects(seed);
        Self { rng: Rng::new(drawn), is_on, listed: vec![Vec::new(); orgs] }
    }

    pub(super) fn is_due(&mut self, one_in: u64) -> bool {
        self.is_on && self.rng.below(one_in) == 0
    }

    pub(super) fn known(&self, org: usize, client_id: &str) -> Option<&Listed> {
        self.listed[org].iter().find(|it| it.client_id == client_id)
    }
}
