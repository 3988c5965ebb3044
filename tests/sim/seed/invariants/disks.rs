//! A disk that nobody has altered can be started from, whatever was cut short while it was written.
//!
//! It never judges one in which the seed has flipped a bit: that one has to say so and not start.

use crate::world::World;

pub(super) fn look(world: &World) -> Result<(), String> {
    for host in &world.hosts {
        if let Some(reason) = &host.unexplained {
            return Err(format!("disks: {} does not start: {reason}", host.number));
        }
    }
    Ok(())
}
