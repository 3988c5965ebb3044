//! An organization moves between regions while it is written and read, and the leaders of both
//! groups lose power on the way: on nine replicas of every group in this process.
//!
//! There is no HTTP: [`Proposer`] does what a node does for a request. Each writer owns a credential
//! whose every write names the version of the write before (`If-Match`) and has an idempotency key,
//! so one that was lost or done twice shows at the next one. Readers compare their fresh reads with
//! the writes that were acknowledged for all regions before they began.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concordat_cluster::{
    consistency::Scope,
    machine::{
        locate::{Located, locate},
        query,
    },
    raft::{Freshness, Groups, Proposed, Retention, StaleReaders},
};
use concordat_proto::{
    command::{Command, Idempotency, Precondition, Proposal},
    consistency::Position,
    id::{ClientId, GroupId, WriteId},
    movement::HomeRecord,
    oidc::{OidcCredential, OidcPatch},
    refusal::Refusal,
    reply::{Applied, Reply},
};
use concordat_tests::wait::within;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    fleet,
    in_process::{LIMIT, Nine, ORG, patch},
};

const WRITERS: [&str; 3] = ["a", "b", "c"];
/// A credential that no client writes.
const UNTOUCHED: &str = "untouched";
/// For one attempt at one node.
const ATTEMPT: Duration = Duration::from_secs(4);

/// The nodes that run, for clients that outlive them.
#[derive(Clone, Default)]
struct Proposers(Arc<Mutex<BTreeMap<usize, Groups>>>);

impl Proposers {
    fn of(nine: &Nine) -> Self {
        let proposers = Self::default();
        proposers.refresh(nine);
        proposers
    }

    fn refresh(&self, nine: &Nine) {
        let running = nine.all_running().map(|(number, groups)| (number, groups.clone()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = running.collect();
    }

    /// One of them.
    fn pick(&self, choice: usize) -> Proposer {
        let proposers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, groups) = proposers.iter().nth(choice % proposers.len()).expect("a running node");
        Proposer(groups.clone())
    }
}

/// A node as a request finds it.
struct Proposer(Groups);

impl Proposer {
    fn home_groups(&self) -> Vec<GroupId> {
        self.0.home_groups().into_iter().map(|(group, _)| group).collect()
    }

    fn located(&self) -> Option<Located> {
        locate(&*self.0.store(), &self.home_groups(), ORG).expect("the store reads")
    }

