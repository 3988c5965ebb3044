//! Three home groups, one organization, and all events between them: for the tests of moves and of
//! failovers. Clients write to any group; the leaders' level-triggered steps are computed from the
//! groups' states and kept, so that they can arrive late, twice and out of order.
//!
//! The model of the expected result is as naive as possible: one map.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    command::{Command, Proposal, RequestDigest},
    id::{GroupId, OrgId, WriteId},
    key::OrgKey,
    log::{LogId, Term},
    movement::{HomeRecord, MovedAwayRecord, MovedRecord, Release},
    oidc::OidcCredential,
    org::{OrgSettings, StaleSecrets},
    record::AppliedRecord,
    refusal::{Refusal, RefusalClass},
    reply::{Applied, Reply},
    time::LogTime,
    wire::Wire,
};

use super::{
    export,
    model::{Answer, Model, Write},
};
use crate::machine::{
    failover::succession::{self, SuccessorSpec},
    list::Wanted,
    locate, movement, query,
    testkit::{BEGIN, KEY_LIFE, Replica, keyed, org, org_id, proposal, region},
};

use crate::store::{Store, WriteBatch, keys, memory::MemoryStore};

/// The groups.
pub(super) const GROUPS: [GroupId; 3] = [GroupId(1), GroupId(2), GroupId(3)];
/// The organization's settings.
const SETTINGS: OrgSettings = OrgSettings { stale_secrets: StaleSecrets::Refuse };
/// Milliseconds for which a proposal is valid.
const VALID: u64 = 10_000;
/// Records in a part: few, so that there are several parts.
const PART_ITEMS: usize = 2;

/// An event.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A client's write arrives at a group; later perhaps at others.
    Write { at: usize, command: Write, key: Option<u8> },
    /// A write that was sent before arrives (again), at any group that ever had the organization.
    Repeat { which: usize, at: usize },
    /// An operator moves the organization.
    Move { to: usize },
    /// An operator takes a move back.
    Back,
    /// A group's leader looks at the states and does what is missing. Its view of other groups may
    /// be old.
    Look { at: usize, is_behind: bool },
    /// Replicas that are behind see this state of a group from here on.
    Freeze { at: usize },
    /// Something that a leader or operator proposed arrives (again), perhaps under another name.
    Late { which: usize, renamed: bool },
    /// A group is failed over from a replica that has all of it: another one takes its place.
    FailOver { at: usize },
    /// A group's clock advances.
    Tick { at: usize, by: u64 },
}

/// All groups, all steps in transit, and the expected result.
pub(super) struct World {
    replicas: Vec<Replica>,
    /// The states that lagging replicas see.
    old_replicas: Vec<Replica>,
    /// Each group's first state, and its log since then.
    beginnings: Vec<Replica>,
    logs: Vec<Vec<Proposal>>,
    /// The place of every group that ever was.
    places: Places,
    clocks: Vec<u64>,
    names: u64,
    /// Clients' writes.
    writes: Vec<Proposal>,
    /// Steps of moves and the groups they are for.
    steps: Vec<(usize, Proposal)>,
    /// The parts of each attempt.
    attempts: BTreeMap<WriteId, Vec<export::Part>>,
    model: Model,
    /// The group that had the organization open in each epoch.
    stays: BTreeMap<u32, usize>,
}

