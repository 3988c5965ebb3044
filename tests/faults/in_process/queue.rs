//! Many organizations move at once, while all of them are written: each is frozen only for the time
//! that its own move takes, however many wait. And moves that cannot end block no others.
//!
//! On nine replicas of every group in this process, as `moves.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concordat_cluster::{
    machine::{locate::locate, query},
    raft::{Groups, Proposed, Retention},
};
use concordat_proto::{
    command::{Command, Proposal},
    id::{ClientId, GroupId, OrgId, WriteId},
    limits,
    oidc::OidcPatch,
    refusal::Refusal,
    region::Region,
};
use concordat_tests::wait::within;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    fleet,
    in_process::{self, LIMIT, Nine, REGIONS},
};

const RETENTION: Retention = Retention::by_entries(100_000, 100_000);
/// Organizations that move at once.
const MOVES: usize = 100;
/// For one write, as the HTTP API has it by default.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// Between two writes of an organization.
const WRITE_EVERY: Duration = Duration::from_millis(300);
/// Between two looks at who is frozen.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);
/// For how long one may be frozen, where leases are at most 1.5 s long.
const FREEZE_MAX: Duration = Duration::from_secs(3);
/// For all of them to have moved.
const ALL_LIMIT: Duration = Duration::from_secs(300);

fn org(number: usize) -> OrgId {
    OrgId::from_bytes((0x7000 + number as u128).to_be_bytes())
}

/// Makes organizations at home in a region, each with one credential.
async fn populate(nine: &Nine, region: usize, numbers: std::ops::Range<usize>) {
    let group = nine.home_of(region);
    for number in numbers {
        let id = org(number);
        nine.propose_in(group, 3 * region, Command::CreateOrg(in_process::org_of(id))).await;
        let credential = in_process::credential("one");
        nine.propose_in(group, 3 * region, Command::CreateOidc { org: id, credential }).await;
    }
}

fn home_groups(groups: &Groups) -> Vec<GroupId> {
    groups.home_groups().into_iter().map(|(group, _)| group).collect()
}

/// Writes wherever the organization is, as `node/src/request/write/org_write.rs` does.
async fn write(groups: &Groups, org: OrgId, first: &Proposal) -> Result<(), String> {
    let deadline = Instant::now() + WRITE_LIMIT;
    let mut epoch_min = 0;
    while Instant::now() < deadline {
        let found = locate(&*groups.store(), &home_groups(groups), org).expect("the store reads");
        let settled = found.filter(|at| at.is_settled() && at.home.org.epoch >= epoch_min);
        let Some(at) = settled else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let proposed = groups.propose(at.group, first.clone(), deadline).await;
        let Proposed::Committed { applied, .. } = proposed else {
            return Err(format!("{org}: {proposed:?}"));
        };
        match applied.outcome {
            Err(Refusal::Moved { epoch, .. } | Refusal::Moving { epoch }) => epoch_min = epoch,
            Ok(_) => return Ok(()),
            Err(refusal) => return Err(format!("{org}: {refusal}")),
        }
    }
    Err(format!("{org}: no home in time"))
}

/// Writes to one organization until it is stopped; returns the longest write.
async fn write_on(
    groups: Groups,
    org: OrgId,
    first: Proposal,
    stop: Arc<AtomicBool>,
) -> Result<Duration, String> {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Acquire) {
        let begun = Instant::now();
        let proposal = Proposal { write_id: WriteId(uuid::Uuid::now_v7()), ..first.clone() };
        write(&groups, org, &proposal).await?;
        longest = longest.max(begun.elapsed());
        sleep(WRITE_EVERY).await;
    }
    Ok(longest)
}

fn patch(org: OrgId) -> Command {
    let patch = OidcPatch { label: Some("written".into()), ..OidcPatch::default() };
    let client_id = ClientId::new("one").expect("a client id");
    Command::PatchOidc { org, client_id, patch, precondition: None }
}

