//! Format versions: what this build writes, and the oldest it still reads.

/// Version byte of a command in a log entry: 2 where it names the policies that it was authorized under, 3
/// where it names also the credential that these were asked about. Every other one is written as of version 1.
pub const COMMAND: u8 = 3;
/// Version byte of a record in a store or snapshot.
pub const RECORD: u8 = 1;
/// Version byte of a node's record: 2 since it has a life-cycle.
pub const NODE_RECORD: u8 = 2;
/// Version byte of the records of regions and the cluster: 2 since they have a state, 3 since voter
/// regions and partition policies.
pub const CLUSTER_RECORD: u8 = 3;
/// Version byte of an organization's record in a home group that it has moved to or is leaving. An
/// organization that never moved has the bytes of its claim, of version 1, and one that has ended those of
/// version 3.
pub const HOME: u8 = 3;
/// Version byte of an organization's key with something beside it. One with nothing beside it has the bytes
/// of version 1.
pub const ORG_KEY: u8 = 2;
/// Version byte of a message between nodes.
pub const PEER: u8 = 1;
/// Version byte of a snapshot's stream.
pub const SNAPSHOT: u8 = 1;
/// Version byte of a position token: 2 since it names the term of its entry. One whose term is not
/// known is written as of version 1, which every build reads.
pub const POSITION: u8 = 2;

/// The newest feature level that this build supports, and the level of a cluster that it creates.
///
/// Every member must support a level before anything of it is written:
/// 1. all that the first release wrote;
/// 2. the raising of the level itself (`RaiseFeatureLevel`, `NoteFeatureLevel`); registrations that
///    do not take another node's address over; successors that keep the names of the writes they
///    began with, and the terms of the log that they were made from; positions with a term; records
///    of lost writes (`NoteLost`); names of regions, without which no node joins
///    (`FormWithRegions`, `AddRegion`);
/// 3. credentials of provider `oidc`; registrations of credentials and profiles of organizations, and
///    the commands of further dialects (`ChangeCredential`, `RemoveCredential`, `BindCredential`,
///    `ClaimDomain`); resources beside credentials (`ChangeResource`); keys beside
///    an organization's first (`ChangeKeys`); suborganizations and ends of organizations
///    (`CreateSuborganization`, `EndOrg`, `EndClaim`,
///    `SettleEnd`); policies (`SetPolicies`, `NotePolicies`), and proposals that
///    name those that they were authorized under, and for which credential; segments of the Raft
///    log of version 2, with entries that were carried over; a channel between nodes for forwarded writes,
///    and the answer that a leader is busy.
///
/// A command states the level that it needs ([`crate::command::Command::feature_level`]). The
/// cluster's level is raised through the log once every member has reported that it supports it.
pub const FEATURE_LEVEL: u32 = 3;
/// The level from which on credentials have registrations.
pub const LEVEL_OF_REGISTRATIONS: u32 = 3;
/// The level from which on writes name the policies that they were authorized under.
pub const LEVEL_OF_POLICIES: u32 = 3;
/// The level from which on live entries of the Raft log are carried over. The segments with them stay
/// on one node; but until the level has risen, that node may be put back to the release before.
pub const LEVEL_OF_CARRIED_ENTRIES: u32 = 3;
/// The level from which on writes are forwarded on a channel of their own, and a leader with too many of them
/// says so.
pub const LEVEL_OF_PROPOSE_CHANNEL: u32 = 3;
/// The level of a cluster whose records have none.
pub const FEATURE_LEVEL_FIRST: u32 = 1;
