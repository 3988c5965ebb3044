//! What nodes say to one another.
//!
//! Bodies of the Raft library's own messages are opaque here: its adapter makes and reads them. A
//! proposal travels encoded, as it will stand in the log.

use super::{
    cluster::V1NodeRecord,
    failover::V1DivergedWrite,
    lease::{V1DangerSet, V1LeaseGrant},
    mirror::{Blob, Text, V1Id, V1LogId, mirror_enum, mirror_struct},
    reply::V1Applied,
    wire,
};
use crate::{
    failover::DivergedWrite,
    id::{ClusterId, GroupId, NodeId, WriteId},
    lease::{DangerSet, LeaseGrant},
    limits,
    log::{LogId, LogIndex},
    org::NodeRecord,
    reply::Applied,
    time::LogTime,
    version,
};

/// A question to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRequest {
    /// Propose this if you lead the group.
    Propose {
        /// The group.
        group: GroupId,
        /// An encoded [`crate::command::Proposal`].
        proposal: Vec<u8>,
    },
    /// Vote for me.
    Vote {
        /// The group.
        group: GroupId,
        /// The library's request.
        body: Vec<u8>,
    },
    /// Would you vote for me?
    PreVote {
        /// The group.
        group: GroupId,
        /// The library's request.
        body: Vec<u8>,
    },
    /// Take the leadership over.
    TransferLeader {
        /// The group.
        group: GroupId,
        /// The library's request.
        body: Vec<u8>,
    },
    /// Let me into the cluster.
    Join(NodeRecord),
    /// Grant me a lease in each of these groups that you lead.
    Leases {
        /// The groups.
        groups: Vec<GroupId>,
    },
    /// Do I still belong to the cluster?
    Standing,
    /// Let your replica of this group have the timings of voters that are regions apart, or those
    /// of one region; answered when it has.
    Retime {
        /// The group.
        group: GroupId,
        /// Whether the voters are to be regions apart.
        across: bool,
    },
    /// What does your replica of this closed group have? Answered once it is closed there.
    Closed {
        /// The group.
        group: GroupId,
    },
    /// Do you know, since you were started, that your region's groups are not closed?
    Cleared,
    /// Which writes does your replica of this closed group have that its successor lacks?
    Diverged {
        /// The group.
        group: GroupId,
        /// Entries behind this one.
        after: LogIndex,
        /// Only this write.
        write: Option<WriteId>,
    },
    /// Which feature level do you know? A node of the first release refuses the question.
    FeatureLevel,
    /// [`PeerRequest::Join`], and the newest feature level that the node's build knows. A node of the
    /// first release refuses it, and is asked by the other.
    JoinAt {
        /// Who.
        node: NodeRecord,
        /// The level.
        feature_level: u32,
    },
    /// What have you heard from me, and does another process of mine ask you?
    Recall {
        /// A name of the process that asks.
        run: u64,
    },
    /// Propose this when it is its turn, if you lead the group. A node of a version that does not
    /// know this request refuses it; it takes [`PeerRequest::Propose`] then.
    ProposeInTurn {
        /// The group.
        group: GroupId,
        /// An encoded [`crate::command::Proposal`].
        proposal: Vec<u8>,
        /// How long it may wait for its turn.
        wait_ms: u32,
    },
}

/// A peer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerReply {
    /// To [`PeerRequest::Propose`].
    Proposed(ProposeReply),
    /// The library's answer.
    Raft(Vec<u8>),
    /// Welcome: the cluster, and who is in it.
    Joined {
        /// Which cluster this is.
        cluster: ClusterId,
        /// Its nodes.
        nodes: Vec<NodeRecord>,
    },
    /// Certainly not done: another node leads.
    NotLeader {
        /// Which, if it is known.
        leader: Option<NodeId>,
    },
    /// Certainly not done.
    Refused(String),
    /// The node that was asked to admit another one belongs to no cluster itself.
    NoCluster,
    /// The leases that could be granted.
    Leases(Vec<LeaseGrant>),
    /// Whoever asks has left the cluster for good. The answer to anything that it asks.
    Removed {
        /// The node that took its place, if one did.
        replaced_by: Option<NodeId>,
    },
    /// To [`PeerRequest::Standing`]: yes.
    Standing,
    /// To [`PeerRequest::Retime`]: the timings that the replica now has.
    Retimed {
        /// Whether they are those of voters that are regions apart.
        across: bool,
    },
    /// To [`PeerRequest::Closed`].
    Closed {
        /// The newest entry of the replica, in its log or applied.
        last: LogId,
        /// The newest one that it has applied.
        applied: LogIndex,
    },
    /// To [`PeerRequest::Cleared`].
    Cleared {
        /// Whether it does.
        is_cleared: bool,
    },
    /// To [`PeerRequest::Diverged`]: some, in order of index.
    Diverged {
        /// The writes.
        writes: Vec<DivergedWrite>,
        /// Where to go on, if there may be more.
        next: Option<LogIndex>,
        /// Writes that the replica has, and whose entries its log does not hold any more.
        unlisted: u64,
    },
    /// To [`PeerRequest::FeatureLevel`]: the newest one that the node's build knows.
    FeatureLevel(u32),
    /// To [`PeerRequest::Recall`].
    Recalled {
        /// The newest report of the asker's replica in each group.
        reported: Vec<GroupProgress>,
        /// Whether a process of the asker that began earlier has asked since.
        is_twice: bool,
    },
}

