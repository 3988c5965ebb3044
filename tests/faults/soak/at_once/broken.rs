//! What is broken at a time, and until when. It must not mend anything.

use concordat_tests::{disk::Tampered, links::Way};
use tokio::time::Instant;

/// A node's own fault, and until when it lasts.
pub(super) struct Broken {
    pub(super) until: Instant,
    pub(super) how: How,
}

pub(super) enum How {
    Down,
    Paused,
    FullDisk,
    FailingSyncs(Tampered),
    SlowSyncs(Tampered),
}

/// What is wrong with some links, and until when.
pub(super) struct Trouble {
    pub(super) until: Instant,
    pub(super) ways: Vec<(Vec<usize>, Vec<usize>, Way)>,
}
