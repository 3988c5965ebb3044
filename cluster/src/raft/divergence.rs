//! What a returning node's replica of a closed group has that its successor lacks: listed for the
//! operator, and asked for by its name when somebody wants to know what has become of a write.
//!
//! # When a write is called lost
//! Only where that holds for good, whatever is forgotten later. The node that has the write proves it,
//! from what does not change any more:
//! - its entry is not in the log from which the successor was made ([`Succession::lacks`]);
//! - no other copy of it was: the successor has kept the names of all writes that it began with
//!   (`machine/succession.rs`), and the write was not over before that;
//! - it was proposed to no other group: an organization's write whose organization was at home in the
//!   closed group all the while. A write that is refused because its organization moves is proposed
//!   under its own name in the new home; one that a closed group may have is proposed elsewhere only
//!   under another name (`node`'s `write.rs`). So no copy of it is on its way to anybody.
//!
//! Where one of these cannot be shown the answer is "unknown", never "lost". It must never depend on
//! a record that is forgotten.
//!
//! What was called lost once is put on record before it is said, in its organization's home group: so
//! it stays lost when nobody who has the write answers any more, and no copy of it can be carried out.
//! The record is kept for a day of log time, longer than any copy may still be carried out. There are
//! no more of them than replicas list writes ([`limits::DIVERGED_WRITES_MAX`]).
//!
//! # What it costs
//! The log of a closed replica does not change: it is read once. Questions about a write go to those
//! nodes only whose replica can have something of its own, and few at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    failover::{ClosedGroup, DivergedWrite, Succession},
    id::{ClientId, GroupId, NodeId, OrgId, WriteId},
    limits,
    log::LogIndex,
    org::NodeRecord,
    refusal::Refusal,
    region::Region,
    time::LogTime,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;
use openraft::{EntryPayload, entry::RaftEntry};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    blocking, convert,
    groups::{Groups, SystemView},
    propose::Proposed,
    transport::Channel,
};
use crate::{
    consistency::{Danger, Scope},
    log::RaftLog,
    machine::{
        query,
        succession::{self, Began},
    },
    planted::{self, Bug},
    store::{Reader, StoreError, keys, slots::SlottedStore},
};

/// For a node's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Writes in one answer about what diverged.
const PAGE: usize = 500;

/// What one node's replica of a closed group has that nobody else had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The node.
    pub node: NodeId,
    /// The closed group.
    pub group: GroupId,
    /// The writes, in order of index.
    pub writes: Vec<DivergedWrite>,
    /// Further entries, which its log does not hold any more or which are too many to list.
    pub unlisted: u64,
}

/// What the replicas of closed groups say of a write that no state knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftBehind {
    /// It went with its region: no group ever had it or will have it.
    Lost {
        /// The closed group.
        group: GroupId,
        /// The write.
        write: DivergedWrite,
    },
    /// A replica has it that its successor was not made from, and nobody can show that the successor
    /// never had it.
    Unproved {
        /// The closed group.
        group: GroupId,
        /// The write.
        write: DivergedWrite,
    },
    /// None that answers has anything of it.
    Nothing,
    /// Too many ask.
    Busy,
}

/// A write that this node's replica of a closed group has, and what of it can prove that it is lost.
#[derive(Debug)]
struct Kept {
    write: DivergedWrite,
    /// Of its proposal.
    not_after: LogTime,
    /// Whether it was proposed to the closed group only, as far as that can be shown.
    is_of_one_group: bool,
}

/// All of them, of one closed group.
#[derive(Debug)]
struct Rest {
    succession: Succession,
    /// In order of index.
    kept: Vec<Kept>,
    by_id: BTreeMap<WriteId, usize>,
    unlisted: u64,
}

/// What this node's closed replicas have, once it was read.
#[derive(Debug)]
pub(crate) struct Rests {
    known: Mutex<BTreeMap<GroupId, Arc<Rest>>>,
    /// One reading at a time.
    reading: tokio::sync::Mutex<()>,
    questions: Semaphore,
}

impl Default for Rests {
    fn default() -> Self {
        let questions = Semaphore::new(limits::DIVERGED_QUESTIONS_MAX);
        Self { known: Mutex::default(), reading: tokio::sync::Mutex::default(), questions }
    }
}

impl Rests {
    fn get(&self, group: GroupId, succession: &Succession) -> Option<Arc<Rest>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&group).filter(|rest| rest.succession == *succession).cloned()
    }

    fn put(&self, group: GroupId, rest: &Arc<Rest>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(group, Arc::clone(rest));
    }
}

