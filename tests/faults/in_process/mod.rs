//! Nine replicas of every group in this process: three regions of three nodes over the in-process
//! network, with logs on simulated disks and state in memory.
//!
//! It needs neither a binary nor a socket, so it is the first place to look when the real processes
//! of the other files fail. A stopped node loses power: what its log had not synced is kept, lost or
//! torn by a seed.

mod addresses;
mod copies;
mod expired;
mod failover;
mod faults;
mod features;
mod forwarded;
mod leases;
mod lost;
mod members;
mod moves;
mod queue;
mod sick;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_cluster::{
    consistency::Scope,
    log::{LogOptions, RaftLog, SimFiles},
    machine::query,
    raft::{
        Bootstrap, Environment, Groups, GroupsConfig, Progress, Proposed, Retention, RuntimeClock,
        StaleReaders, Timings, WallClock,
        in_process::{DelayMatrix, InProcessNetwork, InProcessTransport},
    },
    store::{Reader, Store, WriteBatch, memory::MemoryStore},
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
    version,
};
use concordat_tests::wait::within;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) const REGIONS: [&str; 3] = ["us-iowa", "europe-belgium", "asia-japan"];
/// For anything that must come about by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Nodes that agree on the time differ by no more: a reported clock advances.
const SLOW_MAX: Duration = Duration::from_secs(2);
/// For one write, over a change of leader.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(20);
pub(crate) const ORG: OrgId = OrgId::from_bytes([7; 16]);

/// Real enough: milliseconds since some day in 2026, counted by tokio's clock, one for all nodes.
/// It can be set on, for those who cannot wait.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    began: Instant,
    ahead_s: Arc<AtomicU64>,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), ahead_s: Arc::default() }
    }

    fn set_on(&self, by: Duration) {
        self.ahead_s.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl WallClock for Clock {
    fn now(&self) -> LogTime {
        let ahead = Duration::from_secs(self.ahead_s.load(Ordering::SeqCst));
        LogTime(1_790_000_000_000).after(self.began.elapsed() + ahead)
    }
}

/// The state of a running process.
pub(crate) struct Running {
    pub(crate) groups: Groups,
    pub(crate) log: RaftLog,
    transport: Arc<InProcessTransport>,
}

impl Place {
    /// A copy of the place's data directory, of this moment, that nothing runs on.
    pub(crate) fn copied(&self) -> Self {
        let store = MemoryStore::default();
        let pairs = self.store.scan(&[], None, usize::MAX).expect("the store reads");
        let changes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let batch = WriteBatch { cleared_prefixes: Vec::new(), changes };
        store.write(batch).expect("the store writes");
        let cluster = *self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            region: self.region.clone(),
            address: self.address.clone(),
            told: self.told.clone(),
            id: self.id,
            files: self.files.fork(),
            feature_level: self.feature_level,
            store: Arc::new(store),
            cluster: Arc::new(Mutex::new(cluster)),
            running: None,
        }
    }
}

impl Place {
    /// The same directory at another address.
    pub(crate) fn at(self, address: &str) -> Self {
        Self { address: address.to_owned(), told: address.to_owned(), ..self }
    }
}

/// A place in the cluster: an address with a disk.
pub(crate) struct Place {
    pub(crate) region: Region,
    pub(crate) address: String,
    /// The address that it announces.
    pub(crate) told: String,
    pub(crate) id: NodeId,
    pub(crate) files: SimFiles,
    /// The level that its build supports.
    pub(crate) feature_level: u32,
    store: Arc<MemoryStore>,
    cluster: Arc<Mutex<Option<ClusterId>>>,
    pub(crate) running: Option<Running>,
}

pub(crate) struct Nine {
    pub(crate) network: InProcessNetwork,
    pub(crate) clock: Clock,
    pub(crate) places: Vec<Place>,
    /// The seeds in every node's settings, from its next start on.
    pub(crate) seeds: Vec<String>,
    retention: Retention,
    ids_made: u64,
    power_failures: u64,
}

impl Nine {
    pub(crate) async fn start(retention: Retention) -> Self {
        Self::start_of(retention, version::FEATURE_LEVEL).await
    }

    /// The same, of builds that know only this feature level.
    pub(crate) async fn start_of(retention: Retention, feature_level: u32) -> Self {
        let nine = Self::forming_of(retention, feature_level).await;
        nine.settled().await;
        nine
    }