/// How proposing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeReply {
    /// It is committed; this is what became of it. Who may still answer without it is not told.
    Committed(Applied),
    /// Certainly not appended.
    NotLeader {
        /// Who leads, if it is known.
        leader: Option<NodeId>,
    },
    /// Not known.
    Unknown,
    /// It is committed.
    Done {
        /// What became of it.
        applied: Applied,
        /// Who may still answer without it.
        danger: DangerSet,
    },
    /// To [`PeerRequest::ProposeInTurn`]: certainly not appended, for it was not its turn in time.
    Queued {
        /// How many others go first.
        ahead: u32,
    },
}

/// How far a group's replica has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupProgress {
    /// The group.
    pub group: GroupId,
    /// Visible to every read that starts now, and in the synced log.
    pub applied: LogIndex,
}

/// Something a peer is told and does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// How far my replicas have come.
    Report {
        /// One line a group.
        entries: Vec<GroupProgress>,
    },
    /// What time it is by my wall clock.
    Clock {
        /// When this was sent.
        now: LogTime,
    },
}

/// What a stream begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamHead {
    /// Log entries of a group follow.
    Append {
        /// The group.
        group: GroupId,
    },
    /// A snapshot of a group follows.
    Snapshot {
        /// The group.
        group: GroupId,
        /// What the Raft adapter says of it.
        body: Vec<u8>,
    },
}

mirror_struct! {
    V1GroupProgress for GroupProgress { group: u32, applied: u64 }
}

mirror_enum! {
    V1PeerRequest for PeerRequest {
        Propose { group: u32, proposal: Blob },
        Vote { group: u32, body: Blob },
        PreVote { group: u32, body: Blob },
        TransferLeader { group: u32, body: Blob },
        Join(node: V1NodeRecord),
        Leases { groups: Vec<u32> },
        Standing,
        Retime { group: u32, across: bool },
        Closed { group: u32 },
        Cleared,
        Diverged { group: u32, after: u64, write: Option<V1Id> },
        FeatureLevel,
        JoinAt { node: V1NodeRecord, feature_level: u32 },
        Recall { run: u64 },
        ProposeInTurn { group: u32, proposal: Blob, wait_ms: u32 },
    }
    V1PeerReply for PeerReply {
        Proposed(reply: V1ProposeReply),
        Raft(body: Blob),
        Joined { cluster: V1Id, nodes: Vec<V1NodeRecord> },
        NotLeader { leader: Option<u64> },
        Refused(reason: Text),
        NoCluster,
        Leases(grants: Vec<V1LeaseGrant>),
        Removed { replaced_by: Option<u64> },
        Standing,
        Retimed { across: bool },
        Closed { last: V1LogId, applied: u64 },
        Cleared { is_cleared: bool },
        Diverged { writes: Vec<V1DivergedWrite>, next: Option<u64>, unlisted: u64 },
        FeatureLevel(level: u32),
        Recalled { reported: Vec<V1GroupProgress>, is_twice: bool },
    }
    V1ProposeReply for ProposeReply {
        Committed(applied: V1Applied),
        NotLeader { leader: Option<u64> },
        Unknown,
        Done { applied: V1Applied, danger: V1DangerSet },
        Queued { ahead: u32 },
    }
    V1Notice for Notice {
        Report { entries: Vec<V1GroupProgress> },
        Clock { now: u64 },
    }
    V1StreamHead for StreamHead {
        Append { group: u32 },
        Snapshot { group: u32, body: Blob },
    }
}

wire! {
    PeerRequest: writes version::PEER => V1PeerRequest,
        reads { 1 => V1PeerRequest }, at most limits::FRAME_BYTES_MAX;
    PeerReply: writes version::PEER => V1PeerReply,
        reads { 1 => V1PeerReply }, at most limits::FRAME_BYTES_MAX;
    ProposeReply: writes version::PEER => V1ProposeReply,
        reads { 1 => V1ProposeReply }, at most limits::FRAME_BYTES_MAX;
    Notice: writes version::PEER => V1Notice,
        reads { 1 => V1Notice }, at most limits::FRAME_BYTES_MAX;
    StreamHead: writes version::PEER => V1StreamHead,
        reads { 1 => V1StreamHead }, at most limits::FRAME_BYTES_MAX;
}
