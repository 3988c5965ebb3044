//! The demo's cuts: by region or by node.

use std::collections::BTreeSet;

use concordat_cluster::raft::in_process::InProcessNetwork;
use concordat_proto::{api::demo::DemoTarget, id::NodeId, region::Region};

use crate::node::Cuts;

/// The network, and who is on it.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) network: InProcessNetwork,
    pub(super) regions: BTreeSet<Region>,
    pub(super) nodes: BTreeSet<NodeId>,
}

impl Cuts for Control {
    fn cut(&self, target: &DemoTarget) -> bool {
        match target {
            DemoTarget::Region(region) if self.regions.contains(region) => {
                self.network.cut_region(region);
            }
            DemoTarget::Node(node) if self.nodes.contains(node) => self.network.cut_node(*node),
            DemoTarget::Region(_) | DemoTarget::Node(_) => return false,
        }
        true
    }

    fn heal(&self, target: &DemoTarget) -> bool {
        match target {
            DemoTarget::Region(region) if self.regions.contains(region) => {
                self.network.heal_region(region);
            }
            DemoTarget::Node(node) if self.nodes.contains(node) => self.network.heal_node(*node),
            DemoTarget::Region(_) | DemoTarget::Node(_) => return false,
        }
        true
    }
}