impl Groups {
    /// What the replicas of a region's closed groups have that their successors lack, of those nodes
    /// that answer; and those that do not.
    pub async fn divergence(&self, region: &Region) -> (Vec<Divergence>, Vec<NodeId>) {
        let system = self.system();
        let closed = system.closed.values().filter(|closed| closed.region == *region);
        let mut found = Vec::new();
        let mut silent = Vec::new();
        for closed in closed.filter(|closed| closed.succession.is_some()) {
            let there = system.nodes.values().filter(|node| node.is_there());
            let asked: Vec<NodeId> = there.map(|node| node.id).collect();
            let answers = join_all(asked.iter().map(|node| self.diverged_of(*node, closed.group)));
            for (node, answer) in asked.iter().zip(answers.await) {
                match answer {
                    Some(of) if of.writes.is_empty() && of.unlisted == 0 => {}
                    Some(of) => found.push(of),
                    None => silent.push(*node),
                }
            }
        }
        silent.sort_unstable();
        silent.dedup();
        (found, silent)
    }

    async fn diverged_of(&self, node: NodeId, group: GroupId) -> Option<Divergence> {
        let mut divergence = Divergence { node, group, writes: Vec::new(), unlisted: 0 };
        let mut after = LogIndex(0);
        loop {
            let page = self.ask_diverged(node, group, after, None).await?;
            divergence.writes.extend(page.writes);
            divergence.unlisted += page.unlisted;
            let Some(next) = page.next else { return Some(divergence) };
            if divergence.writes.len() >= limits::DIVERGED_WRITES_MAX {
                divergence.unlisted += 1;
                return Some(divergence);
            }
            after = next;
        }
    }

