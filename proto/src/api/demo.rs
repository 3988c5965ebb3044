//! What the demo is asked to do to its own network: `/v1/demo/cut` and `/v1/demo/heal`.

use serde::{Deserialize, Serialize};

use crate::base::{id::NodeId, region::Region};

/// The body of `POST /v1/demo/cut` and `POST /v1/demo/heal`: exactly one of a region and a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DemoTarget {
    /// A whole region.
    Region(Region),
    /// One node.
    Node(NodeId),
}
