//! Asks every node which writes its replica of a closed group has that the successor lacks.
//!
//! The rules are in `lost_writes.rs`; this file never reads a log itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    failover::{DivergedWrite, Succession},
    id::{GroupId, NodeId, WriteId},
    limits,
    log::LogIndex,
    refusal::Refusal,
    region::Region,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;
use tokio::time::Instant;

use crate::{
    consistency::{Scope, StaleReaders, failover::survivors::may_have_more},
    machine::lost::{Diverged, HeirState, Rest},
    raft::{
        blocking, core::Core, failover::lost_writes, transport::Channel, write::propose::Proposed,
    },
};

/// For a node's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The writes that only one node's replica of a closed group has.
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

/// The answers of closed groups' replicas about a write that no state has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftBehind {
    /// It went with its region: no group ever had it or will have it.
    Lost {
        /// The closed group.
        group: GroupId,
        /// The write.
        write: DivergedWrite,
    },
    /// A replica has it that its successor was not made from, and it cannot be shown that the
    /// successor never had it.
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

impl Core {
    /// The writes that the replicas of a region's closed groups have and their successors lack,
    /// from those nodes that answer; and the nodes that do not answer.
    pub(crate) async fn divergence(&self, region: &Region) -> (Vec<Divergence>, Vec<NodeId>) {
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

    /// The fate of a write that no state has, if a closed group's replica has it.
    pub(crate) async fn left_behind(&self, write: WriteId) -> LeftBehind {
        let system = self.system();
        if system.closed.is_empty() {
            return LeftBehind::Nothing;
        }
        let Ok(_place) = self.rests().questions.try_acquire() else { return LeftBehind::Busy };
        let mut unproved = LeftBehind::Nothing;
        for closed in system.closed.values().filter(|closed| closed.succession.is_some()) {
            let (group, none) = (closed.group, LogIndex(0));
            let asked = may_have_more(&system.nodes, closed, |node| self.is_heard(node));
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
    pub(crate) async fn note_lost(
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
        let Proposed::Committed { applied, stale_readers } = proposed else { return false };
        if applied.outcome != Err(Refusal::Lost) {
            return false;
        }
        self.until_known(group, applied.index, stale_readers).await;
        true
    }

    /// Waits until an entry has reached all regions, or no replica can hold a lease from before it
    /// any more: then no replica answers fresh reads without it.
    pub(crate) async fn until_known(
        &self,
        group: GroupId,
        index: LogIndex,
        stale_readers: StaleReaders,
    ) {
        let longest = self.tracker().group_config(GroupId::SYSTEM).longest_lease();
        let deadline = Instant::now() + longest;
        self.wait(group, index, &Scope::All, stale_readers, deadline).await;
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
        let (store, system) = (Arc::clone(self.shadow_store()), self.system());
        let look = move || {
            let successor = HeirState::find(&*store, &system.closed, group, &succession).ok()??;
            match write {
                Some(write) => rest.of_one(&successor, write).ok(),
                None => rest.page(&successor, after).ok(),
            }
        };
        blocking::run(self.shadow_store(), look).await.ok()?
    }

    /// The entries of this node's replica of a closed group, read once it is closed here.
    async fn rest(&self, group: GroupId, succession: Succession) -> Option<Arc<Rest>> {
        let _one = self.rests().reading.lock().await;
        if let Some(rest) = self.rests().get(group, &succession) {
            return Some(rest);
        }
        // Until then its log may still grow.
        let is_closed = self.replica(group).is_none();
        let (store, log) = (Arc::clone(self.shadow_store()), self.environment().log.clone());
        let read = move || lost_writes::read(&store, &log, group, succession);
        let rest = Arc::new(blocking::run(self.shadow_store(), read).await.ok()??);
        if is_closed {
            self.rests().put(group, &rest);
        }
        Some(rest)
    }
}

/// An answer to [`PeerRequest::Diverged`].
pub(crate) async fn answer_diverged(
    core: &Core,
    group: GroupId,
    after: LogIndex,
    write: Option<WriteId>,
) -> PeerReply {
    match core.diverged(group, after, write).await {
        Some(Diverged { writes, next, unlisted }) => PeerReply::Diverged { writes, next, unlisted },
        None => PeerReply::Refused("nothing is known of such a failover here".to_owned()),
    }
}