    async fn ask_diverged(
        &self,
        node: NodeId,
        group: GroupId,
        after: LogIndex,
        write: Option<WriteId>,
    ) -> Option<Diverged> {
        if node == self.node() {
            return self.diverged(group, after, write).await;
        }
        let body = Bytes::from(PeerRequest::Diverged { group, after, write }.encode());
        let transport = &self.environment().transport;
        let reply = transport.request(node, Channel::Control, body, ANSWER_LIMIT).await.ok()?;
        match PeerReply::decode(&reply) {
            Ok(PeerReply::Diverged { writes, next, unlisted }) => {
                Some(Diverged { writes, next, unlisted })
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// What has become of a write that no state knows, if a closed group's replica has it.
    pub async fn left_behind(&self, write: WriteId) -> LeftBehind {
        let system = self.system();
        if system.closed.is_empty() {
            return LeftBehind::Nothing;
        }
        let Ok(_place) = self.rests().questions.try_acquire() else { return LeftBehind::Busy };
        let mut unproved = LeftBehind::Nothing;
        for closed in system.closed.values().filter(|closed| closed.succession.is_some()) {
            let (group, none) = (closed.group, LogIndex(0));
            let asked = self.may_have_more(&system, closed);
            let asked = asked.iter().map(|node| self.ask_diverged(*node, group, none, Some(write)));
            for page in join_all(asked).await.into_iter().flatten() {
                match page.writes.into_iter().next() {
                    Some(write) if page.unlisted == 0 => return LeftBehind::Lost { group, write },
                    Some(write) => unproved = LeftBehind::Unproved { group, write },
                    None => {}
                }
            }
        }
        unproved
    }

    /// Puts on record in a group that a write is lost, which was proved ([`LeftBehind::Lost`]): from
    /// then on that is answered from the group's state, whether its holder is there or not, and no
    /// copy of it is carried out there. Whether it is on record, and known wherever unmarked answers
    /// are given.
    pub async fn note_lost(
        &self,
        group: GroupId,
        closed: GroupId,
        write: &DivergedWrite,
        deadline: Instant,
    ) -> bool {
        let Some(org) = write.org else { return false };
        let command = Command::NoteLost { org, closed };
        let mut proposal = self.own_proposal(group, write.write_id, command);
        // No copy of it may be carried out later than this: each has less time.
        proposal.not_after = proposal.stamped.max(write.at).after(limits::LOST_LIFETIME);
        let proposed = self.propose(group, proposal, deadline).await;
        let Proposed::Committed { applied, danger } = proposed else { return false };
        if applied.outcome != Err(Refusal::Lost) {
            return false;
        }
        self.until_known(group, applied.index, danger).await;
        true
    }

    /// Waits until an entry has reached all regions, or no replica can hold a lease from before it any
    /// more: then nobody answers unmarked without it.
    pub async fn until_known(&self, group: GroupId, index: LogIndex, danger: Danger) {
        let leases = self.tracker().facts(GroupId::SYSTEM).leases;
        let deadline = Instant::now() + leases.stretched(leases.longest);
        self.wait(group, index, &Scope::All, danger, deadline).await;
    }

    /// Nodes that answer now and whose replicas can have what the successor lacks: those of the lost
    /// region, and those that were not asked. The log of anyone else ends where the founder's does.
    fn may_have_more(&self, system: &SystemView, closed: &ClosedGroup) -> Vec<NodeId> {
        let answers = |node: &&NodeRecord| {
            node.is_there() && (node.id == self.node() || self.tracker().is_live(node.id))
        };
        let had_no_part =
            |node: &&NodeRecord| node.region == closed.lost || closed.absent.contains(&node.id);
        let nodes = system.nodes.values().filter(answers).filter(had_no_part);
        nodes.map(|node| node.id).collect()
    }

    /// This node's answer: a page of what it has; of one write, with whether it is lost for certain
    /// (`unlisted` is 0 then).
    async fn diverged(
        &self,
        group: GroupId,
        after: LogIndex,
        write: Option<WriteId>,
    ) -> Option<Diverged> {
        let succession = self.closed(group)?.succession?;
        let rest = self.rest(group, succession).await?;
        let (store, system) = (Arc::clone(self.slotted()), self.system());
        let look = move || {
            let heir = Heir::find(&store, &system, group, &succession)?;
            match write {
                Some(write) => rest.of_one(&heir, write).ok(),
                None => rest.page(&heir, after).ok(),
            }
        };
        blocking::run(self.slotted(), look).await.ok()?
    }

    /// What this node's replica of a closed group has, read once it is closed here.
    async fn rest(&self, group: GroupId, succession: Succession) -> Option<Arc<Rest>> {
        let _one = self.rests().reading.lock().await;
        if let Some(rest) = self.rests().get(group, &succession) {
            return Some(rest);
        }
        // Until then its log may still grow.
        let is_closed = self.replica(group).is_none();
        let (store, log) = (Arc::clone(self.slotted()), self.environment().log.clone());
        let read = move || Rest::read(&store, &log, group, succession);
        let rest = Arc::new(blocking::run(self.slotted(), read).await.ok()??);
        if is_closed {
            self.rests().put(group, &rest);
        }
        Some(rest)
    }
}

/// An answer to [`PeerRequest::Diverged`].
pub(crate) async fn answer_diverged(
    groups: &Groups,
    group: GroupId,
    after: LogIndex,
    write: Option<WriteId>,
) -> PeerReply {
    match groups.diverged(group, after, write).await {
        Some(Diverged { writes, next, unlisted }) => PeerReply::Diverged { writes, next, unlisted },
        None => PeerReply::Refused("nothing is known of such a failover here".to_owned()),
    }
}

/// A page of what diverged on a node.
struct Diverged {
    writes: Vec<DivergedWrite>,
    next: Option<LogIndex>,
    unlisted: u64,
}

impl Rest {
    fn read(
        store: &SlottedStore,
        log: &RaftLog,
        group: GroupId,
        succession: Succession,
    ) -> Option<Self> {
        let applied = query::applied(store, group).ok()?.log_id.unwrap_or_default().index;
        let state = log.state(group.0);
        let mut rest = Self { succession, kept: Vec::new(), by_id: BTreeMap::new(), unlisted: 0 };
        let Some(last) = state.last else { return Some(rest) };
        let first_lacked = succession.last.index.0.saturating_add(1);
        rest.unlisted = state.first_index.saturating_sub(first_lacked);
        // What this log says of an organization's leaving. Where it is purged the state has it.
        let mut released = BTreeSet::new();
        let mut next = state.first_index;
        while next <= last.index {
            let records = log.read(group.0, next, last.index + 1, READ_BYTES_MAX).ok()?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                next = record.id.index + 1;
                rest.read_one(store, group, record, (applied, &mut released)).ok()?;
            }
        }
        Some(rest)
    }

    /// The write of an entry, if the successor lacks it and an organization or an operator wanted it.
    fn read_one(
        &mut self,
        store: &SlottedStore,
        group: GroupId,
        record: &crate::log::LogRecord,
        (applied, released): (LogIndex, &mut BTreeSet<OrgId>),
    ) -> Result<(), StoreError> {
        let Ok(entry) = convert::entry_of(record) else { return Ok(()) };
        let log_id = convert::log_id(entry.log_id());
        let EntryPayload::Normal(payload) = &entry.payload else { return Ok(()) };
        let Ok(proposal) = Proposal::decode(&payload.0) else { return Ok(()) };
        let Some(org) = proposal.command.org() else { return Ok(()) };
        // That a write of an earlier group is lost is no write.
        if matches!(proposal.command, Command::NoteLost { .. }) {
            return Ok(());
        }
        if matches!(proposal.command, Command::Release { .. }) {
            released.insert(org);
        }
        if !self.succession.lacks(log_id) {
            return Ok(());
        }
        if self.kept.len() >= limits::DIVERGED_WRITES_MAX {
            self.unlisted += 1;
            return Ok(());
        }
        let is_at_home = !released.contains(&org)
            && query::home(store, group, org)?.is_some_and(|home| home.is_open());
        self.by_id.entry(proposal.write_id).or_insert(self.kept.len());
        self.kept.push(Kept {
            not_after: proposal.not_after,
            is_of_one_group: is_at_home && is_tried_at_home_only(&proposal.command),
            write: DivergedWrite {
                log_id,
                write_id: proposal.write_id,
                at: proposal.stamped,
                org: Some(org),
                operation: proposal.command.name().to_owned(),
                client_id: proposal.command.client_id().cloned(),
                committed: log_id.index <= applied,
            },
        });
        Ok(())
    }

    fn of_one(&self, heir: &Heir<'_>, write: WriteId) -> Result<Diverged, StoreError> {
        let Some(kept) = self.by_id.get(&write).and_then(|place| self.kept.get(*place)) else {
            return Ok(Diverged { writes: Vec::new(), next: None, unlisted: 0 });
        };
        let unlisted = u64::from(!heir.never_had(kept)?);
        Ok(Diverged { writes: vec![kept.write.clone()], next: None, unlisted })
    }

    fn page(&self, heir: &Heir<'_>, after: LogIndex) -> Result<Diverged, StoreError> {
        let unlisted = if after == LogIndex(0) { self.unlisted } else { 0 };
        let mut page = Diverged { writes: Vec::new(), next: None, unlisted };
        let begin = self.kept.partition_point(|kept| kept.write.log_id.index <= after);
        for kept in &self.kept[begin..] {
            if !heir.is_known_to_have(&kept.write)? {
                page.writes.push(kept.write.clone());
            }
            if page.writes.len() >= PAGE {
                page.next = Some(kept.write.log_id.index);
                break;
            }
        }
        Ok(page)
    }
}

/// Whether a write is never proposed to any other group under its own name, as long as its
/// organization stays. The making of an organization is: to the system group, and wherever its home is.
fn is_tried_at_home_only(command: &Command) -> bool {
    matches!(
        command,
        Command::CreateOidc { .. }
            | Command::PatchOidc { .. }
            | Command::DeleteOidc { .. }
            | Command::SetOrgSettings { .. }
    )
}

/// The last group in a closed one's line of successors whose state is here.
pub(crate) fn heir_here(
    store: &SlottedStore,
    system: &SystemView,
    succession: &Succession,
) -> Result<Option<GroupId>, StoreError> {
    let (mut next, mut found) = (Some(*succession), None);
    while let Some(succession) = next {
        let state = store.get(&keys::applied(succession.group))?;
        found = state.map(|_| succession.group).or(found);
        next = system.closed.get(&succession.group).and_then(|closed| closed.succession);
    }
    Ok(found)
}

/// What this node has of a closed group's line of successors.
struct Heir<'a> {
    store: &'a SlottedStore,
    closed: GroupId,
    /// The last one in the line whose state is here.
    group: GroupId,
}

impl<'a> Heir<'a> {
    fn find(
        store: &'a SlottedStore,
        system: &SystemView,
        closed: GroupId,
        succession: &Succession,
    ) -> Option<Self> {
        let group = heir_here(store, system, succession).ok()??;
        Some(Self { store, closed, group })
    }

