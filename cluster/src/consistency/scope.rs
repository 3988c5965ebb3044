//! The predicate of the product: whether a write has reached the regions that its caller asked for.
//!
//! Of one region, [`Waiters`](super::Waiters) decides that it is reached; here is which regions must be.

use concordat_proto::region::Region;

use super::{danger::Danger, waiters::Standing};
use crate::planted::{self, Bug};

/// Where a write must have been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In one region.
    Region(Region),
    /// In every region of the group's membership.
    All,
}

impl Scope {
    /// Whether a write that stands like this has reached what was asked for. `All` is reached only where
    /// some region counts: a write that no region is asked about is not replicated anywhere.
    #[must_use]
    pub fn is_reached(&self, standing: &[Standing]) -> bool {
        let at_one = match self {
            Self::All => Bug::AllRegionsAtTheFirst,
            Self::Region(_) => Bug::LocalRegionIsAny,
        };
        if planted::is(at_one) {
            return standing.iter().any(|of| of.reached.is_some());
        }
        match self {
            Self::Region(wanted) => {
                standing.iter().any(|of| of.region == *wanted && of.reached.is_some())
            }
            Self::All => {
                standing.iter().any(|of| of.counts)
                    && standing.iter().all(|of| of.reached.is_some())
            }
        }
    }

    /// Whether a region is asked for.
    #[must_use]
    pub fn is_for(&self, region: &Region) -> bool {
        match self {
            Self::Region(wanted) => wanted == region,
            Self::All => true,
        }
    }

    /// The region asked for must have applied the entry, whether it serves yet or not.
    #[must_use]
    pub fn asked_of(&self, mut danger: Danger) -> Danger {
        if let Self::Region(wanted) = self
            && let Some(of) = danger.regions.get_mut(wanted)
        {
            of.counts = true;
        }
        danger
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

    fn standing(of: &[(bool, bool)]) -> Vec<Standing> {
        let one = |(number, (counts, reached)): (usize, &(bool, bool))| Standing {
            region: region(number),
            counts: *counts,
            reached: reached.then_some(Duration::ZERO),
        };
        of.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_write_that_no_region_counts_for_has_reached_nothing() {
        assert!(!Scope::All.is_reached(&[]));
        assert!(!Scope::All.is_reached(&standing(&[(false, true)])));
        assert!(!Scope::Region(region(0)).is_reached(&[]));
    }

    proptest! {
        #[test]
        fn all_regions_means_each_of_them(of in vec(any::<(bool, bool)>(), 1..6)) {
            let each = of.iter().all(|(_, reached)| *reached);
            let any_counts = of.iter().any(|(counts, _)| *counts);
            prop_assert_eq!(Scope::All.is_reached(&standing(&of)), each && any_counts);
        }

        #[test]
        fn one_region_asks_of_no_other(of in vec(any::<(bool, bool)>(), 1..6), place in 0..6_usize) {
            let wanted = of.get(place).is_some_and(|(_, reached)| *reached);
            let scope = Scope::Region(region(place));
            prop_assert_eq!(scope.is_reached(&standing(&of)), wanted);
        }

        #[test]
        fn what_is_reached_stays_so(of in vec(any::<(bool, bool)>(), 1..6), more in 0..6_usize) {
            let before = Scope::All.is_reached(&standing(&of));
            let mut later = of;
            if let Some((_, reached)) = later.get_mut(more) {
                *reached = true;
            }
            prop_assert!(!before || Scope::All.is_reached(&standing(&later)));
        }
    }
}
