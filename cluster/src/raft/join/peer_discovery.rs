//! Peer discovery: members find each other again, even if this node's state has wrong addresses.
//!
//! Goal: who has the log of a quorum finds each other. What the log holds is synced, what the state
//! holds is not: when the power fails everywhere soon after nodes have joined, the groups' memberships
//! name nodes that no state names. And every node may have been started again at another address, so
//! that all states are wrong. Then no leader can be elected, and no entry will ever mend the state. So
//! addresses come from four places, and no place is believed alone (`placement/addresses.rs`):
//!
//! 1. the state;
//! 2. the registrations in this node's own log that the state does not have yet. A membership
//!    contains only nodes whose registration is before it in the same log, and a log is purged only
//!    where the state is synced: so a node that has a membership has an address for each of its
//!    members;
//! 3. announcements of the node itself since this process was started;
//! 4. announcements that other nodes relay.
//!
//! A node that holds no lease of the system group announces itself to its seeds and to all members
//! that it can reach, once a second; they note its address and answer with the addresses that they
//! have. A node that holds one and misses a member announces itself to its seeds, too: all addresses
//! that the missing member has may be wrong, its seeds included, so that it finds no other node, and an
//! operator may have named its new address in the seeds of this one.
//! This is safe: only the log decides who is a member, and noted addresses are never stored.
//! An unknown node may announce a wrong address; the transport checks the identity of the peer
//! there, and another address is tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, atomic::Ordering},
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
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use openraft::EntryPayload;

use crate::{
    locks::locked,
    log::LogError,
    placement::{self, Addresses},
    raft::{
        core::Core,
        engine::{
            applied::read_applied,
            convert,
            types::{Entry, Membership},
        },
        fault::Fault,
        join::{register::ask_to_join, removal_check},
        planted,
        transport::{Channel, Peer, TransportError},
    },
};

/// Between looks whether this node is lost, and so between introductions.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between announcements to the seeds while a member is missing: it may be so for days.
const SEEDS_EVERY: u32 = 5;
/// For the answer to an introduction.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// For a sign that a node is where it is looked for.
const FIND_LIMIT: Duration = Duration::from_secs(1);
/// Members that are asked at a time.
const ASKED_MAX: usize = 16;
/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// The entries of this node's log of the system group beyond its state.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    /// The cluster that was begun there.
    pub(crate) cluster: Option<ClusterId>,
    /// The nodes that were registered there.
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    /// Whether there is any entry.
    pub(crate) has_entries: bool,
    /// Whether this node created the group: its first entry contains this node alone.
    pub(crate) is_founder: bool,
}

impl Core {
    fn membership(&self) -> Option<Membership> {
        let metrics = self.replica(GroupId::SYSTEM)?.metrics();
        Some(metrics.membership_config.membership().clone())
    }

    /// Whether a node is a member in this node's own log or state, committed or not.
    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        let is_voter = self.membership().is_some_and(|it| it.get_node(&node.0).is_some());
        let system = self.system();
        let is_member = is_voter
            || self.addresses().is_logged(node)
            || system.nodes.get(&node).is_some_and(NodeRecord::is_there);
        planted::on_member(is_member, is_voter)
    }

    /// Whether this node has no leader from which it would learn the others' addresses.
    pub(crate) fn needs_peer_discovery(&self) -> bool {
        // Who was heard of may lead no longer, and who leads may not find this node: only a lease that
        // the state has caught up with shows that both ways are open.
        let now = self.environment().steady.now();
        let needs = self.replica(GroupId::SYSTEM).is_none_or(|replica| {
            let visible = LogIndex(replica.visible.load(Ordering::Acquire));
            !replica.leasing.is_current(visible, now)
        });
        planted::on_needs_peers(needs, || {
            (self.membership(), self.leader_of(GroupId::SYSTEM).is_some(), self.known())
        })
    }

    /// Whether a member has not been heard of for a while.
    fn misses_member(&self) -> bool {
        self.peers().into_iter().any(|node| !self.is_heard(node))
    }

    /// This node and all nodes that it has an address of.
    pub(crate) fn known(&self) -> Vec<NodeRecord> {
        let mut known = self.addresses().known(&self.system().nodes);
        known.retain(|record| record.id != self.node());
        known.push(self.own_record());
        known
    }

    /// A node has announced its address.
    pub(crate) fn on_announcement(&self, record: &NodeRecord) {
        if record.id != self.node() {
            self.addresses().on_announcement(record, &self.system().nodes);
            self.set_peers();
        }
    }

    /// A node has relayed addresses of others.
    pub(crate) fn on_relayed(&self, records: &[NodeRecord]) {
        self.addresses().on_relayed(records, self.node(), &self.system().nodes);
        self.set_peers();
    }

    /// Gives the transport the addresses in use.
    pub(crate) fn set_peers(&self) {
        let there = |node: &NodeRecord| node.id != self.node() && node.is_there();
        let peers = self.known().into_iter().filter(there).map(|node| Peer {
            id: node.id,
            region: node.region,
            address: node.peer_address,
        });
        self.environment().transport.set_peers(peers.collect());
    }

    /// Reads the entries of the system group's log beyond the state, and notes the addresses in
    /// them.
    pub(crate) fn recall(&self) -> Result<Logged, Fault> {
        let logged = read_log(self)?;
        self.addresses().set_logged(logged.nodes.clone());
        Ok(logged)
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        locked(self.inner_addresses())
    }
}

