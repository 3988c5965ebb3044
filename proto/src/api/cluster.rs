//! The cluster as one of its nodes sees it: `/v1/cluster` and `/v1/cluster/digest`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{OpenEnum, lenient::null_as_default};
use crate::{
    base::{
        id::{ClusterId, GroupId, NodeId},
        log::{LogIndex, Term},
        region::Region,
        text::text_enum,
    },
    records::{
        lease::LeaseTerms,
        org::{PartitionPolicy, SurvivalGoal},
    },
};

/// The result of `GET /v1/cluster`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterStatus {
    /// The cluster's id; null before the answering node has joined one.
    pub cluster_id: Option<ClusterId>,
    /// The behaviors that are switched on cluster-wide.
    #[serde(default, deserialize_with = "null_as_default")]
    pub feature_level: u32,
    /// What home groups survive.
    #[serde(default, deserialize_with = "null_as_default")]
    pub survival_goal: OpenEnum<SurvivalGoal>,
    /// The read leases. A node always writes it.
    pub lease: Option<LeaseSettings>,
    /// The regions that have nodes, in order of name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub regions: Vec<RegionStatus>,
    /// The Raft groups.
    #[serde(default, deserialize_with = "null_as_default")]
    pub groups: Vec<GroupStatus>,
    /// Whether a write made now at the answering node would succeed, at home in any region.
    #[serde(default, deserialize_with = "null_as_default")]
    pub write_available: WriteAvailable,
    /// The answering node. A node always writes it.
    pub this_node: Option<ThisNode>,
}

/// The read leases: how long they are, and how far clocks may drift apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseSettings {
    /// The length for replicas in a group's home region, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 5000)))]
    pub local_ms: u64,
    /// The length for all other replicas, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 5000)))]
    pub remote_ms: u64,
    /// By how many per cent the monotonic clocks of two nodes may drift apart. Optional in a request.
    #[cfg_attr(feature = "schema", schemars(range(min = crate::limits::CLOCK_DRIFT_PERCENT_MIN, max = crate::limits::CLOCK_DRIFT_PERCENT_MAX)))]
    #[serde(default = "default_drift")]
    pub clock_drift_percent: u32,
}

const fn default_drift() -> u32 {
    LeaseTerms::DEFAULT.drift_percent
}

impl From<LeaseTerms> for LeaseSettings {
    fn from(terms: LeaseTerms) -> Self {
        let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Self {
            local_ms: ms(terms.home),
            remote_ms: ms(terms.away),
            clock_drift_percent: terms.drift_percent,
        }
    }
}

impl From<LeaseSettings> for LeaseTerms {
    fn from(settings: LeaseSettings) -> Self {
        Self {
            home: Duration::from_millis(settings.local_ms),
            away: Duration::from_millis(settings.remote_ms),
            drift_percent: settings.clock_drift_percent,
        }
    }
}

/// A region and its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionStatus {
    /// The region.
    pub region: Region,
    /// Its nodes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub nodes: Vec<NodeStatus>,
}

/// A node as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeStatus {
    /// The node.
    pub node_id: NodeId,
    /// Its base URL for clients.
    #[serde(default, deserialize_with = "null_as_default")]
    pub url: String,
    /// Whether the answering node believes that it is up.
    #[serde(default, deserialize_with = "null_as_default")]
    pub live: bool,
    /// Since the answering node last heard from it, in milliseconds; null of the answering node itself,
    /// and of a node that it never heard from.
    pub last_heard_ms: Option<u64>,
    /// Its replicas.
    #[serde(default, deserialize_with = "null_as_default")]
    pub groups: Vec<ReplicaStatus>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReplicaStatus {
    /// The Raft group.
    pub group: GroupId,
    /// What it is in the group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub role: OpenEnum<ReplicaRole>,
    /// The log index that it has applied. A node always writes it.
    pub applied: Option<LogIndex>,
    /// For how long an entry that the answering node has applied was not reported by this replica, in
    /// milliseconds; absent if it is not late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<u64>,
}

