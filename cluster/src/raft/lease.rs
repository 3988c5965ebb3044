//! Read leases, carried: asking the leaders for them, granting them, and what the group's own log
//! says of who may hold one.
//!
//! The rules are [`crate::consistency`]'s. What must never change here is the order on the granting
//! side: register, then prove, then answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    lease::{DangerSet, LeaseGrant, LeaseRecord, RegionDanger, ReplicaDanger, ReplicaMark},
    log::{LogId, LogIndex, Term},
    org::Isolation,
    region::Region,
    time::LogTime,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};
use openraft::raft::linearizable_read::LinearizerOption;
use tokio::{sync::Notify, time::Instant};

use super::{config::SteadyClock, convert, group::Replica, groups::Groups, transport::Channel};
use crate::planted::{self, Bug};
use crate::{
    consistency::{
        HeldLeases, LeaseTable, Members,
        pace::{DISK_LATE_MIN, Pace, Terms},
    },
    machine::query,
};

/// A jump of the steady clock against the runtime's that means that the machine slept.
const SLEPT_MIN: Duration = Duration::from_millis(50);
/// How much sooner than due a group's lease is asked for, when another one's is due: one frame a
/// leader for all its groups.
const ALONG_PART: u32 = 6;

/// What a group's log says of its replicas, as far as this node has applied it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// By region.
    pub(crate) members: Members,
    /// Who is marked as what.
    pub(crate) marks: BTreeMap<NodeId, ReplicaMark>,
    /// The terms.
    pub(crate) leases: LeaseRecord,
    /// What the group's leaders do that are cut off.
    pub(crate) isolation: Isolation,
    /// The feature level that the group's log has noted.
    pub(crate) feature_level: u32,
}

impl Facts {
    /// The members by node.
    pub(crate) fn regions(&self) -> BTreeMap<NodeId, Region> {
        let of = |(region, members): (&Region, &crate::consistency::RegionMembers)| {
            members.nodes.iter().map(|node| (*node, region.clone())).collect::<Vec<_>>()
        };
        self.members.iter().flat_map(of).collect()
    }

    pub(crate) fn is_serving(&self, node: NodeId) -> bool {
        self.marks.get(&node) == Some(&ReplicaMark::Serving)
    }

    /// Whether another replica of a replica's region serves.
    pub(crate) fn is_served_beside(&self, node: NodeId) -> bool {
        let beside = self.region_of(node).and_then(|region| self.members.get(region));
        let nodes = beside.into_iter().flat_map(|members| &members.nodes);
        nodes.filter(|it| **it != node).any(|it| self.is_serving(*it))
    }

    fn region_of(&self, node: NodeId) -> Option<&Region> {
        let holds = |(_, members): &(&Region, &crate::consistency::RegionMembers)| {
            members.nodes.contains(&node)
        };
        self.members.iter().find(holds).map(|(region, _)| region)
    }

    /// How long a replica's lease is; none for one that may hold none.
    fn length(&self, node: NodeId, home: Option<&Region>) -> Option<Duration> {
        let region = self.region_of(node).filter(|_| self.is_serving(node))?;
        Some(self.length_in(region, home))
    }

    /// How long leases are in a region.
    pub(crate) fn length_in(&self, region: &Region, home: Option<&Region>) -> Duration {
        let terms = self.leases.terms;
        if Some(region) == home { terms.home } else { terms.away }
    }
}

