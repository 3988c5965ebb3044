//! The nodes of the cluster: `/v1/cluster/nodes`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{OpenEnum, lenient::null_as_default};
use crate::{
    base::{
        id::{GroupId, IdError, NodeId},
        region::Region,
        schema::text_schema,
        text::text_serde,
    },
    records::org::NodeState,
};

/// A node and what it does: an item of the result of `GET /v1/cluster/nodes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Node {
    /// The node.
    pub node_id: NodeId,
    /// Its region; it never changes.
    pub region: Region,
    /// Its base URL for clients.
    #[serde(default, deserialize_with = "null_as_default")]
    pub url: String,
    /// Its `host:port` for other nodes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub peer_address: String,
    /// Where it is in its life.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: OpenEnum<NodeLife>,
    /// Whether the answering node believes that it is up.
    #[serde(default, deserialize_with = "null_as_default")]
    pub live: bool,
    /// The groups in which it votes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub votes: Vec<GroupId>,
    /// The groups that it leads.
    #[serde(default, deserialize_with = "null_as_default")]
    pub leads: Vec<GroupId>,
    /// The groups that it is a member of.
    #[serde(default, deserialize_with = "null_as_default")]
    pub replicas: Vec<GroupId>,
}

/// Where a node is in its life, as it is listed: its recorded state, or `replaced`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeLife {
    /// The state that operators set.
    Recorded(NodeState),
    /// Another node took its peer address over, in a cluster of the first feature level; it is removed.
    Replaced,
}

impl NodeLife {
    /// Its spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded(state) => state.as_str(),
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for NodeLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NodeLife {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == Self::Replaced.as_str() {
            Ok(Self::Replaced)
        } else {
            text.parse().map(Self::Recorded)
        }
    }
}

text_serde!(NodeLife);
text_schema!(NodeLife, {
    "enum": NodeState::ALL.map(NodeState::as_str).into_iter().chain([Self::Replaced.as_str()]).collect::<Vec<_>>(),
});

/// The body of `PATCH /v1/cluster/nodes/{node_id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodePatch {
    /// `draining` to drain the node; `member` to undrain it or to cancel its removal. No other state.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [NodeState::Member.as_str(), NodeState::Draining.as_str()])))]
    pub state: NodeState,
}