/// What a replica is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaRole {
    /// It orders the writes.
    Leader,
    /// It votes.
    Voter,
    /// It replicates and does not vote.
    Learner,
}

text_enum!(ReplicaRole, "replica role", {
    Leader => "leader",
    Voter => "voter",
    Learner => "learner",
});

/// A Raft group as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupStatus {
    /// The group; 0 is the system group.
    pub group: GroupId,
    /// The region whose organizations it holds; null of the system group.
    pub region: Option<Region>,
    /// The leader; null where none is known.
    pub leader: Option<NodeId>,
    /// The Raft term. A node always writes it.
    pub term: Option<Term>,
    /// The log index that the leader has applied. A node always writes it.
    pub applied: Option<LogIndex>,
    /// The voters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub voters: Vec<NodeId>,
    /// The learners.
    #[serde(default, deserialize_with = "null_as_default")]
    pub learners: Vec<NodeId>,
    /// How far each region is.
    #[serde(default, deserialize_with = "null_as_default")]
    pub regions: Vec<RegionLag>,
    /// Whether a write of an organization at home there would succeed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub write_available: WriteAvailable,
    /// Replicas that are refused leases because they are slow, if the answering node is the leader.
    #[serde(default, deserialize_with = "null_as_default")]
    pub leases_refused: Vec<NodeId>,
}

/// How far a region is behind in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// The log index that it has applied. A node always writes it.
    pub applied: Option<LogIndex>,
    /// Entries behind the leader. A node always writes it.
    pub lag_entries: Option<u64>,
    /// For how long the answering node has shown what the region lacks, in milliseconds, since it was
    /// started at most: at least this, and an eighth more or 20 ms more at most. Zero if it lacks nothing.
    /// A node always writes it.
    pub lag_ms: Option<u64>,
    /// How old this knowledge is, in milliseconds; null where the region never reported.
    pub age_ms: Option<u64>,
}

/// Whether a write made now at the answering node would succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WriteAvailable {
    /// With the required consistency `local_region`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub local_region: Forecast,
    /// With the required consistency `all_regions`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub all_regions: Forecast,
}

/// Yes, or no and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// Whether it would succeed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ok: bool,
    /// Why it would not, for people; absent if it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answering node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThisNode {
    /// The node.
    pub node_id: NodeId,
    /// Whether it can answer reads.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ready_for_reads: Forecast,
    /// Whether it can take writes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ready_for_writes: Forecast,
    /// Its disk.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disk: DiskStatus,
    /// The longest stall of its runtime within the last minute, in milliseconds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub runtime_stall_ms: u64,
    /// By how much its wall clock is ahead of the other nodes', in milliseconds; negative if it is behind.
    #[serde(default, deserialize_with = "null_as_default")]
    pub clock_ahead_ms: i64,
}

/// The disk of the answering node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiskStatus {
    /// Whether it syncs in time.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ok: bool,
    /// For how long the oldest unsynced write has waited, in milliseconds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub unsynced_ms: u64,
}

/// The body of `PATCH /v1/cluster`: exactly one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClusterPatch {
    /// What home groups survive.
    SurvivalGoal(SurvivalGoal),
    /// The read leases.
    Lease(LeaseSettings),
    /// What leaders do that are partitioned from the rest of the cluster with their region.
    PartitionPolicy(PartitionPolicy),
}

/// The result of `GET /v1/cluster/digest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Digests {
    /// The answering node.
    pub node_id: NodeId,
    /// A digest for each group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub groups: Vec<GroupDigest>,
}

/// The digest of a replica's state: equal on two nodes at the same index, or one of them is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupDigest {
    /// The group.
    pub group: GroupId,
    /// The log index that the state includes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub applied: LogIndex,
    /// 32 hexadecimal digits.
    #[serde(default, deserialize_with = "null_as_default")]
    pub digest: String,
}

#[cfg(feature = "schema")]
const _: () = {
    use crate::limits::{LEASE_MAX, LEASE_MIN};
    assert!(LEASE_MIN.as_millis() == 100 && LEASE_MAX.as_millis() == 5000, "as the schema says");
};