/// One replica's leases: those it holds, and those it has granted.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    table: Mutex<LeaseTable>,
    held: Mutex<HeldLeases>,
    /// How this node's disk keeps pace with what the replica shows.
    disk: Mutex<Pace>,
    /// In the newest term that this node led in: the first index it could have read at.
    own_entry: Mutex<(Term, LogIndex)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Leasing {
    /// Whether reads may be answered unmarked now.
    pub(crate) fn is_current(&self, visible: LogIndex, now: Duration) -> bool {
        locked(&self.held).is_current(visible, now)
    }

    /// When the newest lease that the state has caught up with was asked for.
    pub(crate) fn as_of(&self, visible: LogIndex) -> Option<LogTime> {
        locked(&self.held).as_of(visible)
    }

    /// Takes over as of when a state is at least from the replica that kept it before.
    pub(crate) fn remember(&self, before: &Self, visible: LogIndex) {
        let (as_of, proven) = (before.as_of(visible), before.proven(visible));
        locked(&self.held).remember(as_of, proven);
    }

    /// Of which moment the state is at least, by the steady clock.
    pub(crate) fn proven(&self, visible: LogIndex) -> Option<Duration> {
        locked(&self.held).proven(visible)
    }

    /// Since the newest lease was asked for, and how many others this node has granted.
    pub(crate) fn ages(&self, now: Duration) -> (Option<Duration>, usize) {
        (locked(&self.held).age(now), locked(&self.table).holders(now))
    }

    /// Up to when reads could be answered unmarked, by the steady clock.
    pub(crate) fn ended(&self, visible: LogIndex) -> Option<Duration> {
        locked(&self.held).ended(visible)
    }

    /// For how long this node's disk has not kept pace.
    pub(crate) fn disk_behind_for(&self, now: Duration) -> Option<Duration> {
        locked(&self.disk).behind_for(now)
    }

    /// This node has reported what its disk was late with by so much.
    pub(crate) fn on_own_report(&self, late: Duration, now: Duration) {
        locked(&self.disk).on_report(late, now);
    }

    /// Whom this node grants no lease, for its reports are late, and for how long they have been.
    pub(crate) fn refused(&self, now: Duration) -> BTreeMap<NodeId, Duration> {
        locked(&self.table).refused(now)
    }

    /// This node leads in a term.
    pub(crate) fn begin(&self, term: Term, facts: &Facts, now: Duration) {
        let longest = facts.leases.stretched(facts.leases.longest);
        locked(&self.table).begin(term, longest, now);
    }

    /// Until a replica holds no lease any more, as this node knows while it leads.
    pub(crate) fn left_of_any(&self, node: NodeId, facts: &Facts, now: Duration) -> Duration {
        let mut table = locked(&self.table);
        table.recount(facts.leases.stretched(facts.leases.longest));
        table.left_of_any(node, now)
    }

    /// Who may answer without an entry that is committed in this node's own term.
    pub(crate) fn danger(
        &self,
        index: LogIndex,
        term: Term,
        facts: &Facts,
        now: Duration,
    ) -> DangerSet {
        self.begin(term, facts, now);
        let table = locked(&self.table);
        let replica =
            |node: &NodeId| ReplicaDanger { node: *node, left: table.left(*node, index, now) };
        let regions = facts.members.iter().map(|(region, members)| RegionDanger {
            region: region.clone(),
            counts: members.counts,
            replicas: members.nodes.iter().map(replica).collect(),
        });
        DangerSet { regions: regions.collect() }
    }

    fn left_in(
        &self,
        term: Term,
        (node, index): (NodeId, LogIndex),
        facts: &Facts,
        now: Duration,
    ) -> Option<Duration> {
        let mut table = locked(&self.table);
        table.recount(facts.leases.stretched(facts.leases.longest));
        table.left_in(term, node, index, now)
    }

    /// An entry of the own term is committed once the first index that could be read at in this
    /// term, which is not before that entry, has been applied.
    fn is_established(&self, term: Term, read_at: LogIndex, visible: LogIndex) -> bool {
        let mut own_entry = locked(&self.own_entry);
        if own_entry.0 != term {
            *own_entry = (term, read_at);
        }
        visible >= own_entry.1
    }
}

/// Finds out that the machine slept: then the Raft library, which counts by a clock that slept with
/// it, may believe in a lead that is long over.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    state: Mutex<(Duration, Option<Instant>)>,
    started: Instant,
}

impl SleepWatch {
    pub(crate) fn new(clock: &dyn SteadyClock) -> Self {
        Self { state: Mutex::new((clock.now(), None)), started: Instant::now() }
    }