    /// As `node/src/request/write/org_write.rs`: at the organization's group, and again where it
    /// has moved to.
    async fn propose(&self, proposal: &Proposal) -> Option<(GroupId, Applied, StaleReaders)> {
        let deadline = Instant::now() + ATTEMPT;
        let mut epoch_min = 0;
        while Instant::now() < deadline {
            let settled = self.located().filter(|at| at.is_settled());
            let Some(at) = settled.filter(|at| at.home.org.epoch >= epoch_min) else {
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            match self.0.propose(at.group, proposal.clone(), deadline).await {
                Proposed::Committed { applied, stale_readers } => match applied.outcome {
                    Err(Refusal::Moved { epoch, .. } | Refusal::Moving { epoch }) => {
                        epoch_min = epoch;
                    }
                    Ok(_) | Err(_) => return Some((at.group, applied, stale_readers)),
                },
                Proposed::NotProposed
                | Proposed::Busy
                | Proposed::Queued { .. }
                | Proposed::Unknown
                | Proposed::Closed => return None,
            }
        }
        None
    }

    /// As `node/src/request/locate.rs`: evaluate, read, and locate again.
    fn read(&self, name: &str) -> Option<(Option<OidcCredential>, bool)> {
        let located = self.located()?;
        let is_current =
            located.is_settled() && self.0.freshness(located.group) == Freshness::Current;
        let client_id = ClientId::new(name).expect("a client id");
        let store = self.0.store();
        let found = query::oidc(&*store, located.group, ORG, &client_id).expect("it reads");
        let again = self.located()?;
        again.is_same_epoch(&located).then_some((found, is_current))
    }
}

/// The acknowledged writes.
#[derive(Default)]
struct Book {
    /// Of each credential, the last label acknowledged in all regions.
    everywhere: Mutex<BTreeMap<&'static str, u64>>,
    wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Book {
    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
    fn everywhere(&self, name: &str) -> u64 {
        let labels = self.everywhere.lock().unwrap_or_else(PoisonError::into_inner);
        labels.get(name).copied().unwrap_or_default()
    }
}

/// A writer's last write.
#[derive(Debug, Clone)]
struct Last {
    name: &'static str,
    label: u64,
    version: WriteId,
}

async fn write_on(
    proposers: Proposers,
    book: Arc<Book>,
    first: Proposal,
    name: &'static str,
    version: WriteId,
) -> Last {
    let mut last = Last { name, label: 0, version };
    let mut choice = usize::from(name.as_bytes()[0]);
    while !book.stop.load(Ordering::Acquire) {
        let label = last.label + 1;
        let proposal = keyed(&first, &last, label);
        let applied = loop {
            choice += 1;
            // A repeat is another write with the same key, as a client's is.
            let mut proposal = proposal.clone();
            proposal.write_id = WriteId(uuid::Uuid::now_v7());
            proposal.not_after = proposal.stamped.after(Duration::from_secs(300));
            let proposer = proposers.pick(choice);
            let Some((group, applied, stale_readers)) = proposer.propose(&proposal).await else {
                continue;
            };
            let deadline = Instant::now() + Duration::from_secs(1);
            if label.is_multiple_of(2)
                && proposer
                    .0
                    .wait(group, applied.index, &Scope::All, stale_readers, deadline)
                    .await
                    .reached
            {
                let mut everywhere = book.everywhere.lock().unwrap_or_else(PoisonError::into_inner);
                everywhere.insert(name, label);
            }
            break applied;
        };
        match applied.outcome {
            Ok(Reply::Version(version)) => last = Last { name, label, version },
            other => {
                book.wrong(format!("{name}, write {label} after {last:?}: {other:?}"));
                return last;
            }
        }
        sleep(Duration::from_millis(3)).await;
    }
    last
}

/// The write of a label, only if the write before is the newest.
fn keyed(first: &Proposal, last: &Last, label: u64) -> Proposal {
    let command = Command::PatchOidc {
        org: ORG,
        client_id: ClientId::new(last.name).expect("a client id"),
        patch: OidcPatch { label: Some(label.to_string()), ..OidcPatch::default() },
        precondition: Some(Precondition::AnyOf(vec![last.version])),
    };
    let idempotency = Some(Idempotency {
        key: format!("{}-{label}", last.name),
        digest: [1; 32],
        lifetime: Duration::from_secs(600),
    });
    Proposal { command, idempotency, ..first.clone() }
}

async fn read_on(proposers: Proposers, book: Arc<Book>, seed: usize) -> (u64, u64) {
    let (mut current, mut marked) = (0, 0);
    let mut choice = seed;
    while !book.stop.load(Ordering::Acquire) {
        choice += 1;
        let name = WRITERS[choice % WRITERS.len()];
        let least = book.everywhere(name);
        match proposers.pick(choice).read(name) {
            Some((found, true)) => {
                current += 1;
                let label = found.as_ref().and_then(|it| it.label.as_ref()?.parse().ok());
                if label.unwrap_or(0_u64) < least {
                    book.wrong(format!("{name} was read unmarked as {found:?}, not {least}"));
                }
            }
            Some((_, false)) | None => marked += 1,
        }
        sleep(Duration::from_millis(2)).await;
    }
    (current, marked)
}

/// Everything that a test does at once.
struct Moving {
    nine: Nine,
    proposers: Proposers,
    book: Arc<Book>,
    writers: JoinSet<Last>,
    readers: JoinSet<(u64, u64)>,
}

impl Moving {
    async fn start() -> Self {
        let nine = Nine::start(Retention::by_entries(500, 200)).await;
        let names: Vec<&str> = WRITERS.into_iter().chain([UNTOUCHED]).collect();
        nine.populate(&names).await;
        let proposers = Proposers::of(&nine);
        let book = Arc::new(Book::default());
        let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
        for name in WRITERS {
            let version = within("the credential is everywhere", LIMIT, async || {
                let found = (0..9).map(|at| Proposer(nine.groups(at).clone()).read(name));
                let found: Option<Vec<_>> = found.map(|read| read?.0).collect();
                found.and_then(|it| it.first().map(|it| it.version)).ok_or("it is not".into())
            })
            .await;
            let first = nine.proposal(0, patch(name, 0));
            writers.spawn(write_on(proposers.clone(), Arc::clone(&book), first, name, version));
        }
        for seed in [0, 4] {
            readers.spawn(read_on(proposers.clone(), Arc::clone(&book), seed));
        }
        Self { nine, proposers, book, writers, readers }
    }

