//! How members find each other again, whatever this node's state says of where they are.
//!
//! Goal: who has the log of a quorum finds each other. What the log holds is synced, what the state
//! holds is not: when the power fails everywhere soon after nodes have joined, the groups' memberships
//! name nodes that no state names. And every node may have been started again at another address, so
//! that all states are wrong. Then nobody can be elected, and no entry will ever mend the state. So
//! addresses come from four places, none of which is believed alone (`addresses.rs`):
//!
//! 1. the state;
//! 2. the registrations in this node's own log that the state does not have yet. A membership names
//!    only nodes whose registration lies before it in the same log, and a log is purged only where the
//!    state is synced: so whoever has a membership has an address for each of its members;
//! 3. what a node has said of itself since this process was started;
//! 4. what others have said of it.
//!
//! A node that holds no lease of the system group introduces itself to its seeds and to all members that
//! it can reach, once a second, whatever it believes to know; they note its address and
//! answer with those that they have. Nobody is taken in by that: who is a member is decided by the log
//! alone, and what is noted is never written down. A stranger's word may name a wrong address; the
//! transport checks who answers there, and another address is tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    id::{ClusterId, GroupId, NodeId},
    log::LogIndex,
    org::NodeRecord,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::{future::BoxFuture, future::join_all};
use openraft::EntryPayload;

use super::{
    addresses::Addresses,
    convert,
    fault::Fault,
    formation,
    groups::Groups,
    machine_store::read_applied,
    standing,
    transport::{Channel, TransportError},
    types::{Entry, Membership},
};
use crate::{
    log::LogError,
    planted::{self, Bug},
};

/// Between looks whether this node is lost, and so between introductions.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For the answer to an introduction.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// For a sign that a node is where it is looked for.
const FIND_LIMIT: Duration = Duration::from_secs(1);
/// Members that are asked at a time.
const ASKED_MAX: usize = 16;
/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// What this node's log of the system group says beyond its state.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    /// The cluster that was begun there.
    pub(crate) cluster: Option<ClusterId>,
    /// The nodes that were registered there.
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    /// Whether there is anything.
    pub(crate) has_entries: bool,
    /// Whether the group was begun by this node: its first entry names this node alone.
    pub(crate) is_founder: bool,
}

impl Groups {
    fn membership(&self) -> Option<Membership> {
        let metrics = self.replica(GroupId::SYSTEM)?.metrics();
        Some(metrics.membership_config.membership().clone())
    }

    /// Whether this node's own log or state calls somebody a member, decided or not.
    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        let is_voter = self.membership().is_some_and(|it| it.get_node(&node.0).is_some());
        if planted::is(Bug::SeedsAskedForMissing) {
            return is_voter;
        }
        let system = self.system();
        is_voter
            || self.addresses().is_logged(node)
            || system.nodes.get(&node).is_some_and(NodeRecord::is_there)
    }

    /// Whether this node hears of no leader by whom it would learn of the others' addresses.
    pub(crate) fn is_lost(&self) -> bool {
        if planted::is(Bug::SeedsAskedForMissing) {
            let known: BTreeSet<u64> = self.known().into_iter().map(|node| node.id.0).collect();
            let members = self.membership().into_iter();
            let members: BTreeSet<u64> =
                members.flat_map(|it| it.nodes().map(|(id, _)| *id).collect::<Vec<_>>()).collect();
            return self.leader_of(GroupId::SYSTEM).is_none() && !members.is_subset(&known);
        }
        // Who was heard of may lead no longer, and who leads may not find this node: only a lease that
        // the state has caught up with shows that both ways are open.
        let now = self.environment().steady.now();
        self.replica(GroupId::SYSTEM).is_none_or(|replica| {
            let visible = LogIndex(replica.visible.load(Ordering::Acquire));
            !replica.leasing.is_current(visible, now)
        })
    }

    /// This node and everybody whom it has an address of.
    pub(crate) fn known(&self) -> Vec<NodeRecord> {
        let mut known = self.addresses().known(&self.system().nodes);
        known.retain(|record| record.id != self.node());
        known.push(self.own_record());
        known
    }

    /// A node has said where it is.
    pub(crate) fn hear(&self, record: &NodeRecord) {
        if record.id != self.node() {
            self.addresses().hear(record, &self.system().nodes);
            self.set_peers();
        }
    }

    /// Somebody has said where others are.
    pub(crate) fn be_told(&self, records: &[NodeRecord]) {
        self.addresses().be_told(records, self.node(), &self.system().nodes);
        self.set_peers();
    }

    /// Gives the transport the addresses in use.
    pub(crate) fn set_peers(&self) {
        let peers = formation::peers(self.known().iter(), self.node());
        self.environment().transport.set_peers(peers);
    }

    /// Reads what the log of the system group has beyond the state, and notes the addresses in it.
    pub(crate) fn recall(&self) -> Result<Logged, Fault> {
        let logged = read_log(self)?;
        self.addresses().set_logged(logged.nodes.clone());
        Ok(logged)
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.inner_addresses().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the entries of the system group's log that are not applied yet, committed or not.
fn read_log(groups: &Groups) -> Result<Logged, Fault> {
    let doing = || "reading the log of the system group".to_owned();
    let log = &groups.environment().log;
    let applied = read_applied(&**groups.slotted(), GroupId::SYSTEM);
    let applied = applied.map_err(|error| Fault::caused(doing(), error))?;
    let state = log.state(GroupId::SYSTEM.0);
    let mut found = Logged { has_entries: state.last.is_some(), ..Logged::default() };
    let Some(last) = state.last else { return Ok(found) };
    let mut next = match applied.log_id {
        Some(id) => (id.index.0 + 1).max(state.first_index),
        None => state.first_index,
    };
    if state.first_index == 0 {
        for entry in read(groups, 0..1).map_err(|error| Fault::caused(doing(), error))? {
            found.is_founder = is_begun_by(&entry, groups.node());
        }
    }
    while next <= last.index {
        let entries = match read(groups, next..last.index + 1) {
            Ok(entries) => entries,
            // The state has got that far meanwhile.
            Err(ReadError::Log(LogError::Purged { .. })) => break,
            Err(error) => return Err(Fault::caused(doing(), error)),
        };
        let Some(read) = entries.last().map(|entry| entry.log_id.index) else { break };
        for entry in &entries {
            found.take(entry);
        }
        next = read + 1;
    }
    Ok(found)
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Convert(#[from] convert::ConvertError),
}

fn read(groups: &Groups, range: std::ops::Range<u64>) -> Result<Vec<Entry>, ReadError> {
    let log = &groups.environment().log;
    let records = log.read(GroupId::SYSTEM.0, range.start, range.end, READ_BYTES_MAX)?;
    Ok(records.iter().map(convert::entry_of).collect::<Result<_, _>>()?)
}

/// Whether an entry makes a node the only member of a group.
fn is_begun_by(entry: &Entry, node: NodeId) -> bool {
    let EntryPayload::Membership(membership) = &entry.payload else { return false };
    membership.nodes().map(|(id, _)| *id).eq([node.0])
}

impl Logged {
    fn take(&mut self, entry: &Entry) {
        let EntryPayload::Normal(payload) = &entry.payload else { return };
        // One that cannot be read stops the replica when it is applied; here it is passed over.
        let Ok(proposal) = Proposal::decode(&payload.0) else { return };
        if let Command::Form { cluster, .. } | Command::FormWithRegions { cluster, .. } =
            proposal.command
        {
            self.cluster = Some(cluster.id);
        } else if let Command::RegisterNode(record) = proposal.command {
            self.nodes.insert(record.id, record);
        }
    }
}

/// Looks for the others until the node stops, whenever they are out of sight.
pub(crate) async fn run(groups: Groups) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if groups.replica(GroupId::SYSTEM).is_none() {
            continue;
        }
        if let Err(fault) = look(&groups).await {
            groups.fail(&fault);
            return;
        }
    }
}

