//! The product's central predicate: whether a write has reached the regions that its caller
//! required.
//!
//! [`Waiters`](super::Waiters) decides whether one region is reached; this file decides which
//! regions must be.

use concordat_proto::region::Region;

use super::{stale_readers::StaleReaders, waiters::RegionWait};
use crate::planted;

/// The regions that a write must reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In one region.
    Region(Region),
    /// In every region of the group's membership.
    All,
}

impl Scope {
    /// Whether a write has reached the required regions. `All` is reached only if some region
    /// counts: a write for which no region counts is not replicated anywhere.
    #[must_use]
    pub fn is_reached(&self, region_waits: &[RegionWait]) -> bool {
        let any_region = || region_waits.iter().any(|of| of.reached.is_some());
        match self {
            Self::Region(wanted) => {
                let mut of_wanted = region_waits.iter().filter(|of| of.region == *wanted);
                planted::on_one_reached(of_wanted.any(|of| of.reached.is_some()), any_region)
            }
            Self::All => {
                let reached = region_waits.iter().any(|of| of.counts)
                    && region_waits.iter().all(|of| of.reached.is_some());
                planted::on_all_reached(reached, any_region)
            }
        }
    }

    /// Whether a region is required.
    #[must_use]
    pub fn is_for(&self, region: &Region) -> bool {
        match self {
            Self::Region(wanted) => wanted == region,
            Self::All => true,
        }
    }

    /// The region asked for must have applied the entry, whether it serves yet or not.
    #[must_use]
    pub fn asked_of(&self, mut stale_readers: StaleReaders) -> StaleReaders {
        if let Self::Region(wanted) = self
            && let Some(of) = stale_readers.regions.get_mut(wanted)
        {
            of.counts = true;
        }
        stale_readers
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn region(number: usize) -> Region {
        Region::new(format!("r{number}")).expect("a region")
    }

    fn region_waits(of: &[(bool, bool)]) -> Vec<RegionWait> {
        let one = |(number, (counts, reached)): (usize, &(bool, bool))| RegionWait {
            region: region(number),
            counts: *counts,
            reached: reached.then_some(Duration::ZERO),
        };
        of.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_write_that_no_region_counts_for_has_reached_nothing() {
        assert!(!Scope::All.is_reached(&[]));
        assert!(!Scope::All.is_reached(&region_waits(&[(false, true)])));
        assert!(!Scope::Region(region(0)).is_reached(&[]));
    }

    proptest! {
        #[test]
        fn all_regions_means_each_of_them(of in vec(any::<(bool, bool)>(), 1..6)) {
            let each = of.iter().all(|(_, reached)| *reached);
            let any_counts = of.iter().any(|(counts, _)| *counts);
            prop_assert_eq!(Scope::All.is_reached(&region_waits(&of)), each && any_counts);
        }

        #[test]
        fn one_region_asks_of_no_other(of in vec(any::<(bool, bool)>(), 1..6), place in 0..6_usize) {
            let wanted = of.get(place).is_some_and(|(_, reached)| *reached);
            let scope = Scope::Region(region(place));
            prop_assert_eq!(scope.is_reached(&region_waits(&of)), wanted);
        }

        #[test]
        fn what_is_reached_stays_so(of in vec(any::<(bool, bool)>(), 1..6), more in 0..6_usize) {
            let before = Scope::All.is_reached(&region_waits(&of));
            let mut later = of;
            if let Some((_, reached)) = later.get_mut(more) {
                *reached = true;
            }
            prop_assert!(!before || Scope::All.is_reached(&region_waits(&later)));
        }
    }
}