    /// Whether the machine slept less than `window` ago, by the clock that slept.
    pub(crate) fn slept_within(&self, clock: &dyn SteadyClock, window: Duration) -> bool {
        let (steady, runtime) = (clock.now(), self.started.elapsed());
        let mut state = locked(&self.state);
        let apart = steady.saturating_sub(runtime);
        if apart > state.0.saturating_add(SLEPT_MIN) {
            state.1 = Some(Instant::now());
        }
        state.0 = apart;
        state.1.is_some_and(|noticed| noticed.elapsed() < window)
    }
}

impl Groups {
    /// For how long yet this node, as a group's leader, counts with answers of another one that lack
    /// an entry that it has committed; none when it does not lead, or has not counted in its term yet.
    #[must_use]
    pub fn danger_left(&self, group: GroupId, node: NodeId, index: LogIndex) -> Option<Duration> {
        let replica = self.replica(group).filter(|it| it.leader() == Some(self.node()))?;
        let facts = self.tracker().facts(group);
        if facts.region_of(node).is_none() {
            return Some(Duration::ZERO);
        }
        let now = self.environment().steady.now();
        let term = Term(replica.metrics().current_term);
        replica.leasing.left_in(term, (node, index), &facts, now)
    }

    /// A replica has reported; where this node leads, late reports cost it its lease.
    pub(crate) fn on_report(&self, node: NodeId, group: GroupId, applied: LogIndex) {
        let late = self.tracker().on_report(node, group, applied);
        // Most reports: no limit is lower.
        if late < DISK_LATE_MIN {
            return;
        }
        let Some(replica) = self.replica(group) else { return };
        let now = self.environment().steady.now();
        if node == self.node() {
            replica.leasing.on_own_report(late, now);
        }
        if replica.leader() == Some(self.node()) {
            locked(&replica.leasing.table).on_report(node, late, now);
        }
    }

    /// Whom this node grants no lease of a group that it leads, for its reports are late.
    pub(crate) fn refused(&self, replica: &Replica) -> BTreeMap<NodeId, Duration> {
        match replica.leader() == Some(self.node()) {
            true => replica.leasing.refused(self.environment().steady.now()),
            false => BTreeMap::new(),
        }
    }

    /// For how long this node has shown what it could not report yet, for its disk has not synced it.
    pub(crate) fn disk_late(&self, replica: &Replica) -> Duration {
        self.tracker().shown_beyond(replica.group, replica.reportable())
    }

    /// For how long this node has shown what another one has not reported of a group; and for how long
    /// any lease may be that was ever granted in it.
    #[must_use]
    pub fn lateness(&self, group: GroupId, node: NodeId) -> (Duration, Duration) {
        let leases = self.tracker().facts(group).leases;
        (self.tracker().late(group, node), leases.stretched(leases.longest))
    }

    /// Grants a peer, or this node itself, what it may be granted.
    pub(crate) async fn grant_leases(&self, to: NodeId, groups: &[GroupId]) -> Vec<LeaseGrant> {
        let mut grants = Vec::new();
        for group in groups {
            if let Some(replica) = self.replica(*group) {
                grants.extend(self.grant(&replica, to).await);
            }
        }
        grants
    }