/// Asks for a move until it has begun, as an operator's script does.
async fn move_on(groups: Groups, from: GroupId, release: Proposal) -> u64 {
    let mut asked = 0;
    loop {
        asked += 1;
        let proposal = Proposal { write_id: WriteId(uuid::Uuid::now_v7()), ..release.clone() };
        match groups.propose(from, proposal, Instant::now() + WRITE_LIMIT).await {
            Proposed::Committed { applied, .. } => {
                let is_there = matches!(applied.outcome, Ok(_) | Err(Refusal::Moved { .. }));
                assert!(is_there, "{:?}", applied.outcome);
                return asked;
            }
            Proposed::Busy
            | Proposed::Queued { .. }
            | Proposed::NotProposed
            | Proposed::Unknown => {}
            Proposed::Closed => panic!("the group is closed"),
        }
    }
}

fn release(nine: &Nine, via: usize, org: OrgId, to: GroupId) -> Proposal {
    nine.proposal(via, Command::MoveFreeze { org, to, epoch: 2 })
}

/// When each organization was frozen, and until when, by the states of all nodes.
struct Freezes {
    orgs: BTreeSet<OrgId>,
    seen: BTreeMap<OrgId, (Instant, Option<Instant>)>,
    most: usize,
}

impl Freezes {
    /// Reads first who is on a move at the old home's leader, then who has arrived at any node.
    ///
    /// That leader reads slots from its own replicas: a slot is free as soon as its replica of `to`
    /// has the organization's home. The other nodes may apply that home later, even the leader of
    /// `to`. So an organization counts as frozen only while no node has its home there. Within a
    /// test a home stays, so each one counted here had a slot when `on_move` was read. The count
    /// can be too low. It exceeds the limit only if the queue has given a slot too many.
    fn look(&mut self, nine: &Nine, old: &Groups, (from, to): (GroupId, GroupId)) {
        let released = query::on_move(&*old.store(), from).expect("the store reads");
        let now = Instant::now();
        for org in released.into_iter().filter(|org| self.orgs.contains(org)) {
            self.seen.entry(org).or_insert((now, None));
        }
        let has_home = |groups: &Groups, org| {
            query::home(&*groups.store(), to, org).expect("the store reads").is_some()
        };
        // Also one that has left `on_move` since the last look: every node has its home by then.
        for (org, (_, until)) in self.seen.iter_mut().filter(|(_, (_, until))| until.is_none()) {
            *until = nine.all_running().any(|(_, groups)| has_home(groups, *org)).then_some(now);
        }
        let frozen = self.seen.values().filter(|(_, until)| until.is_none()).count();
        self.most = self.most.max(frozen);
    }

    fn sorted(&self) -> Vec<Duration> {
        let of = |(since, until): &(Instant, Option<Instant>)| {
            Some(until.as_ref()?.duration_since(*since))
        };
        let mut all: Vec<Duration> = self.seen.values().filter_map(of).collect();
        all.sort_unstable();
        all
    }
}