impl World {
    /// The organization begins in the first group.
    pub(super) fn new() -> Self {
        let mut world = Self {
            replicas: GROUPS.map(Replica::new).to_vec(),
            old_replicas: GROUPS.map(Replica::new).to_vec(),
            beginnings: GROUPS.map(Replica::new).to_vec(),
            logs: vec![Vec::new(); GROUPS.len()],
            places: GROUPS.into_iter().zip(0..).collect(),
            clocks: vec![BEGIN; GROUPS.len()],
            names: 0,
            writes: Vec::new(),
            steps: Vec::new(),
            attempts: BTreeMap::new(),
            model: Model::default(),
            stays: BTreeMap::new(),
        };
        for at in 0..GROUPS.len() {
            world.propose(at, Command::NoteFeatureLevel(3));
        }
        let created = world.propose(0, Command::CreateOrg(org(0)));
        assert!(created.outcome.is_ok());
        let (org, settings) = (org_id(0), SETTINGS);
        let set = world.propose(0, Command::SetOrgSettings { org, settings });
        assert_eq!(set.outcome, Ok(Reply::Done));
        // They happen once: a late repeat would be another write.
        world.steps.clear();
        world
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Write { at, command, key } => self.write(*at, *command, *key),
            Step::Repeat { which, at } => {
                if let Some(write) = pick(&self.writes, *which).cloned() {
                    self.arrive(*at, write);
                }
            }
            Step::Move { to } => self.move_to(*to),
            Step::Back => self.back(),
            Step::Look { at, is_behind } => self.look(*at, *is_behind),
            Step::Freeze { at } => {
                self.old_replicas[*at] = self.replicas[*at].copied_into(MemoryStore::default());
            }
            Step::Late { which, renamed } => {
                if let Some((at, proposal)) = pick(&self.steps, *which).cloned() {
                    self.late(at, proposal, *renamed);
                }
            }
            Step::FailOver { at } => self.fail_over(*at),
            Step::Tick { at, by } => self.clocks[*at] += by,
        }
        self.check();
    }

    fn name(&mut self) -> WriteId {
        self.names += 1;
        WriteId::from_bytes(u128::from(self.names).to_be_bytes())
    }

    fn new_proposal(&mut self, at: usize, command: Command) -> Proposal {
        let write_id = self.name();
        let stamped = self.clocks[at];
        let not_after = LogTime(stamped + VALID);
        Proposal { write_id, not_after, ..proposal(0, stamped, command) }
    }

    /// Stands next in a group's log.
    fn append(&mut self, at: usize, mut proposal: Proposal) -> Applied {
        proposal.stamped = LogTime(self.clocks[at]);
        self.logs[at].push(proposal.clone());
        self.replicas[at].one(&proposal)
    }

    fn propose(&mut self, at: usize, command: Command) -> Applied {
        let proposal = self.new_proposal(at, command);
        self.steps.push((at, proposal.clone()));
        self.append(at, proposal)
    }

    fn late(&mut self, at: usize, mut proposal: Proposal, renamed: bool) {
        if renamed {
            // Another node, or the same one later, comes to the same conclusion.
            let old = std::mem::replace(&mut proposal.write_id, self.name());
            proposal.not_after = LogTime(self.clocks[at] + VALID);
            if let Some(parts) = self.attempts.get(&old).cloned() {
                self.attempts.insert(proposal.write_id, parts);
            }
        }
        self.append(at, proposal);
    }

    /// Messages in transit to the closed group never arrive; its leaders have stopped.
    fn fail_over(&mut self, at: usize) {
        let number = u32::try_from(self.places.len() + 1).expect("few groups");
        let (closed, group) = (&self.replicas[at], GroupId(number));
        let AppliedRecord { log_id, log_time, .. } = closed.applied();
        let safe_index = log_id.map(|id| id.index).unwrap_or_default();
        let spec = SuccessorSpec { closed: closed.group, group, safe_index, keeps_names: true };
        let successor = Replica::new(group);
        let first = LogId { term: Term(0), index: succession::FIRST_INDEX };
        let position = AppliedRecord { log_id: Some(first), log_time, membership: Vec::new() };
        let mut seen = BTreeSet::new();
        succession::build_successor_state(&*closed.store, spec, &mut |pairs| {
            let twice = pairs.iter().find(|(key, _)| !seen.insert(key.clone()));
            assert_eq!(twice, None, "two records of one key");
            let changes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
            successor.store.write(WriteBatch { cleared_prefixes: Vec::new(), changes })
        })
        .expect("a store that works");
        let changes = vec![(keys::applied(group), Some(position.encode()))];
        successor
            .store
            .write(WriteBatch { cleared_prefixes: Vec::new(), changes })
            .expect("it works");
        self.steps.retain(|(of, _)| *of != at);
        self.places.insert(group, at);
        self.logs[at].clear();
        self.beginnings[at] = successor.copied_into(MemoryStore::default());
        self.old_replicas[at] = Replica::new(group);
        self.replicas[at] = successor;
    }

    // Clients.

    fn write(&mut self, at: usize, write: Write, key: Option<u8>) {
        let mut proposal = self.new_proposal(at, write.command(&self.model));
        if let Some(key) = key {
            // The digest represents the request: one key always belongs to one request here.
            let number = match write {
                Write::Create(n) | Write::Label(n, _) | Write::Delete(n) => n,
                Write::Rename(n, _) => 8 + n,
                Write::Attribute(n, _) => 16 + n,
                Write::Issue(n) => 24 + n,
                Write::Revoke(n) => 28 + n,
                Write::End => 32,
            };
            let name = key.wrapping_mul(33).wrapping_add(number);
            proposal = keyed(proposal, name, name, KEY_LIFE);
        }
        self.writes.push(proposal.clone());
        self.arrive(at, proposal);
    }

    fn arrive(&mut self, at: usize, proposal: Proposal) {
        if !self.has_had(at) {
            return; // No node ever believes it there.
        }
        let applied = self.append(at, proposal.clone());
        let is_undone = applied.outcome.as_ref().is_err_and(|refusal| {
            matches!(
                refusal.class(),
                RefusalClass::Elsewhere | RefusalClass::Expired | RefusalClass::KeyReused
            )
        });
        if is_undone {
            return;
        }
        let here = (self.replicas[at].group, applied.index);
        let place = applied.position.map_or(here, |p| (p.group, p.index));
        let answer = Answer { outcome: applied.outcome.clone(), place };
        let known = self.model.answers.get(&applied.write_id).cloned();
        match known {
            Some(known) => assert_eq!(answer, known, "{proposal:?} was answered otherwise before"),
            None => {
                assert_eq!(applied.write_id, proposal.write_id, "it repeats an unknown write");
                self.executed(at, &proposal, answer);
            }
        }
        if applied.write_id != proposal.write_id {
            let answer = self.model.answers[&applied.write_id].clone();
            self.model.answers.insert(proposal.write_id, answer);
        }
        self.seen_here(at, &applied);
    }

    /// The answered write is in the state: where it was applied, or since the arrival.
    fn seen_here(&self, at: usize, applied: &Applied) {
        let now = self.replicas[at].next_index() as u64;
        assert!((1..=now).contains(&applied.index.0), "{applied:?} points beyond the log");
    }

    /// A write takes effect, for the first and only time.
    fn executed(&mut self, at: usize, proposal: &Proposal, answer: Answer) {
        assert_eq!(self.open(), Some(at), "a write was carried out by a group without a right to");
        if let Some(idempotency) = &proposal.idempotency {
            let now = self.clocks.iter().max().copied().unwrap_or_default();
            let key = self.model.keys.get(&idempotency.key);
            assert!(key.is_none_or(|(until, _)| *until < now), "the key's write happened twice");
            if answer.outcome.as_ref().err().is_none_or(Refusal::remembered) {
                let until = self.clocks[at] + KEY_LIFE;
                self.model.keys.insert(idempotency.key.clone(), (until, proposal.write_id));
            }
        }
        let expected = self.model.carry_out(proposal, &answer.outcome);
        assert_eq!(answer.outcome, expected, "{proposal:?}");
        self.model.answers.insert(proposal.write_id, answer);
    }

    // Operators.

    fn move_to(&mut self, to: usize) {
        let Some(located) = self.located() else { return };
        let at = self.places[&located.group];
        let epoch = located.home.org.epoch + 1;
        let to = self.replicas[to].group;
        self.propose(at, Command::MoveFreeze { org: org_id(0), to, epoch });
    }

    fn back(&mut self) {
        let Some(located) = self.located() else { return };
        if let Some(release) = located.home.release {
            let epoch = release.epoch + 1;
            let at = self.places[&located.group];
            self.propose(at, Command::MoveAbort { org: org_id(0), epoch });
        }
    }

    // Leaders.

    fn look(&mut self, at: usize, is_behind: bool) {
        let view = self.view(at, is_behind);
        for command in self.missing(at, &view) {
            let proposal = self.new_proposal(at, command);
            if matches!(proposal.command, Command::ImportBegin { .. }) {
                let parts = parts_for(at, &view);
                self.attempts.insert(proposal.write_id, parts);
            }
            self.steps.push((at, proposal.clone()));
            self.append(at, proposal);
        }
    }

    /// The missing steps of a group's leader, by the groups' present states.
    fn missing(&self, at: usize, view: &View) -> Vec<Command> {
        let org = org_id(0);
        let mut missing = Vec::new();
        missing.extend(self.next_of_adoption(at, view));
        if let Some(release) = view.home(at).and_then(|home| home.release) {
            let to = self.places[&release.to];
            let import = view.away(to).and_then(|away| away.import);
            let is_whole = import.is_some_and(|it| it.is_whole && it.org.epoch == release.epoch);
            let is_there = view.home(to).is_some_and(|it| it.org.epoch >= release.epoch);
            let is_ready = is_whole || is_there;
            if is_ready && !release.handed_over {
                missing.push(Command::MoveCommit { org, epoch: release.epoch });
            }
            let arrived = view.home(to).is_some_and(|home| home.org.epoch >= release.epoch)
                || view.away(to).is_some_and(|away| away.epoch > release.epoch);
            if release.handed_over && arrived {
                missing.push(Command::MoveCleanup { org, epoch: release.epoch });
            }
        }
        if let Some(import) = view.away(at).and_then(|away| away.import) {
            let from = import.past.last().expect("it comes from somewhere").group;
            let from = self.places[&from];
            let epoch = import.org.epoch;
            let is_over = view.home(from).is_some_and(|home| home.newest_epoch() > epoch)
                || view.away(from).is_some_and(|away| away.epoch > epoch);
            if is_over {
                missing.push(Command::MoveCleanup { org, epoch });
            }
        }
        missing
    }

    fn next_of_adoption(&self, at: usize, view: &View) -> Option<Command> {
        let (from, release) = view.released_to(at)?;
        let org = org_id(0);
        let import = view.away(at).and_then(|away| away.import);
        let import = import.filter(|it| it.org.epoch == release.epoch);
        let parts = import.as_ref().and_then(|it| self.attempts.get(&it.attempt));
        let (Some(import), Some(parts)) = (import, parts) else {
            if view.home(at).is_some_and(|home| home.newest_epoch() >= release.epoch) {
                return None;
            }
            let reader = &*view.replicas[from].store;
            let number = u8::try_from(at).expect("few groups");
            let head = export::head(reader, view.group(from), org, release.epoch, region(number));
            let head = head.expect("a store that works").expect("it was released");
            return Some(Command::ImportBegin {
                org: head.org,
                past: head.past,
                dedup_horizon: head.dedup_horizon,
            });
        };
        let attempt = import.attempt;
        if import.is_whole {
            let digest = parts.last().expect("a last part").digest;
            return release.handed_over.then_some(Command::ImportFinish { org, attempt, digest });
        }
        let export::Part { sequence, moved_records, is_last, .. } =
            parts[import.next as usize].clone();
        Some(Command::ImportChunk { org, attempt, sequence, moved_records, is_last })
    }

    /// A leader's view: its own group as it is, others perhaps as they were.
    fn view(&self, at: usize, is_behind: bool) -> View {
        let of = |other: usize| {
            let is_old = is_behind && other != at;
            if is_old { &self.old_replicas[other] } else { &self.replicas[other] }.clone()
        };
        View { replicas: (0..GROUPS.len()).map(of).collect(), places: self.places.clone() }
    }

    // Looks.

    fn now(&self) -> View {
        View { replicas: self.replicas.clone(), places: self.places.clone() }
    }

    fn home(&self, at: usize) -> Option<HomeRecord> {
        self.now().home(at)
    }

    fn away(&self, at: usize) -> Option<MovedAwayRecord> {
        self.now().away(at)
    }

    fn has_had(&self, at: usize) -> bool {
        self.home(at).is_some() || self.away(at).is_some_and(|away| away.to.is_some())
    }

    /// The newest record over all groups.
    fn located(&self) -> Option<locate::Located> {
        let homes = (0..GROUPS.len()).filter_map(|at| {
            let reader = &*self.replicas[at].store;
            let group = self.replicas[at].group;
            locate::locate(reader, &[group], org_id(0)).expect("a store that works")
        });
        homes.max_by_key(|located| (located.home.newest_epoch(), located.is_settled()))
    }

    /// The group that carries writes out.
    fn open(&self) -> Option<usize> {
        let mut open = (0..GROUPS.len()).filter(|at| self.home(*at).is_some_and(|h| h.is_open()));
        let first = open.next();
        assert_eq!(open.next(), None, "two groups carry writes out");
        first
    }

    /// The invariants.
    fn check(&mut self) {
        for at in 0..GROUPS.len() {
            let both = self.home(at).is_some() && self.away(at).is_some();
            assert!(!both, "an organization is here and away");
        }
        let Some(at) = self.open() else { return };
        let epoch = self.home(at).expect("it is open").org.epoch;
        let newest = self.stays.last_key_value().map_or(0, |(epoch, _)| *epoch);
        assert!(epoch >= newest, "an old home was resurrected");
        assert_eq!(*self.stays.entry(epoch).or_insert(at), at, "one epoch in two groups");
        self.check_contents(at);
    }

    fn check_contents(&mut self, at: usize) {
        let store = &*self.replicas[at].store;
        let group = self.replicas[at].group;
        let page = query::oidc_part(store, group, org_id(0), None, Wanted::FIRST).expect("a page");
        let expected: Vec<OidcCredential> = self.model.credentials.values().cloned().collect();
        assert_eq!(page.items, expected, "what is there is not what was written");
        self.model.check_registrations(store, group, org_id(0));
        self.model.check_attributes(store, group, org_id(0));
        let settings = query::org_settings(store, group, org_id(0)).expect("a look-up");
        let is_ended = self.model.is_ended;
        let expected = if is_ended { OrgSettings::default() } else { SETTINGS };
        assert_eq!(settings, expected, "they were left behind");
        let key = org(0).first_key;
        let found = query::api_key(store, group, org_id(0), &key.hash).expect("a look-up");
        let expected = (!is_ended).then(|| OrgKey::plain(key));
        assert_eq!(found, expected, "the key was left behind");
        let record = self.home(at).expect("it is open");
        assert_eq!(record.is_ended(), is_ended, "it has ended and lives, or the other way round");
        self.model.check_keys(store, group, org_id(0));
        let keys = self.replicas[at].keys_under(&keys_of(group));
        let counted = query::idempotency_keys(store, group, org_id(0)).expect("a count");
        assert_eq!(counted, keys as u64, "idempotency keys are counted wrong");
    }

    /// Everything comes to rest, in one place, with everything in it.
    pub(super) fn settle(mut self) {
        for _ in 0..200 {
            (0..GROUPS.len()).for_each(|at| self.look(at, false));
            self.check();
        }
        let open = self.open().expect("a home in the end");
        for at in 0..GROUPS.len() {
            let group = self.replicas[at].group;
            assert!(
                self.missing(at, &self.now()).is_empty(),
                "there is always something left to do"
            );
            let left = self.replicas[at].keys_under(&keys::org_prefix(group, org_id(0)));
            assert!(at == open || left <= 1, "{left} records were left behind in group {at}");
            let on_move = query::on_move(&*self.replicas[at].store, group);
            assert_eq!(on_move.expect("a list"), Vec::<OrgId>::new());
        }
        for write in self.writes.clone() {
            self.arrive(open, write);
        }
        self.compare_replicas();
    }

    /// A second replica of each group that applies the same log, in batches.
    fn compare_replicas(&self) {
        for (at, log) in self.logs.iter().enumerate() {
            let other = self.beginnings[at].copied_into(MemoryStore::default());
            let sizes: BTreeSet<usize> = [1, 7, 19].into();
            let mut rest = &log[..];
            for size in sizes.iter().cycle() {
                let (batch, left) = rest.split_at(rest.len().min(*size));
                if batch.is_empty() {
                    break;
                }
                other.batch(batch);
                rest = left;
            }
            assert_eq!(other.digest(), self.replicas[at].digest(), "replicas went apart");
        }
    }
}

