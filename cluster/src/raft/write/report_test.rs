//! The reports of a replica while leaders change: simulated leaders send it entries and commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
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

use crate::{
    log::{LogOptions, RaftLog, SimFiles},
    raft::{
        config::{Environment, GroupsConfig, Retention, RuntimeClock, Timings, WallClock},
        engine::types::{Entry, Member, Membership, RaftLogId, RaftVote},
        groups::Groups,
        replica::Replica,
        transport::in_process::{DelayMatrix, InProcessNetwork},
    },
    store::memory::MemoryStore,
};

const GROUP: GroupId = GroupId(7);
/// The replica that is looked at; it has no vote.
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
async fn alone() -> Groups {
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
        retention: Retention::DEFAULT,
        regions: Vec::new(),
        feature_level: version::FEATURE_LEVEL,
    };
    Groups::start(environment, config).await.expect("it starts")
}

fn id(term: u64, index: u64) -> RaftLogId {
    RaftLogId::new_term_index(term, index)
}

fn blank(term: u64, index: u64) -> Entry {
    Entry::new_blank(id(term, index))
}

fn membership() -> Entry {
    let member = |id: u64| (id, Member { region: "here".into() });
    let members: BTreeMap<u64, Member> = VOTERS.into_iter().chain([OWN]).map(member).collect();
    let voters = vec![VOTERS.into_iter().collect::<BTreeSet<u64>>()];
    let membership = Membership::new(voters, members).expect("a membership");
    Entry::new(id(0, 0), EntryPayload::Membership(membership))
}

/// A leader sends entries, and how far it has committed.
async fn sends(
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

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// A leader of term 3 commits an entry of term 1. This replica has matched that entry, and has none
/// of term 3. It applies the entry, and a failover could prefer a log that ends in term 2.
#[tokio::test]
async fn what_a_later_leader_has_committed_is_reported_with_an_entry_of_its_own() {
    let groups = alone().await;
    groups.core().open(GROUP).await.expect("it opens");
    let replica = groups.core().replica(GROUP).expect("it is open");
    let visible = || replica.visible.load(Ordering::Acquire);
    let first = vec![membership(), blank(1, 1), blank(1, 2)];
    sends(&replica, (1, 1), None, first, id(1, 1)).await;
    until("the first leader's commit is reported", || replica.reportable() == LogIndex(1)).await;

    sends(&replica, (1, 3), Some(id(1, 2)), Vec::new(), id(1, 2)).await;
    until("the later leader's commit is applied", || visible() == 2).await;
    assert_eq!(replica.reportable(), LogIndex(1), "no entry of term 3 is here");

    sends(&replica, (1, 3), Some(id(1, 2)), vec![blank(3, 3)], id(1, 2)).await;
    until("it is reported with the leader's own entry", || replica.reportable() == LogIndex(2))
        .await;
    groups.shutdown().await;
}
