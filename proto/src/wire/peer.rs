//! The messages between nodes.
//!
//! Bodies of the Raft library's own messages are opaque here: its adapter encodes and decodes them.
//! A proposal travels encoded, with the bytes that it will have in the log.

use super::{
    codec::wire,
    frozen::{
        cluster::V1NodeRecord,
        failover::V1DivergedWrite,
        lease::{V1LeaseGrant, V1StaleReaderSet},
        mirror::{Blob, Text, V1Id, V1LogId, mirror_enum, mirror_struct},
        reply::V1Applied,
    },
};
use crate::{
    base::{
        id::{ClusterId, GroupId, NodeId, WriteId},
        log::{LogId, LogIndex},
        time::LogTime,
    },
    limits,
    records::{
        failover::DivergedWrite,
        lease::{LeaseGrant, StaleReaderSet},
        org::NodeRecord,
    },
    reply::Applied,
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
    StillMember,
    /// Let your replica of this group have the timings of voters that are regions apart, or those
    /// of one region; answered when it has.
    SetTimingProfile {
        /// The group.
        group: GroupId,
        /// Whether the voters are in several regions.
        wide_area: bool,
    },
    /// The end of your replica's log of this closed group? Answered once the group is closed there.
    Closed {
        /// The group.
        group: GroupId,
    },
    /// Do you know, since you were started, that your region's groups are not closed?
    GroupsOpen,
    /// Which writes does your replica of this closed group have that its successor lacks?
    Diverged {
        /// The group.
        group: GroupId,
        /// Entries behind this one.
        after: LogIndex,
        /// Only this write.
        write: Option<WriteId>,
    },
    /// Which feature level do you support? A node of the first release refuses the question.
    FeatureLevel,
    /// [`PeerRequest::Join`], and the newest feature level that the node's build knows. A node of the
    /// first release refuses it, and is asked by the other.
    JoinAt {
        /// The node.
        node: NodeRecord,
        /// The level.
        feature_level: u32,
    },
    /// The run of mine that you know, and whether another process of mine asks you?
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
        /// How long it may wait in the queue.
        wait_ms: u32,
    },
    /// How far have other nodes' replicas of this group come, as they have reported to you? Answered
    /// once one of them is past what the asker knows, or when the time is up. A node of a version that
    /// does not know this request refuses it.
    Progress {
        /// The group.
        group: GroupId,
        /// What the asker knows.
        known: Vec<NodeProgress>,
        /// How long the answer may take.
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
    /// The asking node was removed from the cluster for good. The answer to all of its requests.
    Removed {
        /// The node that took its place, if one did.
        replaced_by: Option<NodeId>,
    },
    /// To [`PeerRequest::StillMember`]: yes.
    StillMember,
    /// To [`PeerRequest::SetTimingProfile`]: the timings that the replica now has.
    TimingProfileSet {
        /// Whether they are those of voters in several regions.
        wide_area: bool,
    },
    /// To [`PeerRequest::Closed`].
    Closed {
        /// The newest entry of the replica, in its log or applied.
        last: LogId,
        /// The newest one that it has applied.
        applied: LogIndex,
    },
    /// To [`PeerRequest::GroupsOpen`].
    GroupsOpen {
        /// Whether it knows so.
        is_known: bool,
    },
    /// To [`PeerRequest::Diverged`]: some, in order of index.
    Diverged {
        /// The writes.
        writes: Vec<DivergedWrite>,
        /// The index to continue after, if there may be more.
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
        /// Whether an earlier process of the asking node has asked since.
        is_twice: bool,
    },
    /// To [`PeerRequest::Progress`]: the replicas that are past what the asker knows.
    Progress {
        /// How far each is.
        replicas: Vec<NodeProgress>,
    },
}

/// How proposing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeReply {
    /// It is committed; this is its result. The stale readers are not included.
    Committed(Applied),
    /// Certainly not appended.
    NotLeader {
        /// The leader, if it is known.
        leader: Option<NodeId>,
    },
    /// Not known.
    Unknown,
    /// It is committed.
    Done {
        /// Its result.
        applied: Applied,
        /// The replicas that may still answer without it.
        stale_readers: StaleReaderSet,
    },
    /// To [`PeerRequest::ProposeInTurn`]: certainly not appended, for it was not its turn in time.
    Queued {
        /// How many others are before it in the queue.
        ahead: u32,
    },
    /// Certainly not appended: the leader has as many writes under way as it takes. Only to nodes of a cluster
    /// at feature level 3.
    Busy,
}

/// The progress of a group's replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupProgress {
    /// The group.
    pub group: GroupId,
    /// Visible to every read that starts now, and in the synced log.
    pub applied: LogIndex,
}

/// How far one node's replica of a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeProgress {
    /// The node.
    pub node: NodeId,
    /// Visible there to every read that starts now, and in its synced log.
    pub applied: LogIndex,
}

/// A message to a peer that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The progress of my replicas.
    Report {
        /// One line a group.
        entries: Vec<GroupProgress>,
    },
    /// The time on my wall clock.
    Clock {
        /// When this was sent.
        now: LogTime,
    },
}

/// The first message of a stream.
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
        /// The Raft adapter's part of it.
        body: Vec<u8>,
    },
}

mirror_struct! {
    V1GroupProgress for GroupProgress { group: u32, applied: u64 }
    V1NodeProgress for NodeProgress { node: u64, applied: u64 }
}

mirror_enum! {
    V1PeerRequest for PeerRequest {
        Propose { group: u32, proposal: Blob },
        Vote { group: u32, body: Blob },
        PreVote { group: u32, body: Blob },
        TransferLeader { group: u32, body: Blob },
        Join(node: V1NodeRecord),
        Leases { groups: Vec<u32> },
        StillMember,
        SetTimingProfile { group: u32, wide_area: bool },
        Closed { group: u32 },
        GroupsOpen,
        Diverged { group: u32, after: u64, write: Option<V1Id> },
        FeatureLevel,
        JoinAt { node: V1NodeRecord, feature_level: u32 },
        Recall { run: u64 },
        ProposeInTurn { group: u32, proposal: Blob, wait_ms: u32 },
        Progress { group: u32, known: Vec<V1NodeProgress>, wait_ms: u32 },
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
        StillMember,
        TimingProfileSet { wide_area: bool },
        Closed { last: V1LogId, applied: u64 },
        GroupsOpen { is_known: bool },
        Diverged { writes: Vec<V1DivergedWrite>, next: Option<u64>, unlisted: u64 },
        FeatureLevel(level: u32),
        Recalled { reported: Vec<V1GroupProgress>, is_twice: bool },
        Progress { replicas: Vec<V1NodeProgress> },
    }
    V1ProposeReply for ProposeReply {
        Committed(applied: V1Applied),
        NotLeader { leader: Option<u64> },
        Unknown,
        Done { applied: V1Applied, stale_readers: V1StaleReaderSet },
        Queued { ahead: u32 },
        Busy,
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