/// The groups' states as one node sees them.
struct View {
    replicas: Vec<Replica>,
    places: Places,
}

type Places = BTreeMap<GroupId, usize>;

impl View {
    fn group(&self, at: usize) -> GroupId {
        self.replicas[at].group
    }

    fn home(&self, at: usize) -> Option<HomeRecord> {
        query::home(&*self.replicas[at].store, self.group(at), org_id(0))
            .expect("a store that works")
    }

    fn away(&self, at: usize) -> Option<MovedAwayRecord> {
        query::away(&*self.replicas[at].store, self.group(at), org_id(0))
            .expect("a store that works")
    }

    fn released_to(&self, at: usize) -> Option<(usize, Release)> {
        (0..GROUPS.len()).find_map(|from| {
            let release = self.home(from)?.release?;
            (self.places[&release.to] == at).then_some((from, release))
        })
    }
}

/// The parts of the export to a group, made smaller than they would be.
fn parts_for(at: usize, view: &View) -> Vec<export::Part> {
    let (from, _) = view.released_to(at).expect("it was released");
    let home = view.home(from).expect("it was released");
    let mut moved_records: Vec<MovedRecord> = Vec::new();
    export::parts(&*view.replicas[from].store, view.group(from), &home, &mut |part| {
        moved_records.extend(part.moved_records);
        std::ops::ControlFlow::Continue(())
    })
    .expect("a store that works");
    let mut chunks: Vec<Vec<MovedRecord>> =
        moved_records.chunks(PART_ITEMS).map(<[MovedRecord]>::to_vec).collect();
    if chunks.is_empty() {
        chunks.push(Vec::new());
    }
    let (last, mut digest) = (chunks.len() - 1, RequestDigest::default());
    let parts = chunks.into_iter().enumerate().map(|(number, moved_records)| {
        digest = movement::digest_part(&digest, &moved_records);
        let sequence = u32::try_from(number).expect("few parts");
        export::Part { sequence, moved_records, is_last: number == last, digest }
    });
    parts.collect()
}

fn pick<T>(from: &[T], which: usize) -> Option<&T> {
    if from.is_empty() { None } else { from.get(which % from.len()) }
}

fn keys_of(group: GroupId) -> Vec<u8> {
    keys::kind_prefix(group, org_id(0), keys::Kind::IdempotencyKey)
}
