//! The bytes of the cluster's own records.
//!
//! The first versions had no state: such a node is a member, such a region is open, and the
//! survival goal is a node's loss. The second versions had no voter region and no partition policy:
//! the group's voters are in its own region, and its leaders serve when partitioned. Commands and
//! messages between nodes keep the first versions for good: registrations, the first entry and the
//! address book do not contain these fields.

use serde::{Deserialize, Serialize};

use super::mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct};
use crate::{
    base::region::Region,
    limits,
    records::org::{
        ClusterRecord, NodeRecord, NodeState, PartitionPolicy, PartitionPolicyRecord, RegionRecord,
        RegionState, SurvivalGoal,
    },
    wire::error::{WireError, ensure},
};

mirror_enum! {
    V1NodeState for NodeState { Member, Draining, Leaving, Removed }
    V1RegionState for RegionState { Open, Leaving, Removed }
    V1SurvivalGoal for SurvivalGoal { Node, Region }
    V1PartitionPolicy for PartitionPolicy { Serve, Fence }
}

mirror_struct! {
    V3RegionRecord for RegionRecord {
        region: Text,
        group: u32,
        founder: u64,
        state: V1RegionState,
        voter_region: Text,
    }
    V1PartitionPolicyRecord for PartitionPolicyRecord { when: V1PartitionPolicy, generation: u32 }
    V2NodeRecord for NodeRecord, check check_node {
        id: u64,
        region: Text,
        peer_address: Text,
        api_url: Text,
        replaced_by: Option<u64>,
        state: V1NodeState,
    }
    V3ClusterRecord for ClusterRecord {
        id: V1Id,
        feature_level: u32,
        survival_goal: V1SurvivalGoal,
        partition_policy: V1PartitionPolicyRecord,
    }
}

/// A region without a life-cycle.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V1RegionRecord {
    region: Text,
    group: u32,
    founder: u64,
}

impl Mirror<V1RegionRecord> for RegionRecord {
    fn freeze(&self) -> V1RegionRecord {
        V1RegionRecord {
            region: self.region.freeze(),
            group: self.group.freeze(),
            founder: self.founder.freeze(),
        }
    }
    fn thaw(frozen: V1RegionRecord) -> Result<Self, WireError> {
        V2RegionRecord {
            region: frozen.region,
            group: frozen.group,
            founder: frozen.founder,
            state: V1RegionState::Open,
        }
        .thawed()
    }
}

/// A region whose group has its voters in the region itself.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V2RegionRecord {
    region: Text,
    group: u32,
    founder: u64,
    state: V1RegionState,
}

impl V2RegionRecord {
    fn thawed(self) -> Result<RegionRecord, WireError> {
        let region: Region = Mirror::thaw(self.region)?;
        Ok(RegionRecord {
            voter_region: region.clone(),
            region,
            group: Mirror::thaw(self.group)?,
            founder: Mirror::thaw(self.founder)?,
            state: Mirror::thaw(self.state)?,
        })
    }
}

impl Mirror<V2RegionRecord> for RegionRecord {
    fn freeze(&self) -> V2RegionRecord {
        V2RegionRecord {
            region: self.region.freeze(),
            group: self.group.freeze(),
            founder: self.founder.freeze(),
            state: self.state.freeze(),
        }
    }
    fn thaw(frozen: V2RegionRecord) -> Result<Self, WireError> {
        frozen.thawed()
    }
}

/// A node without a life-cycle.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V1NodeRecord {
    id: u64,
    region: Text,
    peer_address: Text,
    api_url: Text,
    replaced_by: Option<u64>,
}

impl Mirror<V1NodeRecord> for NodeRecord {
    fn freeze(&self) -> V1NodeRecord {
        V1NodeRecord {
            id: self.id.freeze(),
            region: self.region.freeze(),
            peer_address: self.peer_address.freeze(),
            api_url: self.api_url.freeze(),
            replaced_by: self.replaced_by.freeze(),
        }
    }
    fn thaw(frozen: V1NodeRecord) -> Result<Self, WireError> {
        let node = Self {
            id: Mirror::thaw(frozen.id)?,
            region: Mirror::thaw(frozen.region)?,
            peer_address: Mirror::thaw(frozen.peer_address)?,
            api_url: Mirror::thaw(frozen.api_url)?,
            replaced_by: Mirror::thaw(frozen.replaced_by)?,
            state: NodeState::default(),
        };
        check_node(&node)?;
        Ok(node)
    }
}

/// A cluster before its home groups could outlive a region.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V1ClusterRecord {
    id: V1Id,
    feature_level: u32,
}

impl Mirror<V1ClusterRecord> for ClusterRecord {
    fn freeze(&self) -> V1ClusterRecord {
        V1ClusterRecord { id: self.id.freeze(), feature_level: self.feature_level.freeze() }
    }
    fn thaw(frozen: V1ClusterRecord) -> Result<Self, WireError> {
        Ok(Self {
            id: Mirror::thaw(frozen.id)?,
            feature_level: Mirror::thaw(frozen.feature_level)?,
            survival_goal: SurvivalGoal::default(),
            partition_policy: PartitionPolicyRecord::default(),
        })
    }
}

/// A cluster before its leaders could be fenced.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V2ClusterRecord {
    id: V1Id,
    feature_level: u32,
    survival_goal: V1SurvivalGoal,
}

impl Mirror<V2ClusterRecord> for ClusterRecord {
    fn freeze(&self) -> V2ClusterRecord {
        V2ClusterRecord {
            id: self.id.freeze(),
            feature_level: self.feature_level.freeze(),
            survival_goal: self.survival_goal.freeze(),
        }
    }
    fn thaw(frozen: V2ClusterRecord) -> Result<Self, WireError> {
        Ok(Self {
            id: Mirror::thaw(frozen.id)?,
            feature_level: Mirror::thaw(frozen.feature_level)?,
            survival_goal: Mirror::thaw(frozen.survival_goal)?,
            partition_policy: PartitionPolicyRecord::default(),
        })
    }
}

fn check_node(node: &NodeRecord) -> Result<(), WireError> {
    ensure(node.peer_address.len() <= limits::URL_BYTES_MAX, "peer_address")?;
    ensure(node.api_url.len() <= limits::URL_BYTES_MAX, "api_url")
}
