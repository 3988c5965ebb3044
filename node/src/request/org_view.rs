//! An organization as operators see it, and the home groups.

use concordat_cluster::{
    machine::{locate::Located, registered},
    store::StoreError,
};
use concordat_proto::{id::GroupId, movement::HomeRecord, region::Region};

use super::freshness;
use crate::{
    api::outcome::{Answer, OrgView, Outcome, What},
    node::Node,
};

/// An organization with its move, if it is moving.
pub(crate) fn view(node: &Node, home: HomeRecord) -> OrgView {
    let moving_to = home.release.and_then(|release| region_of(node, release.to));
    OrgView { org: home.org, moving_to, settings: None, parent: None }
}

/// The same, with the organization that it belongs to.
///
/// # Errors
/// When the store is broken.
pub(crate) fn view_with_parent(node: &Node, at: &Located) -> Result<OrgView, StoreError> {
    let profile = registered::profile(node.state(), at.group, at.home.org.id)?;
    Ok(OrgView { parent: profile.parent, ..view(node, at.home.clone()) })
}

fn region_of(node: &Node, group: GroupId) -> Option<Region> {
    let group = node.groups.successor(group);
    let mut groups = node.groups.home_groups().into_iter();
    groups.find_map(|(home, region)| (home == group).then_some(region))
}

/// The group of a region's organizations.
pub(crate) fn home_group(node: &Node, region: &Region) -> Option<GroupId> {
    let groups = node.groups.home_groups();
    groups.into_iter().find_map(|(group, home)| (home == *region).then_some(group))
}

/// This node knows of no such organization.
pub(crate) fn absent(node: &Node) -> Answer {
    freshness::mark(Outcome::NotFound(What::Organization), freshness::for_not_found(node))
}