/// Moves organizations from the first region to the second one, all at once; for how long each was
/// frozen.
async fn move_all(nine: &Nine, numbers: std::ops::Range<usize>) -> Freezes {
    let (from, to) = (nine.home_of(0), nine.home_of(1));
    let old = nine.groups(nine.leader_of(from).await).clone();
    let count = numbers.len();
    let orgs = numbers.clone().map(org).collect();
    let mut freezes = Freezes { orgs, seen: BTreeMap::new(), most: 0 };
    let mut movers = JoinSet::new();
    for number in numbers {
        let via = number % 9;
        let proposal = release(nine, via, org(number), to);
        movers.spawn(move_on(nine.groups(via).clone(), from, proposal));
    }
    let begun = Instant::now();
    loop {
        freezes.look(nine, &old, (from, to));
        let arrived = freezes.sorted().len();
        if arrived == count {
            break;
        }
        assert!(begun.elapsed() < ALL_LIMIT, "only {arrived} of {count} have moved");
        sleep(SAMPLE_EVERY).await;
    }
    let mut asked = 0;
    while let Some(times) = movers.join_next().await {
        asked += times.expect("a mover panicked");
    }
    println!("queue: {count} moved in {:?}, asked {asked} times", begun.elapsed());
    freezes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_moves_at_once_freeze_each_organization_for_its_own_move_only() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(RETENTION).await;
    populate(&nine, 0, 0..MOVES + 1).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..MOVES {
        let (via, org) = (number % 9, org(number));
        let first = nine.proposal(via, patch(org));
        writers.spawn(write_on(nine.groups(via).clone(), org, first, Arc::clone(&stop)));
    }
    // The duration of one move here, without a queue.
    let alone = move_all(&nine, MOVES..MOVES + 1).await.sorted()[0];
    let freezes = move_all(&nine, 0..MOVES).await;
    stop.store(true, Ordering::Release);
    let mut longest = Duration::ZERO;
    while let Some(written) = writers.join_next().await {
        let of_one =
            written.expect("a writer panicked").expect("every write is carried out in time");
        longest = longest.max(of_one);
    }
    let sorted = freezes.sorted();
    let (p50, p95, max) = (sorted[MOVES / 2], sorted[MOVES * 95 / 100 - 1], sorted[MOVES - 1]);
    println!(
        "queue: one alone is frozen for {alone:?}; of {MOVES}: p50 {p50:?}, p95 {p95:?}, \
         max {max:?}, {} at once; the longest write took {longest:?}",
        freezes.most
    );
    assert!(freezes.most <= limits::MOVES_MAX, "{} were frozen at once", freezes.most);
    assert!(p95 <= FREEZE_MAX.max(2 * alone), "frozen for {p95:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_from_a_region_without_a_quorum_hold_up_none_from_another_region() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(RETENTION).await;
    let stuck = 0..limits::MOVES_COPIED_MAX;
    let healthy = 10;
    populate(&nine, 0, stuck.clone()).await;
    populate(&nine, 2, healthy..healthy + 1).await;
    let (from, to, other) = (nine.home_of(0), nine.home_of(1), nine.home_of(2));
    let new = nine.groups(nine.leader_of(to).await).clone();
    // The old home learns late that the new one has everything, and is cut off before it commits
    // the move.
    let [lost, there] = [REGIONS[0], REGIONS[1]].map(|name| Region::new(name).expect("a region"));
    nine.network.slow_link(&there, &lost, Duration::from_millis(600));
    let via = nine.leader_of(from).await;
    let mut movers = JoinSet::new();
    for number in stuck.clone() {
        let proposal = release(&nine, via, org(number), to);
        movers.spawn(move_on(nine.groups(via).clone(), from, proposal));
    }
    within("the new home has all that was released", LIMIT, async || {
        let is_whole = |number: usize| {
            let away = query::away(&*new.store(), to, org(number)).expect("the store reads");
            away.and_then(|away| away.import).is_some_and(|import| import.is_whole)
        };
        let whole = stuck.clone().filter(|number| is_whole(*number)).count();
        if whole == stuck.len() { Ok(()) } else { Err(format!("{whole} of {}", stuck.len())) }
    })
    .await;
    nine.network.cut_region(&lost);
    for number in stuck.clone() {
        let home = query::home(&*new.store(), from, org(number)).expect("the store reads");
        let release = home.and_then(|home| home.release).expect("it is released");
        assert!(!release.handed_over, "the region was cut off too late for this test");
    }
    let far_groups = nine.groups(6).clone();
    let proposal = release(&nine, 6, org(healthy), to);
    move_on(far_groups, other, proposal).await;
    within("the one from the healthy region has moved", LIMIT, async || {
        let home = query::home(&*new.store(), to, org(healthy)).expect("the store reads");
        home.map(|_| ()).ok_or("it has not".into())
    })
    .await;
    nine.network.heal_all();
    within("the others have moved too", LIMIT, async || {
        for number in stuck.clone() {
            let home = query::home(&*new.store(), to, org(number)).expect("the store reads");
            home.ok_or(format!("{number} has not"))?;
        }
        Ok(())
    })
    .await;
    while let Some(asked) = movers.join_next().await {
        asked.expect("a mover panicked");
    }
    nine.agreed().await;
}
