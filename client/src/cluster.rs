//! The cluster as one of its nodes sees it: `/v1/cluster`. Read leniently, so that a client may be
//! older or newer than the cluster it looks at.

use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, Identity},
    envelope::null_as_default,
    error::ClientError,
    page,
};

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// Its id.
    #[serde(deserialize_with = "null_as_default")]
    pub cluster_id: String,
    /// What home groups outlive: `node` or `region`.
    #[serde(deserialize_with = "null_as_default")]
    pub survive: String,
    /// Its regions.
    #[serde(deserialize_with = "null_as_default")]
    pub regions: Vec<RegionStatus>,
    /// Its Raft groups.
    #[serde(deserialize_with = "null_as_default")]
    pub groups: Vec<GroupStatus>,
    /// Whether a write made now would succeed.
    #[serde(deserialize_with = "null_as_default")]
    pub would_succeed: WouldSucceed,
}

/// A region and its nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RegionStatus {
    /// Its name.
    pub region: String,
    /// Its nodes.
    #[serde(deserialize_with = "null_as_default")]
    pub nodes: Vec<NodeStatus>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its id.
    pub node_id: String,
    /// Its base URL for clients.
    #[serde(deserialize_with = "null_as_default")]
    pub url: String,
    /// Whether the answering node believes it up.
    #[serde(deserialize_with = "null_as_default")]
    pub live: bool,
    /// Since it was last heard of; `None` of the answering node itself, or when it never was.
    pub heard_ms_ago: Option<u64>,
    /// Its replicas.
    #[serde(deserialize_with = "null_as_default")]
    pub groups: Vec<ReplicaStatus>,
}

/// A replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Of which group.
    pub group: u32,
    /// `leader`, `voter` or `learner`.
    #[serde(deserialize_with = "null_as_default")]
    pub role: String,
    /// The log index that it has applied, where known.
    pub applied: Option<u64>,
    /// For how long the node that tells this has shown what this replica has not reported; none where
    /// it is not late.
    pub late_ms: Option<u64>,
}

/// A Raft group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GroupStatus {
    /// Its number; 0 is the system group.
    pub group: u32,
    /// The region whose organisations it holds; `None` of the system group.
    pub region: Option<String>,
    /// The leader's node id, where one is known.
    pub leader: Option<String>,
    /// The Raft term.
    pub term: Option<u64>,
    /// The log index applied at the leader, where known.
    pub applied: Option<u64>,
    /// Node ids of the voters.
    #[serde(deserialize_with = "null_as_default")]
    pub voters: Vec<String>,
    /// Node ids of the learners.
    #[serde(deserialize_with = "null_as_default")]
    pub learners: Vec<String>,
    /// How far each region is.
    #[serde(deserialize_with = "null_as_default")]
    pub regions: Vec<RegionLag>,
    /// Whether a write of an organisation at home there would succeed.
    #[serde(deserialize_with = "null_as_default")]
    pub would_succeed: WouldSucceed,
}

/// How far a region is behind in one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RegionLag {
    /// The region.
    pub region: String,
    /// The log index that it has applied, where known.
    pub applied: Option<u64>,
    /// Entries behind the leader.
    pub lag_entries: Option<u64>,
    /// For how long the answering node has shown what the region lacks, since it was started at
    /// most: at least this, and an eighth more or 20 ms more at most. Zero when it lacks nothing.
    pub lag_ms: Option<u64>,
    /// How old this knowledge is.
    pub age_ms: Option<u64>,
}

/// Whether a write made now at the answering node would succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WouldSucceed {
    /// With `local_region`.
    #[serde(deserialize_with = "null_as_default")]
    pub local_region: Forecast,
    /// With `all_regions`.
    #[serde(deserialize_with = "null_as_default")]
    pub all_regions: Forecast,
}

/// Yes, or no and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Forecast {
    /// Whether it would.
    #[serde(deserialize_with = "null_as_default")]
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

pub(crate) async fn status(client: &Client) -> Result<ClusterStatus, ClientError> {
    let read = page::one(client, Identity::Operator, "/v1/cluster".to_owned()).await?;
    Ok(read.value)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn is_read_leniently() {
        let status: ClusterStatus = from_value(json!({})).expect("an empty object");
        assert!(!status.would_succeed.all_regions.ok, "nothing is promised by silence");
        let status: ClusterStatus = from_value(json!({
            "cluster_id": "c", "later": [1],
            "regions": [{"region": "us-iowa", "nodes": [
                {"node_id": "1", "url": null, "live": true, "heard_ms_ago": null, "groups": null},
            ]}],
            "groups": [{"group": 0, "region": null, "leader": null, "regions": [{"region": "a"}]}],
            "would_succeed": {"local_region": {"ok": true}, "all_regions": null},
        }))
        .expect("nulls and gaps");
        assert!(status.regions[0].nodes[0].live && status.would_succeed.local_region.ok);
        assert_eq!(status.groups[0].regions[0].lag_entries, None);
    }
}