    fn record(&self, at: usize) -> Option<HomeRecord> {
        Proposer(self.nine.groups(at).clone()).located().map(|located| located.home)
    }

    /// Requests the move, as an operator does, until the organization is frozen.
    async fn release(&self, to: usize) {
        let to = self.nine.home_of(to);
        within("it is released", LIMIT, async || {
            let (at, groups) = self.nine.all_running().next().expect("a running node");
            let located = Proposer(groups.clone()).located().ok_or("not there")?;
            if let Some(release) = located.home.release.filter(|release| release.to == to) {
                return Ok(release);
            }
            let epoch = located.home.org.epoch + 1;
            let command = Command::MoveFreeze { org: ORG, to, epoch };
            let proposal = self.nine.proposal(at, command);
            let deadline = Instant::now() + ATTEMPT;
            Err(format!("{:?}", groups.propose(located.group, proposal, deadline).await))
        })
        .await;
    }

    /// Waits until every running node has the organization at home in a region.
    async fn arrived(&self, region: usize, epoch: u32) {
        let group = self.nine.home_of(region);
        within("it has arrived everywhere", LIMIT, async || {
            for (number, groups) in self.nine.all_running() {
                let located = Proposer(groups.clone()).located();
                let is_there = located.as_ref().is_some_and(|at| {
                    at.group == group && at.is_settled() && at.home.org.epoch == epoch
                });
                if !is_there {
                    return Err(format!("node {number}: {located:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    async fn kill(&mut self, place: usize) {
        self.nine.stop(place).await;
        self.proposers.refresh(&self.nine);
    }

    async fn start_again(&mut self, places: &[usize]) {
        for place in places {
            self.nine.run(*place).await;
        }
        self.proposers.refresh(&self.nine);
        self.nine.settled().await;
    }

    /// Waits until something that was written after now is acknowledged.
    async fn writing_goes_on(&self) {
        let before = self.book.everywhere("a");
        within("writing goes on", LIMIT, async || {
            let wrong = self.book.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(wrong.is_empty(), "{wrong:#?}");
            let now = self.book.everywhere("a");
            if now > before + 2 { Ok(()) } else { Err(format!("still at {now}")) }
        })
        .await;
    }

    /// Waits until nothing of the organization is left where it is not.
    async fn forgotten(&self, region: usize) {
        let group = self.nine.home_of(region);
        within("the old home has forgotten it", LIMIT, async || {
            for (number, groups) in self.nine.all_running() {
                let left = query::home(&*groups.store(), group, ORG).expect("it reads");
                if left.is_some() {
                    return Err(format!("node {number} has {left:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Ends the clients and compares the state with the acknowledged writes.
    async fn finish(mut self) -> Nine {
        self.book.stop.store(true, Ordering::Release);
        let mut lasts = Vec::new();
        while let Some(last) = self.writers.join_next().await {
            lasts.push(last.expect("a writer panicked"));
        }
        let (mut current, mut marked) = (0, 0);
        while let Some(read) = self.readers.join_next().await {
            let read = read.expect("a reader panicked");
            (current, marked) = (current + read.0, marked + read.1);
        }
        println!("moves: {lasts:?}, {current} current reads, {marked} others");
        let wrong = self.book.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(current > 0, "no read was ever current");
        self.nine.agreed().await;
        for at in 0..9 {
            for last in &lasts {
                let (found, _) =
                    Proposer(self.nine.groups(at).clone()).read(last.name).expect("it");
                let found = found.expect("a credential");
                assert_eq!(found.label, Some(last.label.to_string()), "node {at}: {last:?}");
                assert_eq!(found.version, last.version, "node {at}: {last:?}");
            }
        }
        self.nine
    }
}

/// A write that is remembered, and everything that its repeats are answered with.
async fn remembered(moving: &Moving) -> (Proposal, Applied, Position) {
    let mut proposal = moving.nine.proposal(4, patch(UNTOUCHED, 77));
    proposal.idempotency = Some(Idempotency {
        key: "once".into(),
        digest: [7; 32],
        lifetime: Duration::from_secs(600),
    });
    let proposer = Proposer(moving.nine.groups(4).clone());
    let (group, applied, _) = proposer.propose(&proposal).await.expect("it is committed");
    let position = applied.position.expect("of an organization");
    assert_eq!((position.epoch, position.group, position.index), (1, group, applied.index));
    (proposal, applied, position)
}

/// Repeats it under its own name and under its key, at nodes of every region.
async fn repeat(moving: &Moving, first: &(Proposal, Applied, Position)) {
    let (proposal, applied, position) = first;
    for at in [0, 4, 8] {
        for write_id in [proposal.write_id, WriteId(uuid::Uuid::now_v7())] {
            let again = Proposal { write_id, ..proposal.clone() };
            let proposer = Proposer(moving.nine.groups(at).clone());
            let (_, told, _) = proposer.propose(&again).await.expect("it is answered");
            assert_eq!(told.write_id, applied.write_id, "at node {at}");
            assert_eq!(told.outcome, applied.outcome, "at node {at}");
            assert_eq!(told.position, Some(*position), "at node {at}");
        }
        let home = moving.record(at).expect("it is there");
        assert_eq!(home.contains_earlier(position), Some(true), "at node {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_moves_there_and_back_while_both_leaders_die() {
    let _turn = fleet::shared_turn().await;
    let mut moving = Moving::start().await;
    let once = remembered(&moving).await;
    moving.writing_goes_on().await;
    for (round, (from, to)) in [(0, 1), (1, 0)].into_iter().enumerate() {
        let epoch = u32::try_from(round).expect("two rounds") + 2;
        let (old, new) = (moving.nine.home_of(from), moving.nine.home_of(to));
        moving.release(to).await;
        let new_leader = moving.nine.leader_of(new).await;
        moving.kill(new_leader).await;
        sleep(Duration::from_millis(500)).await;
        let old_leader = moving.nine.leader_of(old).await;
        moving.kill(old_leader).await;
        moving.arrived(to, epoch).await;
        moving.writing_goes_on().await;
        moving.start_again(&[new_leader, old_leader]).await;
        moving.arrived(to, epoch).await;
        moving.forgotten(from).await;
        moving.writing_goes_on().await;
        repeat(&moving, &once).await;
    }
    let nine = moving.finish().await;
    let (found, _) = Proposer(nine.groups(8).clone()).read(UNTOUCHED).expect("it is there");
    let found = found.expect("a credential");
    assert_eq!((found.label, found.version), (Some("77".into()), once.1.write_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_to_a_region_without_a_quorum_is_taken_back() {
    let _turn = fleet::shared_turn().await;
    let mut moving = Moving::start().await;
    moving.writing_goes_on().await;
    for place in [3, 4] {
        moving.kill(place).await;
    }
    moving.release(1).await;
    sleep(Duration::from_secs(3)).await;
    let home = moving.record(0).expect("it is there");
    assert!(home.release.is_some_and(|release| !release.handed_over), "{home:?}");
    let command = Command::MoveAbort { org: ORG, epoch: 3 };
    let proposal = moving.nine.proposal(0, command);
    let deadline = Instant::now() + ATTEMPT;
    let back = moving.nine.groups(0).propose(moving.nine.home(), proposal, deadline).await;
    assert!(
        matches!(&back, Proposed::Committed { applied, .. } if applied.outcome.is_ok()),
        "{back:?}"
    );
    moving.writing_goes_on().await;
    moving.start_again(&[3, 4]).await;
    // The region that came back finds nothing to adopt.
    sleep(Duration::from_secs(3)).await;
    moving.arrived(0, 3).await;
    moving.forgotten(1).await;
    moving.writing_goes_on().await;
    moving.finish().await;
}
