//! For tests of one replica: a node that belongs to no cluster, and simulated leaders that send it
//! entries and commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
    time::LogTime,
    version,
};
use openraft::{
    EntryPayload,
    entry::RaftEntry,
    raft::{AppendEntriesRequest, AppendEntriesResponse},
};
use tokio::time::{Instant, sleep};

use super::{
    config::{Environment, GroupsConfig, Retention, RuntimeClock, Timings, WallClock},
    engine::types::{Entry, Member, Membership, RaftLogId, RaftVote},
    groups::Groups,
    replica::Replica,
    transport::in_process::{DelayMatrix, InProcessNetwork},
};
use crate::{
    log::{LogOptions, RaftLog, SimFiles},
    store::memory::MemoryStore,
};

pub(super) const GROUP: GroupId = GroupId(7);
/// The node that is looked at; it has no vote.
const OWN: u64 = 9;
const VOTERS: [u64; 3] = [1, 2, 3];
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Stopped;

impl WallClock for Stopped {
    fn now(&self) -> LogTime {
        LogTime(1_790_000_000_000)
    }
}

/// A node that belongs to no cluster yet.
pub(super) async fn alone(retention: Retention) -> Groups {
    let log = RaftLog::open(Arc::new(SimFiles::new()), LogOptions::default());
    let region = Region::new("here").unwrap();
    let environment = Environment {
        store: Arc::new(MemoryStore::default()),
        log: log.expect("a new log"),
        transport: InProcessNetwork::new(DelayMatrix::new()).attach("own", region.clone()),
        clock: Arc::new(Stopped),
        steady: Arc::new(RuntimeClock::start()),
        save_cluster: Arc::new(|_| Ok(())),
    };
    let config = GroupsConfig {
        node: NodeId(OWN),
        region,
        cluster: None,
        peer_address: "own".into(),
        api_url: "http://own".into(),
        seeds: Vec::new(),
        bootstrap: None,
        home_timings: Timings::home(),
        system_timings: Timings::wide_area(),
        retention,
        regions: Vec::new(),
        feature_level: version::FEATURE_LEVEL,
    };
    Groups::start(environment, config).await.expect("it starts")
}

pub(super) fn id(term: u64, index: u64) -> RaftLogId {
    RaftLogId::new_term_index(term, index)
}

pub(super) fn blank(term: u64, index: u64) -> Entry {
    Entry::new_blank(id(term, index))
}

pub(super) fn membership() -> Entry {
    let member = |id: u64| (id, Member { region: "here".into() });
    let members: BTreeMap<u64, Member> = VOTERS.into_iter().chain([OWN]).map(member).collect();
    let voters = vec![VOTERS.into_iter().collect::<BTreeSet<u64>>()];
    let membership = Membership::new(voters, members).expect("a membership");
    Entry::new(id(0, 0), EntryPayload::Membership(membership))
}

/// A leader sends entries, and how far it has committed.
pub(super) async fn sends(
    replica: &Replica,
    (leader, term): (u64, u64),
    prev: Option<RaftLogId>,
    entries: Vec<Entry>,
    committed: RaftLogId,
) {
    let request = AppendEntriesRequest {
        vote: RaftVote::new_committed(term, leader),
        prev_log_id: prev,
        entries,
        leader_commit: Some(committed),
    };
    let answer = replica.raft.append_entries(request).await.expect("it runs");
    assert_eq!(answer, AppendEntriesResponse::Success);
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(1)).await;
    }
}
