//! A disk that was not altered can be started from, whatever write was interrupted.
//!
//! It never judges one in which the seed has flipped a bit: that node must report the damage and
//! not start.

use crate::world::World;

pub(super) fn look(world: &World) -> Result<(), String> {
    for host in &world.hosts {
        if let Some(reason) = &host.unexplained {
            return Err(format!("disks: {} does not start: {reason}", host.number));
        }
    }
    Ok(())
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