    async fn grant(&self, replica: &Replica, to: NodeId) -> Option<LeaseGrant> {
        let clock = &*self.environment().steady;
        let facts = self.tracker().facts(replica.group);
        let home = self.system().seat_of(replica.group);
        let length = facts.length(to, home.as_ref())?;
        let stretched = facts.leases.stretched(length);
        let late = self.tracker().late(replica.group, to);
        if !locked(&replica.leasing.table).keeps_pace(to, late, length, clock.now()) {
            return None;
        }
        let early = match planted::is(Bug::IndexBeforeRegistration) {
            true => Some(self.prove_lead(replica).await),
            false => None,
        };
        if early.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ticket = locked(&replica.leasing.table).register(to, stretched, clock.now());
        let proof = match early {
            Some(proof) => proof,
            None => self.prove_lead(replica).await,
        };
        // Looked at again, for two reasons. A mark that was applied before the registration may have
        // come too late for the first look, and whoever then removed the replica did not see this
        // lease. And a new leader's state is as far as what those before it committed only once an
        // entry of its own term is applied, which the proof makes sure of.
        let facts = self.tracker().facts(replica.group);
        // Whether the group may be closed is looked at last: what is granted ends one lease after
        // the last moment at which this node could take it for open.
        let may_grant = facts.is_serving(to) && self.may_act_for(replica.group);
        let Some((term, covers)) = proof.filter(|_| may_grant) else {
            locked(&replica.leasing.table).withdraw(ticket);
            return None;
        };
        let now = clock.now();
        replica.leasing.begin(term, &facts, now);
        let granted = locked(&replica.leasing.table).grant(ticket, term, covers, now);
        granted.then_some(LeaseGrant { group: replica.group, term, covers, length })
    }

    /// While a home group's replicas change their timings, a voter may count the leader lease by the
    /// others than its leader does: the shorter one holds.
    fn shortest_leader_lease(&self, group: GroupId) -> Duration {
        let (home, system) = (self.config().home_timings, self.config().system_timings);
        if group == GroupId::SYSTEM {
            return system.election_max;
        }
        home.election_max.min(system.election_max)
    }

    /// In one step: this node leads, by answers of a quorum with a margin, no transfer has begun,
    /// and its commit index is this.
    async fn prove_lead(&self, replica: &Replica) -> Option<(Term, LogIndex)> {
        let leader_lease = self.shortest_leader_lease(replica.group);
        if planted::is(Bug::LeadNotProved) && replica.leader() == Some(self.node()) {
            let visible = LogIndex(replica.visible.load(Ordering::Acquire));
            return Some((Term(replica.metrics().current_term), visible));
        }
        if self.sleep_watch().slept_within(&*self.environment().steady, leader_lease) {
            return None;
        }
        let option = LinearizerOption::new(Some(leader_lease * 9 / 10), false)
            .with_wait_timeout(Duration::ZERO);
        let proof = replica.raft.get_read_linearizer(option).await.ok()?;
        if self.sleep_watch().slept_within(&*self.environment().steady, leader_lease) {
            return None;
        }
        let LogId { term, index } = convert::log_id(*proof.read_log_id().log_id());
        let visible = LogIndex(replica.visible.load(Ordering::Acquire));
        if planted::is(Bug::OwnTermNotAwaited) {
            return Some((term, visible));
        }
        replica.leasing.is_established(term, index, visible).then_some((term, index))
    }

    /// Reads again what the log says of a group's replicas.
    pub(crate) fn reload_facts(&self, group: GroupId) -> Result<(), super::Fault> {
        let doing = |error| super::Fault::caused("reading what a log says of its replicas", error);
        let store = &**self.slotted();
        let applied = super::machine_store::read_applied(store, group)
            .and_then(|record| super::machine_store::position_of(&record));
        let (_, membership) = applied.map_err(|error| {
            super::Fault::caused("reading what a log says of its replicas", error)
        })?;
        let marks = query::replica_marks(store, group).map_err(doing)?;
        let leases = query::leases(store, group).map_err(doing)?;
        let isolation = query::isolation(store, group).map_err(doing)?;
        let feature_level = query::feature_level(store, group).map_err(doing)?;
        let mut members = Members::new();
        for (id, member) in membership.nodes() {
            let Ok(region) = Region::new(member.region.clone()) else { continue };
            let of = members.entry(region).or_default();
            of.nodes.push(NodeId(*id));
            of.counts |= marks.get(&NodeId(*id)) == Some(&ReplicaMark::Serving);
        }
        self.tracker().set_facts(group, Facts { members, marks, leases, isolation, feature_level });
        Ok(())
    }
}

/// What one group asks for next.
#[derive(Debug, Clone, Copy)]
struct Due {
    leader: NodeId,
    asked: Duration,
}