    /// Nine nodes that have just been started for the first time.
    pub(crate) async fn forming(retention: Retention) -> Self {
        Self::forming_of(retention, version::FEATURE_LEVEL).await
    }

    async fn forming_of(retention: Retention, feature_level: u32) -> Self {
        let delays = DelayMatrix::new().elsewhere(Duration::from_millis(20));
        let mut nine = Self {
            network: InProcessNetwork::new(delays),
            clock: Clock::new(),
            places: Vec::new(),
            seeds: [0, 3, 6].map(|seed| format!("place-{seed}")).to_vec(),
            retention,
            ids_made: 0,
            power_failures: 0,
        };
        for place in 0..9 {
            let empty = nine.empty_place(place);
            nine.places.push(Place { feature_level, ..empty });
        }
        for place in 0..9 {
            nine.run(place).await;
        }
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
            feature_level: version::FEATURE_LEVEL,
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
            clock: Arc::new(self.clock.clone()),
            steady: Arc::new(RuntimeClock::start()),
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
        let regions: BTreeSet<_> = self.places.iter().map(|place| place.region.clone()).collect();
        GroupsConfig {
            node: place.id,
            region: place.region.clone(),
            cluster: *place.cluster.lock().unwrap_or_else(PoisonError::into_inner),
            peer_address: place.told.clone(),
            api_url: format!("http://{}", place.address),
            seeds: self.seeds.clone(),
            bootstrap: (number == 0).then(|| Bootstrap {
                cluster: ClusterId::from_bytes([9; 16]),
                operator_key: api_key(1),
            }),
            home_timings: quick(150),
            system_timings: quick(250),
            retention: self.retention,
            regions: regions.into_iter().collect(),
            feature_level: place.feature_level,
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

    /// Cuts the power of a node, and resets its state and the cluster's id: only the log was
    /// synced.
    pub(crate) async fn stop_without_state(&mut self, number: usize) {
        self.stop(number).await;
        let place = &mut self.places[number];
        place.store = Arc::new(MemoryStore::default());
        place.cluster = Arc::default();
    }

    /// Moves a node that is off to another address.
    pub(crate) fn move_to(&mut self, number: usize, address: &str) {
        let place = &mut self.places[number];
        (place.address, place.told) = (address.into(), address.into());
    }

    /// The id of the node at a place.
    pub(crate) fn id(&self, number: usize) -> NodeId {
        self.places[number].id
    }

    pub(crate) fn groups(&self, number: usize) -> &Groups {
        &self.places[number].running.as_ref().expect("it runs").groups
    }

    pub(crate) fn all_running(&self) -> impl Iterator<Item = (usize, &Groups)> {
        let running = |(number, place): (usize, &'_ Place)| place.running.as_ref().map(|_| number);
        let numbers: Vec<usize> = self.places.iter().enumerate().filter_map(running).collect();
        numbers.into_iter().map(|number| (number, self.groups(number)))
    }

    /// Waits until every running node reports that it is ready and every group has its members.
    pub(crate) async fn settled(&self) {
        self.settled_with(9).await;
    }

    /// The same, with this number of nodes.
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

    /// The home group of the first region. Sets all clocks forward, and waits until the nodes,
    /// except one that is cut off, have reported that to each other.
    pub(crate) async fn set_on(&self, by: Duration, but: Option<usize>) {
        self.clock.set_on(by);
        let home = self.home();
        within("the nodes agree on the time", LIMIT, async || {
            let now = self.clock.now();
            let slow = |(number, groups): &(usize, &Groups)| {
                Some(*number) != but && groups.log_now(home).after(SLOW_MAX) < now
            };
            match self.all_running().find(slow) {
                Some((number, _)) => Err(format!("node {number} goes by the old time")),
                None => Ok(()),
            }
        })
        .await;
    }

    pub(crate) fn home(&self) -> GroupId {
        self.home_of(0)
    }

    /// The home group of a region.
    pub(crate) fn home_of(&self, number: usize) -> GroupId {
        // One that was just started may not know it yet.
        let mut known = self.all_running().flat_map(|(_, groups)| groups.home_groups());
        let home = |(group, region): (GroupId, Region)| {
            (region.as_str() == REGIONS[number]).then_some(group)
        };
        known.find_map(home).expect("every region has a group")
    }

    pub(crate) async fn leader_place(&self) -> usize {
        self.leader_of(self.home()).await
    }

    /// The place that leads a group, as it reports.
    pub(crate) async fn leader_of(&self, home: GroupId) -> usize {
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
        let now = self.clock.now();
        Proposal {
            write_id: WriteId(Uuid::now_v7()),
            stamped: now,
            not_after: now.after(Duration::from_secs(300)),
            origin: self.places[via].id,
            idempotency: None,
            authorized_by: None,
            policies: None,
            decided_for: None,
            command,
        }
    }

    pub(crate) async fn try_propose(
        &self,
        via: usize,
        proposal: Proposal,
        limit: Duration,
    ) -> Proposed {
        self.groups(via).propose(self.home(), proposal, Instant::now() + limit).await
    }

    /// Proposes until it is committed; where it took effect.
    pub(crate) async fn propose(&self, via: usize, proposal: Proposal) -> LogIndex {
        match self.try_propose(via, proposal, WRITE_LIMIT).await {
            Proposed::Committed { applied, .. } => {
                applied.outcome.unwrap_or_else(|refusal| panic!("refused: {refusal}"));
                applied.index
            }
            other @ (Proposed::NotProposed
            | Proposed::Busy
            | Proposed::Queued { .. }
            | Proposed::Unknown
            | Proposed::Closed) => {
                panic!("via node {via}: {other:?}")
            }
        }
    }

    /// Waits at a node without a leader's set of stale readers.
    pub(crate) async fn arrived(
        &self,
        via: usize,
        index: LogIndex,
        scope: &Scope,
        deadline: Instant,
    ) -> Progress {
        let (groups, home) = (self.groups(via), self.home());
        groups.wait(home, index, scope, groups.stale_readers(home, index), deadline).await
    }

    /// Makes the organization with one credential for each name.
    pub(crate) async fn populate(&self, names: &[&str]) {
        self.propose(0, self.proposal(0, create_org())).await;
        for name in names {
            let command = Command::CreateOidc { org: ORG, credential: credential(name) };
            self.propose(0, self.proposal(0, command)).await;
        }
    }

    pub(crate) async fn patch(&self, via: usize, name: &str, label: u64) -> LogIndex {
        self.propose(via, self.proposal(via, patch(name, label))).await
    }

    /// The same, with who may still answer without it.
    pub(crate) async fn patch_told(
        &self,
        via: usize,
        name: &str,
        label: u64,
    ) -> (LogIndex, StaleReaders) {
        let proposal = self.proposal(via, patch(name, label));
        match self.try_propose(via, proposal, WRITE_LIMIT).await {
            Proposed::Committed { applied, stale_readers } => (applied.index, stale_readers),
            other @ (Proposed::NotProposed
            | Proposed::Busy
            | Proposed::Queued { .. }
            | Proposed::Unknown
            | Proposed::Closed) => {
                panic!("via node {via}: {other:?}")
            }
        }
    }

    /// Proposes in another group until it is committed.
    pub(crate) async fn propose_in(&self, group: GroupId, via: usize, command: Command) {
        let proposal = self.proposal(via, command);
        let deadline = Instant::now() + WRITE_LIMIT;
        let proposed = self.groups(via).propose(group, proposal, deadline).await;
        assert!(
            matches!(&proposed, Proposed::Committed { applied, .. } if applied.outcome.is_ok())
        );
    }

    pub(crate) fn label(&self, at: usize, name: &str) -> Option<String> {
        let store = self.groups(at).store();
        let reader: &dyn Reader = &*store;
        let client_id = ClientId::new(name).unwrap();
        let found = query::oidc(reader, self.home(), ORG, &client_id).expect("the store reads");
        found.and_then(|credential| credential.label)
    }

    /// Waits until all running replicas of every group are at one index, with one digest.
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

pub(crate) fn create_org() -> Command {
    Command::CreateOrg(org())
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
    org_of(ORG)
}

/// An organization of this id.
pub(crate) fn org_of(id: OrgId) -> Org {
    Org {
        id,
        org_name: "Example".into(),
        tenant_name: "example".into(),
        home_region: Region::new(REGIONS[0]).unwrap(),
        epoch: 1,
        data_key: WrappedKey { keyring_key: 1, bytes: vec![5; 60] },
        first_key: api_key(2),
        first_key_sealed: sealed(),
    }
}

/// A credential of this name.
pub(crate) fn credential(name: &str) -> OidcCredential {
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