/// Reads the entries of the system group's log that are not applied yet, committed or not.
fn read_log(core: &Core) -> Result<Logged, Fault> {
    let context = || "reading the log of the system group".to_owned();
    let log = &core.environment().log;
    let applied = read_applied(&**core.shadow_store(), GroupId::SYSTEM);
    let applied = applied.map_err(|error| Fault::caused(context(), error))?;
    let state = log.state(GroupId::SYSTEM.0);
    let mut found = Logged { has_entries: state.last.is_some(), ..Logged::default() };
    let Some(last) = state.last else { return Ok(found) };
    let mut next = match applied.log_id {
        Some(id) => (id.index.0 + 1).max(state.first_index),
        None => state.first_index,
    };
    if state.first_index == 0 {
        for entry in read(core, 0..1).map_err(|error| Fault::caused(context(), error))? {
            found.is_founder = is_begun_by(&entry, core.node());
        }
    }
    while next <= last.index {
        let entries = match read(core, next..last.index + 1) {
            Ok(entries) => entries,
            // The state has got that far meanwhile.
            Err(ReadError::Log(LogError::Purged { .. })) => break,
            Err(error) => return Err(Fault::caused(context(), error)),
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

fn read(core: &Core, range: std::ops::Range<u64>) -> Result<Vec<Entry>, ReadError> {
    let log = &core.environment().log;
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
pub(crate) async fn run(core: Core) {
    let mut looks = 0_u32;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if core.replica(GroupId::SYSTEM).is_none() {
            continue;
        }
        looks = looks.wrapping_add(1);
        if let Err(fault) = look(&core, looks.is_multiple_of(SEEDS_EVERY)).await {
            core.fail(&fault);
            return;
        }
    }
}

async fn look(core: &Core, may_ask_seeds: bool) -> Result<(), Fault> {
    let is_lost = core.needs_peer_discovery();
    if is_lost {
        core.recall()?;
    }
    core.addresses().reconcile(&core.system().nodes, is_lost);
    core.set_peers();
    find(core).await;
    if is_lost {
        introduce(core, to_ask(core)).await?;
    } else if may_ask_seeds && core.misses_member() {
        introduce(core, Vec::new()).await?;
    }
    Ok(())
}

/// Finds the address, of several, at which a node answers.
async fn find(core: &Core) {
    let unconfirmed = core.addresses().unconfirmed(&core.system().nodes);
    if unconfirmed.is_empty() {
        return;
    }
    let body = Bytes::from(PeerRequest::StillMember.encode());
    let transport = &core.environment().transport;
    let asked = unconfirmed.into_iter().map(|(node, address)| {
        let answer = transport.request(node, Channel::Control, body.clone(), FIND_LIMIT);
        async move { (node, address, answer.await.is_ok()) }
    });
    for (node, address, is_there) in join_all(asked).await {
        if is_there {
            core.addresses().found(node, &address);
        } else {
            core.addresses().not_found(node, &address, &core.system().nodes);
        }
    }
    core.set_peers();
}

/// Announces this node's address to its seeds and to some members, and notes the addresses in their
/// answers.
///
/// A node whose state does not contain its own registration asks its seeds to admit it again, as at
/// first. The node that admitted it may have had the registration in its log only, where a new leader
/// then overwrote it. To a plain announcement of a stranger seeds would answer that its build is too
/// old: it does not say which feature level the build knows.
async fn introduce(core: &Core, members: Vec<NodeId>) -> Result<(), Fault> {
    let body = Bytes::from(PeerRequest::Join(core.own_record()).encode());
    let transport = &core.environment().transport;
    let own = &core.config().peer_address;
    let is_registered = core.system().nodes.contains_key(&core.node());
    let is_registered = planted::on_announcement(is_registered);
    let mut asked: Vec<BoxFuture<'_, Result<Bytes, TransportError>>> = Vec::new();
    for seed in core.config().seeds.iter().filter(|seed| *seed != own) {
        asked.push(if is_registered {
            transport.request_join(seed.clone(), body.clone(), ANSWER_LIMIT)
        } else {
            admission(core, seed).boxed()
        });
    }
    for node in members {
        asked.push(transport.request(node, Channel::Control, body.clone(), ANSWER_LIMIT));
    }
    for answer in join_all(asked).await.into_iter().flatten() {
        match PeerReply::decode(&answer) {
            Ok(PeerReply::Joined { cluster, nodes }) if core.cluster() == Some(cluster) => {
                core.on_relayed(&nodes);
            }
            Ok(PeerReply::Joined { cluster, .. }) => {
                tracing::warn!(%cluster, "a seed belongs to another cluster");
            }
            Ok(PeerReply::Removed { replaced_by }) => removal_check::require(false, replaced_by)?,
            // It has noted this node's address; or its build does not know the message.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Asks a seed to admit this node, for no longer than any other announcement takes.
///
/// All answers are awaited before the next announcements are sent. So a seed that does not answer
/// must not take the time that a registration may take. An answer that comes later is not missed: a
/// registration that the seed has proposed is still committed, and otherwise this node asks again.
async fn admission(core: &Core, seed: &str) -> Result<Bytes, TransportError> {
    let answer = tokio::time::timeout(ANSWER_LIMIT, ask_to_join(core, seed)).await;
    answer.unwrap_or(Err(TransportError::TimedOut))
}

/// Some of the members, others each time: the system group's voters before all.
fn to_ask(core: &Core) -> Vec<NodeId> {
    let voters: BTreeSet<NodeId> = core
        .membership()
        .map_or_else(BTreeSet::new, |membership| membership.voter_ids().map(NodeId).collect());
    let known = core.known().into_iter().map(|record| record.id);
    let known: Vec<NodeId> = known.filter(|node| *node != core.node()).collect();
    placement::some_of(known, |node| voters.contains(&node), core.since_start(), ASKED_MAX)
}