async fn look(groups: &Groups) -> Result<(), Fault> {
    let is_lost = groups.is_lost();
    if is_lost {
        groups.recall()?;
    }
    groups.addresses().settle(&groups.system().nodes, is_lost);
    groups.set_peers();
    find(groups).await;
    if is_lost {
        introduce(groups).await?;
    }
    Ok(())
}

/// Of several addresses of a node, the one that it answers at is right.
async fn find(groups: &Groups) {
    let doubtful = groups.addresses().doubtful(&groups.system().nodes);
    if doubtful.is_empty() {
        return;
    }
    let body = Bytes::from(PeerRequest::Standing.encode());
    let transport = &groups.environment().transport;
    let asked = doubtful.into_iter().map(|(node, address)| {
        let answer = transport.request(node, Channel::Control, body.clone(), FIND_LIMIT);
        async move { (node, address, answer.await.is_ok()) }
    });
    for (node, address, is_there) in join_all(asked).await {
        if is_there {
            groups.addresses().found(node, &address);
        } else {
            groups.addresses().not_found(node, &address, &groups.system().nodes);
        }
    }
    groups.set_peers();
}

/// Says where this node is, to its seeds and to members, and takes note of what they say.
async fn introduce(groups: &Groups) -> Result<(), Fault> {
    let body = Bytes::from(PeerRequest::Join(groups.own_record()).encode());
    let transport = &groups.environment().transport;
    let own = &groups.config().peer_address;
    let mut asked: Vec<BoxFuture<'static, Result<Bytes, TransportError>>> = Vec::new();
    for seed in groups.config().seeds.iter().filter(|seed| *seed != own) {
        asked.push(transport.request_join(seed.clone(), body.clone(), ANSWER_LIMIT));
    }
    for node in to_ask(groups) {
        asked.push(transport.request(node, Channel::Control, body.clone(), ANSWER_LIMIT));
    }
    for answer in join_all(asked).await.into_iter().flatten() {
        match PeerReply::decode(&answer) {
            Ok(PeerReply::Joined { cluster, nodes }) if groups.cluster() == Some(cluster) => {
                groups.be_told(&nodes);
            }
            Ok(PeerReply::Joined { cluster, .. }) => {
                tracing::warn!(%cluster, "a seed belongs to another cluster");
            }
            Ok(PeerReply::Removed { replaced_by }) => standing::require(false, replaced_by)?,
            // It has noted where this node is; or it is of a build that takes no such word.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Some of the members, others each time: the system group's voters before all.
fn to_ask(groups: &Groups) -> Vec<NodeId> {
    let voters: BTreeSet<NodeId> = groups
        .membership()
        .map_or_else(BTreeSet::new, |membership| membership.voter_ids().map(NodeId).collect());
    let known = groups.known().into_iter().map(|record| record.id);
    let known: Vec<NodeId> = known.filter(|node| *node != groups.node()).collect();
    let (mut first, mut others): (Vec<NodeId>, Vec<NodeId>) =
        known.into_iter().partition(|node| voters.contains(node));
    if !others.is_empty() {
        let turn = usize::try_from(groups.since_start().as_secs()).unwrap_or(0);
        let count = others.len();
        others.rotate_left(turn.wrapping_mul(ASKED_MAX) % count);
    }
    first.extend(others);
    first.truncate(ASKED_MAX);
    first
}
