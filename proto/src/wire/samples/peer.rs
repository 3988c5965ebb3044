//! Fixed values of messages between nodes, as in `samples/mod.rs`: samples may be added; one that
//! has been released is never changed.

use std::time::Duration;

use super::{Samples, applied_with, bytes, failover, node, region, write_id};
use crate::{
    base::{
        id::{ClusterId, GroupId, NodeId},
        log::{LogIndex, Term},
        time::LogTime,
    },
    records::lease::{LeaseGrant, RegionStaleReaders, StaleReader, StaleReaderSet},
    reply::Reply,
    wire::peer::{
        GroupProgress, NodeProgress, Notice, PeerReply, PeerRequest, ProposeReply, StreamHead,
    },
};

fn grant() -> LeaseGrant {
    let length = Duration::from_millis(500);
    LeaseGrant { group: GroupId(2), term: Term(3), covers: LogIndex(70_000), length }
}

fn node_progress() -> Vec<NodeProgress> {
    vec![NodeProgress { node: NodeId(300), applied: LogIndex(70_000) }]
}

fn stale_reader_set() -> StaleReaderSet {
    let replicas = vec![
        StaleReader { node: NodeId(300), left: Duration::from_millis(123) },
        StaleReader { node: NodeId(301), left: Duration::ZERO },
    ];
    StaleReaderSet {
        regions: vec![RegionStaleReaders { region: region("us-iowa"), counts: true, replicas }],
    }
}

pub(in crate::wire) fn peer_requests() -> Samples<PeerRequest> {
    let group = GroupId(2);
    let body = bytes::<12>(0x40).to_vec();
    vec![
        ("propose", PeerRequest::Propose { group, proposal: body.clone() }),
        ("vote", PeerRequest::Vote { group, body: body.clone() }),
        ("pre_vote", PeerRequest::PreVote { group, body: body.clone() }),
        ("transfer_leader", PeerRequest::TransferLeader { group, body }),
        ("join", PeerRequest::Join(node())),
        ("leases", PeerRequest::Leases { groups: vec![GroupId::SYSTEM, GroupId(2)] }),
        ("standing", PeerRequest::StillMember),
        ("retime", PeerRequest::SetTimingProfile { group, wide_area: true }),
        ("closed", PeerRequest::Closed { group }),
        ("cleared", PeerRequest::GroupsOpen),
        ("diverged", PeerRequest::Diverged { group, after: LogIndex(7), write: None }),
        (
            "diverged_one",
            PeerRequest::Diverged { group, after: LogIndex(0), write: Some(write_id(0x01)) },
        ),
        ("feature_level", PeerRequest::FeatureLevel),
        ("recall", PeerRequest::Recall { run: 1_700_000_000_123 }),
        ("join_at", PeerRequest::JoinAt { node: node(), feature_level: 2 }),
        (
            "propose_in_turn",
            PeerRequest::ProposeInTurn { group, proposal: vec![0x40; 4], wait_ms: 2000 },
        ),
        ("progress", PeerRequest::Progress { group, known: node_progress(), wait_ms: 500 }),
    ]
}

pub(in crate::wire) fn propose_replies() -> Samples<ProposeReply> {
    vec![
        ("committed", ProposeReply::Committed(applied_with(Ok(Reply::Done)))),
        ("not_leader", ProposeReply::NotLeader { leader: Some(NodeId(5)) }),
        ("unknown", ProposeReply::Unknown),
        (
            "done",
            ProposeReply::Done {
                applied: applied_with(Ok(Reply::Done)),
                stale_readers: stale_reader_set(),
            },
        ),
        ("queued", ProposeReply::Queued { ahead: 12 }),
        ("busy", ProposeReply::Busy),
    ]
}

pub(in crate::wire) fn peer_replies() -> Samples<PeerReply> {
    let body = bytes::<12>(0x40).to_vec();
    let cluster = ClusterId::from_bytes(bytes(0xc0));
    vec![
        ("proposed", PeerReply::Proposed(ProposeReply::Unknown)),
        ("raft", PeerReply::Raft(body)),
        ("joined", PeerReply::Joined { cluster, nodes: vec![node()] }),
        ("not_leader", PeerReply::NotLeader { leader: None }),
        ("refused", PeerReply::Refused("just started".to_owned())),
        ("no_cluster", PeerReply::NoCluster),
        ("leases", PeerReply::Leases(vec![grant()])),
        ("removed", PeerReply::Removed { replaced_by: None }),
        ("replaced", PeerReply::Removed { replaced_by: Some(NodeId(5)) }),
        ("standing", PeerReply::StillMember),
        ("retimed", PeerReply::TimingProfileSet { wide_area: true }),
        ("closed", PeerReply::Closed { last: failover::last(), applied: LogIndex(69_999) }),
        ("cleared", PeerReply::GroupsOpen { is_known: true }),
        (
            "diverged",
            PeerReply::Diverged {
                writes: vec![failover::diverged()],
                next: Some(LogIndex(70_001)),
                unlisted: 2,
            },
        ),
        ("feature_level", PeerReply::FeatureLevel(2)),
        (
            "recalled",
            PeerReply::Recalled {
                reported: vec![GroupProgress { group: GroupId(2), applied: LogIndex(70_000) }],
                is_twice: true,
            },
        ),
        ("progress", PeerReply::Progress { replicas: node_progress() }),
    ]
}

pub(in crate::wire) fn notices() -> Samples<Notice> {
    let entries = vec![
        GroupProgress { group: GroupId::SYSTEM, applied: LogIndex(7) },
        GroupProgress { group: GroupId(2), applied: LogIndex(70_000) },
    ];
    vec![
        ("report", Notice::Report { entries }),
        ("clock", Notice::Clock { now: LogTime(1_700_000_000_123) }),
    ]
}

pub(in crate::wire) fn stream_heads() -> Samples<StreamHead> {
    let group = GroupId(2);
    vec![
        ("append", StreamHead::Append { group }),
        ("snapshot", StreamHead::Snapshot { group, body: bytes::<12>(0x40).to_vec() }),
    ]
}
