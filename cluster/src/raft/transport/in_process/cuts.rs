//! The cut links: a pure set of regions, nodes and one-way pairs.
//!
//! It never heals anything by itself and knows no connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{id::NodeId, region::Region};

/// One end of a cut link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Every node of a region.
    Region(Region),
    /// One node.
    Node(NodeId),
}

impl From<Region> for Place {
    fn from(region: Region) -> Self {
        Self::Region(region)
    }
}

impl From<&Region> for Place {
    fn from(region: &Region) -> Self {
        Self::Region(region.clone())
    }
}

impl From<NodeId> for Place {
    fn from(node: NodeId) -> Self {
        Self::Node(node)
    }
}

/// A node's location, as far as cuts are concerned. A node without a name cannot be cut by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location<'a> {
    pub(super) region: &'a Region,
    pub(super) node: Option<NodeId>,
}

impl Location<'_> {
    fn is_at(self, place: &Place) -> bool {
        match place {
            Place::Region(region) => self.region == region,
            Place::Node(node) => self.node == Some(*node),
        }
    }
}

/// All cuts in force.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    pub(super) regions: BTreeSet<Region>,
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) links: BTreeSet<(Place, Place)>,
    /// Ways that take longer, either way round.
    pub(super) slow: BTreeMap<(Place, Place), Duration>,
}

impl Cuts {
    /// Whether frames pass from one node to another. A region that is cut off stays connected
    /// inside.
    pub(super) fn passable(&self, from: Location<'_>, to: Location<'_>) -> bool {
        let region_cut = from.region != to.region
            && (self.regions.contains(from.region) || self.regions.contains(to.region));
        let node_cut = from.node != to.node
            && [from.node, to.node].iter().flatten().any(|node| self.nodes.contains(node));
        let link_cut = self.links.iter().any(|(a, b)| from.is_at(a) && to.is_at(b));
        !(region_cut || node_cut || link_cut)
    }

    /// The additional delay of a frame between two nodes.
    pub(super) fn extra(&self, one: Location<'_>, other: Location<'_>) -> Duration {
        let named = self.slow.iter().filter(|((a, b), _)| {
            (one.is_at(a) && other.is_at(b)) || (other.is_at(a) && one.is_at(b))
        });
        named.map(|(_, by)| *by).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_cut_stops_what_it_says_and_no_more() {
        let (east, west) = (Region::new("east").unwrap(), Region::new("west").unwrap());
        let at = |region, node| Location { region, node: Some(NodeId(node)) };
        let (e1, e2, w3) = (at(&east, 1), at(&east, 2), at(&west, 3));

        let mut cuts = Cuts::default();
        cuts.regions.insert(east.clone());
        assert!(!cuts.passable(e1, w3) && !cuts.passable(w3, e1) && cuts.passable(e1, e2));

        let mut cuts = Cuts::default();
        cuts.nodes.insert(NodeId(1));
        assert!(!cuts.passable(e1, e2) && !cuts.passable(w3, e1));
        assert!(cuts.passable(e2, w3) && cuts.passable(e1, e1));

        let mut cuts = Cuts::default();
        cuts.links.insert((Place::Node(NodeId(2)), Place::from(&west)));
        assert!(!cuts.passable(e2, w3) && cuts.passable(w3, e2) && cuts.passable(e1, w3));
    }
}
