//! The regions of the cluster and the writes that were lost with one: `/v1/cluster/regions`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{OpenEnum, lenient::null_as_default};
use crate::{
    base::{
        id::{ClientId, GroupId, IdError, NodeId, OrgId, WriteId},
        log::LogIndex,
        region::Region,
        schema::text_schema,
        text::text_serde,
        time::LogTime,
    },
    records::org::RegionState,
};

/// A region and its group: an item of the result of `GET /v1/cluster/regions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberRegion {
    /// The region.
    pub region: Region,
    /// Where it is in its life.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: OpenEnum<RegionLife>,
    /// The region in which its group's voters are placed.
    pub voter_region: Region,
    /// The group of the organizations at home there; absent before its first node has joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The node that creates, or created, that group; absent before its first node has joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub founder: Option<NodeId>,
    /// The group's leader; null where none is known.
    pub leader: Option<NodeId>,
    /// Its nodes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub nodes: Vec<NodeId>,
    /// The group's voters, wherever they are.
    #[serde(default, deserialize_with = "null_as_default")]
    pub voters: Vec<RegionVoter>,
}

/// A voter of a region's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionVoter {
    /// The node.
    pub node_id: NodeId,
    /// Its region.
    pub region: Region,
}

/// Where a region is in its life, as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionLife {
    /// The state that operators set.
    Recorded(RegionState),
    /// Its group is closed, and the successor is being created.
    FailingOver,
    /// It was added and has no node yet.
    Empty,
}

impl RegionLife {
    /// Its spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded(state) => state.as_str(),
            Self::FailingOver => "failing_over",
            Self::Empty => "empty",
        }
    }
}

impl fmt::Display for RegionLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RegionLife {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let own = [Self::FailingOver, Self::Empty].into_iter().find(|life| life.as_str() == text);
        own.map_or_else(|| text.parse().map(Self::Recorded), Ok)
    }
}

text_serde!(RegionLife);
text_schema!(RegionLife, {
    "enum": RegionState::ALL.map(RegionState::as_str).into_iter()
        .chain([Self::FailingOver.as_str(), Self::Empty.as_str()]).collect::<Vec<_>>(),
});

/// The body of `POST /v1/cluster/regions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionAdd {
    /// The region to add.
    pub region: Region,
}

/// A change of a region: the body of `PATCH /v1/cluster/regions/{region}`, with the members of
/// [`RegionPatchBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "RegionPatchBody", try_from = "RegionPatchBody")]
pub enum RegionPatch {
    /// Its removal is canceled.
    CancelRemoval,
    /// This node creates its group. The operator confirms that the node that was to create it never runs
    /// again.
    RecreateGroup(NodeId),
    /// Its group's voters are placed in that region.
    Relocate(Region),
}

/// The JSON of a [`RegionPatch`]: exactly one change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(extend("oneOf" = super::exactly_one(&["state", "recreate_group_on", "voter_region"])))
)]
pub struct RegionPatchBody {
    /// Only `open`: cancels a removal that has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [RegionState::Open.as_str(), null])))]
    pub state: Option<RegionState>,
    /// The node that creates the region's group; takes `confirm_fenced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate_group_on: Option<NodeId>,
    /// Confirms that the node that was to create the group is fenced: stopped and never started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_fenced: Option<bool>,
    /// The region in which the voters of the region's group are placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voter_region: Option<Region>,
}

impl From<RegionPatch> for RegionPatchBody {
    fn from(patch: RegionPatch) -> Self {
        let none = Self::default();
        match patch {
            RegionPatch::CancelRemoval => Self { state: Some(RegionState::Open), ..none },
            RegionPatch::RecreateGroup(node) => {
                Self { recreate_group_on: Some(node), confirm_fenced: Some(true), ..none }
            }
            RegionPatch::Relocate(region) => Self { voter_region: Some(region), ..none },
        }
    }
}

impl TryFrom<RegionPatchBody> for RegionPatch {
    type Error = IdError;
    fn try_from(body: RegionPatchBody) -> Result<Self, IdError> {
        let RegionPatchBody { state, recreate_group_on, confirm_fenced, voter_region } = body;
        match (state, recreate_group_on, voter_region) {
            (Some(RegionState::Open), None, None) => Ok(Self::CancelRemoval),
            (None, Some(node), None) if confirm_fenced == Some(true) => {
                Ok(Self::RecreateGroup(node))
            }
            (None, None, Some(region)) => Ok(Self::Relocate(region)),
            (_, _, _) => Err(IdError { kind: "change of a region" }),
        }
    }
}

/// The body of `POST /v1/cluster/regions/{region}/failover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failover {
    /// The region that orders the writes of the lost region's organizations from now on.
    pub to: Region,
    /// Confirms that all nodes of the lost region are fenced: stopped and kept from restarting. Not needed
    /// if the partition policy `fence` was in force there.
    #[serde(default)]
    pub confirm_fenced: bool,
    /// Nodes of other regions that are permanently lost too; their logs are not waited for.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::NODES_MAX)))]
    pub skip_nodes: Vec<NodeId>,
}

/// The result of `GET /v1/cluster/regions/{region}/divergence`: what the nodes of a lost region have and
/// its successor lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LostWrites {
    /// The nodes that have such writes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub nodes: Vec<DivergedNode>,
    /// The nodes that did not answer.
    #[serde(default, deserialize_with = "null_as_default")]
    pub silent: Vec<NodeId>,
}

/// What one node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DivergedNode {
    /// The node.
    pub node_id: NodeId,
    /// The closed group.
    pub group: GroupId,
    /// How many entries it cannot list any more.
    #[serde(default, deserialize_with = "null_as_default")]
    pub unlisted: u64,
    /// The writes, oldest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub writes: Vec<DivergedWrite>,
}

/// A write that was lost with its region. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DivergedWrite {
    /// The write.
    pub write_id: WriteId,
    /// Its index in the closed group's log.
    pub index: LogIndex,
    /// When the leader appended it: milliseconds since the Unix epoch, by the leader's clock.
    pub at_ms: LogTime,
    /// The organization that wrote it; null if it was of none.
    pub organization_id: Option<OrgId>,
    /// What it was, as in `oidc.patch`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub operation: String,
    /// The credential that it changed; null if it was of none.
    pub oauth_client_id: Option<ClientId>,
    /// Whether the node knew it to be committed. If not, no client got the answer that it was.
    #[serde(default, deserialize_with = "null_as_default")]
    pub committed: bool,
}
