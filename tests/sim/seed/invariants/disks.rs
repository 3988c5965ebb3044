//! A disk that was not altered can be started from, whatever write was interrupted, and its node is never
//! accused of having lost what it reported.
//!
//! It never judges one in which the seed has flipped a bit, or that it has put back to an older copy: that node
//! must report the damage and not take part.

use crate::world::World;

pub(super) fn look(world: &World) -> Result<(), String> {
    for host in &world.hosts {
        if let Some(reason) = &host.unexplained {
            return Err(format!("disks: {} does not start: {reason}", host.number));
        }
        if let Some(fault) = host.fault().filter(|fault| !host.is_harmed && accuses(fault)) {
            return Err(format!("disks: {}'s was not altered: {fault}", host.number));
        }
    }
    Ok(())
}

/// Whether a node stops because its disk has lost something (`raft/join/rollback_check.rs`).
fn accuses(fault: &str) -> bool {
    fault.contains("put back to an older copy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{shape::Shape, trace::Trace};

    #[test]
    fn only_what_was_altered_on_purpose_is_explained() {
        for is_harmed in [false, true] {
            let mut world = World::of(Shape::far_apart(), 1, Trace::default());
            assert_eq!(look(&world), Ok(()));
            let host = &mut world.hosts[0];
            host.is_harmed = is_harmed;
            host.cannot_start("no log".to_owned());
            assert!(host.damaged.is_some());
            assert_eq!(look(&world).is_err(), !is_harmed);
        }
    }
}