    /// Whether the successor had nothing of a write when it began, and nobody proposed it there since.
    fn never_had(&self, kept: &Kept) -> Result<bool, StoreError> {
        if planted::is(Bug::LostUnproved) {
            return Ok(true);
        }
        let began = succession::began(self.store, self.group, self.closed, kept.write.write_id)?;
        Ok(match began {
            Began::Without { log_time } => kept.is_of_one_group && kept.not_after >= log_time,
            Began::With | Began::NotKept => false,
        })
    }

    /// Whether the successor has carried a write out: another copy of it, or its repeat under another
    /// name. The latter is known for as long as it is remembered, or its credential shows it.
    fn is_known_to_have(&self, write: &DivergedWrite) -> Result<bool, StoreError> {
        let (store, group, id) = (self.store, self.group, write.write_id);
        if succession::began(store, group, self.closed, id)? == Began::With {
            return Ok(true);
        }
        let Some(org) = write.org else { return Ok(false) };
        let home = query::home(store, group, org)?;
        let repeat = succession::repeated_as(id, self.closed);
        for name in [id, repeat] {
            if query::remembered(store, group, home.as_ref(), name)?.is_some() {
                return Ok(true);
            }
        }
        let shows = |client_id: &ClientId| query::oidc(store, group, org, client_id);
        let shown = write.client_id.as_ref().map(shows).transpose()?.flatten();
        Ok(shown.is_some_and(|credential| credential.version == repeat))
    }
}
