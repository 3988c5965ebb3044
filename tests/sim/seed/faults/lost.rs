//! Scenes about the first moments of a group: writes while it is founded, and a region that is cut off
//! before it has anything of a successor. What the answers say of regions is judged by the rules for
//! receipts.

use std::time::Duration;

use concordat_node::embedded::EmbeddedNode;
use concordat_proto::region::Region;
use concordat_tests::chance::Chance;

use crate::{operator, world::World};

/// For a successor to be named: the leases of the closed group end, and the survivors answer.
const NAMING_LIMIT: Duration = Duration::from_secs(20);
/// For how long a third region hears of nobody: some writes to all regions end meanwhile.
const CUT_FOR: Duration = Duration::from_secs(6);

/// Has an organisation made before the cluster stands: its group takes it as soon as it is led.
pub(crate) fn write_while_forming(world: &World, chance: &mut Chance) {
    let regions = &world.shape.regions;
    let home = regions[chance.place(regions.len())].clone();
    operator::new_org_beside(world, 1 + chance.below(1 << 40), &home);
}

/// Fails a region over, and cuts a third one off as soon as the successor is named, for some seconds;
/// false where there is none, or nobody was named in the region that is to go on.
pub(crate) fn cut_a_third(world: &mut World, lost: &Region, to: &Region) -> bool {
    let is_third = |region: &&Region| *region != lost && *region != to;
    let Some(third) = world.shape.regions.iter().find(is_third).cloned() else { return false };
    operator::fail_over_beside(world, lost, to);
    let until = world.now + NAMING_LIMIT;
    while !is_named(world, lost, to) {
        if world.now >= until {
            return false;
        }
        world.step();
    }
    world.trace.line(format_args!("{third} is cut off from the successor of {lost}"));
    world.network.cut_region(&third);
    world.doors.cut(vec![third.clone()]);
    world.run(CUT_FOR);
    world.network.heal_region(&third);
    world.doors.cut(Vec::new());
    true
}

/// Whether all of a region know that a node of it is to found the successor of a lost region's group.
fn is_named(world: &World, lost: &Region, to: &Region) -> bool {
    let of_seat: Vec<&EmbeddedNode> = world
        .nodes()
        .filter(|(number, _)| world.hosts[*number].region == *to)
        .map(|(_, node)| node)
        .collect();
    let is_known = |node: &&EmbeddedNode| {
        let regions = node.groups().regions();
        let found = regions.iter().find(|it| it.record.region == *lost);
        found.is_some_and(|it| it.record.seat == *to && !it.is_closed)
    };
    !of_seat.is_empty() && of_seat.iter().all(is_known)
}
