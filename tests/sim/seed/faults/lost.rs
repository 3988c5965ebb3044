//! Scenarios of the first moments of a group: writes while it is created, and a region that is cut
//! off before it has anything of a successor. The rules for receipts judge the regions in the
//! answers.

use std::time::Duration;

use concordat_node::embedded::EmbeddedNode;
use concordat_proto::region::Region;
use concordat_tests::rng::Rng;

use crate::{operator, world::World};

/// For a successor to be named: the leases of the closed group end, and the survivors answer.
const NAMING_LIMIT: Duration = Duration::from_secs(20);
/// How long a third region is cut off: some writes to all regions end meanwhile.
const CUT_FOR: Duration = Duration::from_secs(6);

/// Creates an organization before the cluster has formed: its group accepts it as soon as it has a
/// leader.
pub(crate) fn write_while_forming(world: &World, rng: &mut Rng) {
    let regions = &world.shape.regions;
    let home = regions[rng.place(regions.len())].clone();
    operator::new_org_beside(world, 1 + rng.below(1 << 40), &home);
}

/// Fails a region over, and cuts a third one off as soon as the successor is named, for some
/// seconds; false where there is none, or no founder was named in the target region.
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
    world.client_network.cut(vec![third.clone()]);
    world.run(CUT_FOR);
    world.network.heal_region(&third);
    world.client_network.cut(Vec::new());
    true
}

/// Whether all nodes of a region know that a node of it is to found the successor of a lost
/// region's group.
fn is_named(world: &World, lost: &Region, to: &Region) -> bool {
    let of_seat: Vec<&EmbeddedNode> = world
        .nodes()
        .filter(|(number, _)| world.hosts[*number].region == *to)
        .map(|(_, node)| node)
        .collect();
    let is_known = |node: &&EmbeddedNode| {
        let regions = node.groups().regions();
        let found = regions.iter().find(|it| it.record.region == *lost);
        found.is_some_and(|it| it.record.voter_region == *to && !it.is_closed)
    };
    !of_seat.is_empty() && of_seat.iter().all(is_known)
}