/// Asks for leases until the node stops: a third of a lease after the last time, and at once of a
/// new leader.
pub(crate) async fn run(groups: Groups, news: Arc<Notify>) {
    let mut asked: BTreeMap<GroupId, Due> = BTreeMap::new();
    let mut asking = FuturesUnordered::new();
    loop {
        let (questions, next) = what_is_due(&groups, &mut asked);
        asking.extend(questions.into_iter().map(|question| ask(&groups, question)));
        let again = tokio::time::sleep(next);
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                () = news.notified() => break,
                Some(()) = asking.next() => {}
            }
        }
    }
}

/// One frame: which groups a leader is asked for.
struct Question {
    leader: NodeId,
    wanted: BTreeSet<GroupId>,
    /// An answer after this is worth nothing.
    limit: Duration,
}

/// What to ask now, and when to look again.
fn what_is_due(groups: &Groups, asked: &mut BTreeMap<GroupId, Due>) -> (Vec<Question>, Duration) {
    let now = groups.environment().steady.now();
    let mut frames: BTreeMap<NodeId, (bool, Vec<(GroupId, Duration)>)> = BTreeMap::new();
    let mut next = Duration::from_millis(250);
    for replica in groups.replicas() {
        let facts = groups.tracker().facts(replica.group);
        let home = groups.system().seat_of(replica.group);
        let (Some(leader), Some(length)) =
            (replica.leader(), facts.length(groups.node(), home.as_ref()))
        else {
            asked.remove(&replica.group);
            continue;
        };
        let late = groups.disk_late(&replica);
        if !locked(&replica.leasing.disk).look(late, &Terms::of_disk(length), now) {
            // It would hold up each write by its lease: it lets it run out, and marks its reads.
            asked.remove(&replica.group);
            next = next.min(length / ALONG_PART);
            continue;
        }
        let last = asked.get(&replica.group).filter(|due| due.leader == leader);
        let due = last.map_or(now, |due| due.asked.saturating_add(length / 3));
        next = next.min(due.saturating_sub(now).max(length / ALONG_PART));
        if due <= now.saturating_add(length / ALONG_PART) {
            let frame = frames.entry(leader).or_default();
            frame.0 |= due <= now;
            frame.1.push((replica.group, length));
        }
    }
    let mut questions = Vec::new();
    for (leader, (_, of)) in frames.into_iter().filter(|(_, (is_due, _))| *is_due) {
        for (group, _) in &of {
            asked.insert(*group, Due { leader, asked: now });
        }
        let limit = of.iter().map(|(_, length)| *length).max().unwrap_or_default();
        let wanted = of.into_iter().map(|(group, _)| group).collect();
        questions.push(Question { leader, wanted, limit });
    }
    (questions, next)
}

/// One question; what is granted counts from before it was sent.
async fn ask(groups: &Groups, question: Question) {
    let Question { leader, wanted, limit } = question;
    let asked = groups.environment().steady.now();
    let asked_at = groups.environment().clock.now();
    let of: Vec<GroupId> = wanted.iter().copied().collect();
    let grants = if leader == groups.node() {
        groups.grant_leases(leader, &of).await
    } else {
        let body = Bytes::from(PeerRequest::Leases { groups: of }.encode());
        let transport = &groups.environment().transport;
        match transport.request(leader, Channel::Control, body, limit).await {
            Ok(reply) => match PeerReply::decode(&reply) {
                Ok(PeerReply::Leases(grants)) => grants,
                Ok(_) | Err(_) => Vec::new(),
            },
            Err(_) => Vec::new(),
        }
    };
    for grant in grants.iter().filter(|grant| wanted.contains(&grant.group)) {
        if let Some(replica) = groups.replica(grant.group) {
            let asked = match planted::is(Bug::LeaseFromAnswer) {
                true => groups.environment().steady.now(),
                false => asked,
            };
            locked(&replica.leasing.held).add(grant, asked, asked_at);
        }
    }
}
