//! Nine replicas of every group in this process: three regions of three nodes over the in-process
//! network, with logs on simulated disks and state in memory.
//!
//! It needs neither a binary nor a socket, so it is the first place to look when the real processes
//! of the other files fail. A stopped node loses power: what its log had not synced is kept, lost or
//! torn by a seed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concordat_cluster::{
    log::{LogOptions, RaftLog, SimFiles},
    machine::query,
    raft::{
        Bootstrap, Environment, Groups, GroupsConfig, Proposed, Retention, Scope, Timings,
        WallClock,
        in_process::{DelayMatrix, InProcessNetwork, InProcessTransport},
    },
    store::{Reader, Store, memory::MemoryStore},
};
use concordat_proto::{
    command::{Command, Proposal},
    id::{ClientId, ClusterId, GroupId, KeyId, NodeId, OrgId, WriteId},
    log::LogIndex,
    oidc::{OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
    org::{ApiKey, Org, Rights, WrappedKey},
    region::Region,
    secret::Sealed,
    time::LogTime,
};
use concordat_tests::wait::within;
use tokio::time::Instant;
use uuid::Uuid;

use crate::fleet;

pub(crate) const REGIONS: [&str; 3] = ["us-iowa", "europe-belgium", "asia-japan"];
/// For anything that must come about by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// For one write, over a change of leader.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(20);
const ORG: OrgId = OrgId::from_bytes([7; 16]);

/// Real enough: milliseconds since some day in 2026, counted by tokio's clock.
#[derive(Debug)]
struct Clock(Instant);

impl WallClock for Clock {
    fn now(&self) -> LogTime {
        LogTime(1_790_000_000_000).after(self.0.elapsed())
    }
}

/// What a process has while it runs.
pub(crate) struct Running {
    pub(crate) groups: Groups,
    log: RaftLog,
    transport: Arc<InProcessTransport>,
}

/// A place in the cluster: an address with a disk.
pub(crate) struct Place {
    pub(crate) region: Region,
    pub(crate) address: String,
    /// What it tells others to be its address.
    pub(crate) told: String,
    pub(crate) id: NodeId,
    files: SimFiles,
    store: Arc<MemoryStore>,
    cluster: Arc<Mutex<Option<ClusterId>>>,
    pub(crate) running: Option<Running>,
}

pub(crate) struct Nine {
    pub(crate) network: InProcessNetwork,
    pub(crate) places: Vec<Place>,
    retention: Retention,
    ids_made: u64,
    power_failures: u64,
}

impl Nine {
    pub(crate) async fn start(retention: Retention) -> Self {
        let delays = DelayMatrix::new().elsewhere(Duration::from_millis(20));
        let mut nine = Self {
            network: InProcessNetwork::new(delays),
            places: Vec::new(),
            retention,
            ids_made: 0,
            power_failures: 0,
        };
        for place in 0..9 {
            let empty = nine.empty_place(place);
            nine.places.push(empty);
        }
        for place in 0..9 {
            nine.run(place).await;
        }
        nine.settled().await;
        nine
    }

    pub(crate) fn empty_place(&mut self, place: usize) -> Place {
        self.ids_made += 1;
        Place {
            region: Region::new(REGIONS[place / 3]).unwrap(),
            address: format!("place-{place}"),
            told: format!("place-{place}"),
            id: NodeId(0x1000 * self.ids_made + place as u64),
            files: SimFiles::new(),
            store: Arc::new(MemoryStore::default()),
            cluster: Arc::default(),
            running: None,
        }
    }

    pub(crate) async fn run(&mut self, number: usize) {
        let place = &self.places[number];
        let options = LogOptions {
            segment_bytes: 1 << 20,
            cache_bytes_max: 1 << 20,
            ..LogOptions::default()
        };
        let log = RaftLog::open(Arc::new(place.files.clone()), options).expect("the log opens");
        let transport = self.network.attach(place.address.clone(), place.region.clone());
        let cluster = Arc::clone(&place.cluster);
        let environment = Environment {
            store: Arc::clone(&place.store) as Arc<dyn Store>,
            log: log.clone(),
            transport: transport.clone(),
            clock: Arc::new(Clock(Instant::now())),
            save_cluster: Arc::new(move |id| {
                *cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
                Ok(())
            }),
        };
        let groups = Groups::start(environment, self.config(number)).await.expect("it starts");
        transport.serve(groups.service());
        self.places[number].running = Some(Running { groups, log, transport });
    }

    fn config(&self, number: usize) -> GroupsConfig {
        let place = &self.places[number];
        let quick = |heartbeat| Timings {
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(heartbeat * 3),
            election_max: Duration::from_millis(heartbeat * 6),
        };
        GroupsConfig {
            node: place.id,
            region: place.region.clone(),
            cluster: *place.cluster.lock().unwrap_or_else(PoisonError::into_inner),
            peer_address: place.told.clone(),
            api_url: format!("http://{}", place.address),
            seeds: [0, 3, 6].map(|seed| format!("place-{seed}")).to_vec(),
            bootstrap: (number == 0).then(|| Bootstrap {
                cluster: ClusterId::from_bytes([9; 16]),
                operator_key: api_key(1),
            }),
            home_timings: quick(150),
            system_timings: quick(250),
            retention: self.retention,
        }
    }

    /// Cuts the power of a node.
    pub(crate) async fn stop(&mut self, number: usize) {
        self.power_failures += 1;
        let running = self.places[number].running.take().expect("it runs");
        running.transport.detach();
        self.places[number].files = self.places[number].files.crash(self.power_failures);
        running.groups.shutdown().await;
        running.log.shutdown();
    }

    pub(crate) fn groups(&self, number: usize) -> &Groups {
        &self.places[number].running.as_ref().expect("it runs").groups
    }

    pub(crate) fn all_running(&self) -> impl Iterator<Item = (usize, &Groups)> {
        let running = |(number, place): (usize, &'_ Place)| place.running.as_ref().map(|_| number);
        let numbers: Vec<usize> = self.places.iter().enumerate().filter_map(running).collect();
        numbers.into_iter().map(|number| (number, self.groups(number)))
    }

    /// Waits until every running node says that it is ready and every group has its members.
    pub(crate) async fn settled(&self) {
        self.settled_with(9).await;
    }

    /// The same, with so many nodes.
    pub(crate) async fn settled_with(&self, nodes: usize) {
        within("the cluster has formed", LIMIT, async || {
            for (number, groups) in self.all_running() {
                if let Some(reason) = groups.faulted().borrow().clone() {
                    panic!("node {number} stopped: {reason}");
                }
                groups.ready().map_err(|reason| format!("node {number}: {reason}"))?;
                let status = groups.status().await;
                if status.groups.len() != 4 {
                    return Err(format!("node {number} has {} groups", status.groups.len()));
                }
                for group in &status.groups {
                    let members = group.voters.len() + group.learners.len();
                    if group.voters.len() < 3 || members != nodes {
                        let (voters, learners) = (&group.voters, &group.learners);
                        return Err(format!("{}: {voters:?} + {learners:?}", group.group));
                    }
                }
            }
            Ok(())
        })
        .await;
    }

    /// The home group of the first region.
    pub(crate) fn home(&self) -> GroupId {
        let home =
            |(group, region): (GroupId, Region)| (region.as_str() == REGIONS[0]).then_some(group);
        // One that was just started may not know it yet.
        let mut known = self.all_running().flat_map(|(_, groups)| groups.home_groups());
        known.find_map(home).expect("the first region has a group")
    }

    pub(crate) async fn leader_place(&self) -> usize {
        let home = self.home();
        within("the home group has a leader", LIMIT, async || {
            for (number, groups) in self.all_running() {
                let status = groups.status().await;
                let group = status.groups.iter().find(|of| of.group == home);
                if group.and_then(|group| group.leader) == Some(self.places[number].id) {
                    return Ok(number);
                }
            }
            Err("nobody says that it leads".into())
        })
        .await
    }

    pub(crate) fn proposal(&self, via: usize, command: Command) -> Proposal {
        let now = Clock(Instant::now()).now();
        Proposal {
            write_id: WriteId(Uuid::now_v7()),
            stamped: now,
            not_after: now.after(Duration::from_secs(300)),
            origin: self.places[via].id,
            idempotency: None,
            authorised_by: None,
            command,
        }
    }

    async fn try_propose(&self, via: usize, proposal: Proposal, limit: Duration) -> Proposed {
        self.groups(via).propose(self.home(), proposal, Instant::now() + limit).await
    }

    /// Proposes until it is committed; where it took effect.
    async fn propose(&self, via: usize, proposal: Proposal) -> LogIndex {
        match self.try_propose(via, proposal, WRITE_LIMIT).await {
            Proposed::Committed(applied) => {
                applied.outcome.unwrap_or_else(|refusal| panic!("refused: {refusal}"));
                applied.index
            }
            other @ (Proposed::NotProposed | Proposed::Unknown) => {
                panic!("via node {via}: {other:?}")
            }
        }
    }

    /// Makes the organisation with one credential for each name.
    pub(crate) async fn populate(&self, names: &[&str]) {
        self.propose(0, self.proposal(0, Command::CreateOrg(org()))).await;
        for name in names {
            let command = Command::CreateOidc { org: ORG, credential: credential(name) };
            self.propose(0, self.proposal(0, command)).await;
        }
    }

    pub(crate) async fn patch(&self, via: usize, name: &str, label: u64) -> LogIndex {
        self.propose(via, self.proposal(via, patch(name, label))).await
    }

    pub(crate) fn label(&self, at: usize, name: &str) -> Option<String> {
        let store = self.groups(at).store();
        let reader: &dyn Reader = &*store;
        let client_id = ClientId::new(name).unwrap();
        let found = query::oidc(reader, self.home(), ORG, &client_id).expect("the store reads");
        found.and_then(|credential| credential.label)
    }

    /// Waits until all running replicas of every group stand at one index, with one digest.
    pub(crate) async fn agreed(&self) {
        let groups = [0, 1, 2, 3].map(GroupId);
        within("all replicas agree", LIMIT, async || {
            for group in groups {
                let mut digests: BTreeMap<LogIndex, BTreeMap<u128, Vec<usize>>> = BTreeMap::new();
                for (number, node) in self.all_running() {
                    let (index, digest) = node.digest(group).await.expect("a digest");
                    digests.entry(index).or_default().entry(digest).or_default().push(number);
                }
                for (index, found) in &digests {
                    assert_eq!(found.len(), 1, "group {group} differs at {index:?}: {found:x?}");
                }
                if digests.len() > 1 {
                    return Err(format!("group {group} stands at {:?}", digests.keys()));
                }
            }
            Ok(())
        })
        .await;
    }
}

pub(crate) fn patch(name: &str, label: u64) -> Command {
    let patch = OidcPatch { label: Some(label.to_string()), ..OidcPatch::default() };
    let client_id = ClientId::new(name).unwrap();
    Command::PatchOidc { org: ORG, client_id, patch, precondition: None }
}

fn api_key(number: u8) -> ApiKey {
    let id = KeyId::from_bytes([number; 16]);
    ApiKey { id, hash: [number; 32], rights: Rights::ALL }
}

fn sealed() -> Sealed {
    Sealed { sealed_by: WriteId::from_bytes([3; 16]), bytes: vec![3; 40] }
}

fn org() -> Org {
    Org {
        id: ORG,
        org_name: "Example".into(),
        tenant_name: "example".into(),
        home_region: Region::new(REGIONS[0]).unwrap(),
        epoch: 1,
        data_key: WrappedKey { keyring_key: 1, bytes: vec![5; 60] },
        first_key: api_key(2),
        first_key_sealed: sealed(),
    }
}

fn credential(name: &str) -> OidcCredential {
    OidcCredential {
        client_id: ClientId::new(name).unwrap(),
        provider: Provider::Google,
        client_secret: sealed(),
        label: None,
        external_cred_id: None,
        enable_in_authz_server: None,
        options: OidcOptions {
            provider: Provider::Google,
            scopes: vec!["openid".into()],
            specific: ProviderOptions::ScopesOnly,
        },
        version: WriteId::from_bytes([0; 16]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_nodes_form_and_a_write_reaches_all_regions() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    for (via, region) in [(1, 0), (4, 1), (8, 2)] {
        let index = nine.patch(via, "a", via as u64).await;
        let deadline = Instant::now() + WRITE_LIMIT;
        let local = Scope::Region(Region::new(REGIONS[region]).unwrap());
        let near = nine.groups(via).wait(nine.home(), index, &local, deadline).await;
        assert!(near.reached, "not applied in its own region: {near:?}");
        let all = nine.groups(via).wait(nine.home(), index, &Scope::All, deadline).await;
        assert!(all.reached && all.regions.len() == 3, "not applied everywhere: {all:?}");
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some(via.to_string()), "at node {at}");
        }
    }
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_is_succeeded_and_nothing_is_lost_or_done_twice() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    let first = nine.proposal(4, patch("a", 1));
    let first_index = nine.propose(4, first.clone()).await;
    for round in 1..=3 {
        let leader = nine.leader_place().await;
        nine.patch(4, "a", round).await;
        nine.stop(leader).await;
        // From the home region and from another one, while nobody leads.
        let survivor = (0..3).find(|place| *place != leader).expect("a survivor");
        tokio::join!(nine.patch(survivor, "b", round), nine.patch(7, "a", 100 + round));
        // Asked again under its own name it is answered, and nothing happens.
        for via in [survivor, 4, 8] {
            let again = nine.propose(via, first.clone()).await;
            assert_eq!(again, first_index, "done again via node {via}");
        }
        nine.run(leader).await;
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some((100 + round).to_string()), "at node {at}");
            assert_eq!(nine.label(at, "b"), Some(round.to_string()), "at node {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_cut_off_gives_in_and_what_it_took_happens_once() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    for round in 1..=3 {
        let leader = nine.leader_place().await;
        let other = (0..3).find(|place| *place != leader).expect("a follower");
        nine.network.cut_node(nine.places[leader].id);
        // It still believes that it leads, and takes a write that it can bring to nobody.
        let taken = nine.patch(leader, "b", round);
        let meanwhile = async {
            nine.patch(other, "a", round).await;
            nine.network.heal_all();
        };
        tokio::join!(taken, meanwhile);
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            for name in ["a", "b"] {
                assert_eq!(nine.label(at, name), Some(round.to_string()), "{name} at node {at}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_before_a_quorum_has_synced_it() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.patch(0, "a", 1).await;
    let leader = nine.leader_place().await;
    let other = (0..3).find(|place| *place != leader).expect("a follower");
    for place in [leader, other] {
        nine.places[place].files.hold_syncs();
    }
    // Two of three disks stand still: all have the entry, and it must not count.
    let proposal = nine.proposal(5, patch("a", 2));
    let proposed = nine.try_propose(5, proposal, Duration::from_secs(1)).await;
    assert_eq!(proposed, Proposed::Unknown, "committed on one disk of three");
    for place in 0..9 {
        assert_eq!(nine.label(place, "a"), Some("1".into()), "applied at node {place}");
    }
    for place in [leader, other] {
        nine.places[place].files.release_syncs();
    }
    nine.patch(5, "a", 3).await;
    nine.stop(other).await;
    nine.run(other).await;
    nine.settled().await;
    nine.agreed().await;
    assert_eq!(nine.label(other, "a"), Some("3".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_lose_power_and_come_back() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention { snapshot_every: 40, keep: 10 }).await;
    nine.populate(&["a"]).await;
    for round in 1..=5_u64 {
        for (write, via) in (0..30_u64).zip([0, 3, 6].into_iter().cycle()) {
            nine.patch(via, "a", round * 100 + write).await;
        }
        for place in 0..9 {
            nine.stop(place).await;
        }
        for place in 0..9 {
            nine.run(place).await;
        }
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some((round * 100 + 29).to_string()), "at node {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_comes_back_as_another_by_a_snapshot() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention { snapshot_every: 50, keep: 10 }).await;
    nine.populate(&["a"]).await;
    let first = nine.proposal(0, patch("a", 1));
    let first_index = nine.propose(0, first.clone()).await;
    for write in 0..200 {
        nine.patch(0, "a", write).await;
    }
    let leader = nine.leader_place().await;
    let wiped = (0..3).find(|place| *place != leader).expect("a follower");
    let (home, old) = (nine.home(), nine.places[wiped].id);
    nine.stop(wiped).await;
    for write in 200..300 {
        nine.patch(leader, "a", write).await;
    }
    let first_kept = nine.places[leader].running.as_ref().map(|it| it.log.state(home.0));
    let first_kept = first_kept.expect("the leader runs").first_index;
    assert!(first_kept > 1, "nothing was purged: this would prove nothing");
    nine.places[wiped] = nine.empty_place(wiped);
    let new = nine.places[wiped].id;
    nine.run(wiped).await;
    for write in 300..400 {
        nine.patch(5, "a", write).await;
    }
    within("the new node votes and the old one is gone", LIMIT, async || {
        for (number, groups) in nine.all_running() {
            for group in groups.status().await.groups {
                let members: Vec<NodeId> =
                    group.voters.iter().chain(&group.learners).copied().collect();
                let votes = group.group != home || group.voters.contains(&new);
                if members.contains(&old) || !members.contains(&new) || !votes {
                    return Err(format!("node {number}, group {}: {group:?}", group.group));
                }
            }
        }
        Ok(())
    })
    .await;
    nine.settled().await;
    assert_eq!(nine.propose(wiped, first).await, first_index, "done again after a snapshot");
    nine.agreed().await;
    assert_eq!(nine.label(wiped, "a"), Some("399".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_with_a_live_nodes_address_does_not_end_that_node() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let mut double = nine.empty_place(8);
    double.address = "elsewhere".into();
    nine.places.push(double);
    nine.run(9).await;
    // Long enough for many attempts to join; writes go on meanwhile.
    for write in 0..40 {
        let index = nine.patch(0, "a", write).await;
        let deadline = Instant::now() + WRITE_LIMIT;
        assert!(nine.groups(0).wait(nine.home(), index, &Scope::All, deadline).await.reached);
    }
    assert_eq!(*nine.groups(8).faulted().borrow(), None, "the live node was ended");
    assert!(nine.groups(9).ready().is_err(), "its double was admitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_log_was_lost_does_not_come_back_under_its_id() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.stop(4).await;
    nine.places[4].files = SimFiles::new();
    nine.run(4).await;
    within("it stops and says why", LIMIT, async || {
        match nine.groups(4).faulted().borrow().clone() {
            Some(reason) if reason.contains("the log was lost") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
