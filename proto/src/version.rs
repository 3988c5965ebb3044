//! Format versions: what this build writes, and the oldest it still reads.

/// Version byte of a command in a log entry.
pub const COMMAND: u8 = 1;
/// Version byte of a record in a store or snapshot.
pub const RECORD: u8 = 1;
/// Version byte of a node's record: 2 since it has a life-cycle.
pub const NODE_RECORD: u8 = 2;
/// Version byte of the records of regions and the cluster: 2 since they have a life-cycle, 3 since
/// groups have seats and leaders can be fenced.
pub const CLUSTER_RECORD: u8 = 3;
/// Version byte of an organisation's record in a home group that it has come to or is leaving. One
/// that never moved has the bytes of its claim, of version 1.
pub const HOME: u8 = 2;
/// Version byte of a message between nodes.
pub const PEER: u8 = 1;
/// Version byte of a snapshot's stream.
pub const SNAPSHOT: u8 = 1;
/// Version byte of a position token.
pub const POSITION: u8 = 1;
