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
/// Version byte of a position token: 2 since it names the term of its entry. One whose term is not
/// known is written as of version 1, which every build reads.
pub const POSITION: u8 = 2;

/// The newest feature level that this build knows, and the level of a cluster that it begins.
///
/// A level is what every member must know before anything of it is written:
/// 1. all that the first release wrote;
/// 2. the raising of the level itself (`RaiseFeatureLevel`, `NoteFeatureLevel`); registrations that end
///    no other node of their address; successors that keep the names of the writes they began with, and
///    the terms of the log that they were made from; positions with a term; records of writes that were
///    called lost (`NoteLost`); names of regions, without which no node joins (`FormWithRegions`,
///    `AddRegion`).
///
/// A command says which level it needs ([`crate::command::Command::feature_level`]). The cluster's
/// level is raised through the log once every member has said that it knows it.
pub const FEATURE_LEVEL: u32 = 2;
/// The level of a cluster in whose records none is noted.
pub const FEATURE_LEVEL_FIRST: u32 = 1;
