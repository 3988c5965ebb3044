//! The ids of writes that the cluster itself proposes.
//!
//! No two nodes, and no two writes of one node, may ever have the same one.

use concordat_proto::id::{NodeId, WriteId};

/// A write id for the cluster's own proposals: unique by the node and a count since its start.
pub(crate) fn internal_write_id(node: NodeId, now_ms: u64, count: u64) -> WriteId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&count.to_be_bytes()[6..]);
    bytes[8..].copy_from_slice(&node.0.to_be_bytes());
    // Version 7, variant 2, as RFC 9562 has them.
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    WriteId::from_bytes(bytes)
}
