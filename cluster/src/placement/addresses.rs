//! The addresses of each node: from the state, from the log beyond the state, from the nodes' own
//! announcements, and relayed by other nodes.
//!
//! A node is its data directory; an address is where it was last found. It may have moved, and
//! another node may listen there now. So a node can have several addresses here, the most likely
//! ones first, and the one in use changes until the node itself answers at one. That is safe
//! because a transport checks the identity of the peer.
//!
//! It must never write to the disk, or decide who is a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{id::NodeId, limits, org::NodeRecord};

use crate::planted;

/// Nodes that were only named by others: they may be members that this node does not know yet.
const UNKNOWN_MAX: usize = 64;

type Nodes = BTreeMap<NodeId, NodeRecord>;

/// An address claim for a node.
#[derive(Debug, Clone)]
struct Claim {
    record: NodeRecord,
    /// The address in the state at that time: once the state has another one, that is newer.
    over: Option<String>,
    /// The claim's sequence number.
    number: u64,
}

impl Claim {
    fn holds(&self, state: &Nodes) -> bool {
        let present = state.get(&self.record.id).map(|known| &known.peer_address);
        present == self.over.as_ref() && present != Some(&self.record.peer_address)
    }
}

/// What is known of where each node may be found, from the four sources.
#[derive(Debug, Default)]
pub struct Addresses {
    /// What each node has said of itself since this process was started.
    announced: BTreeMap<NodeId, Claim>,
    /// Claims that other nodes have relayed.
    relayed: BTreeMap<NodeId, Claim>,
    /// Registrations in the log that the state does not have yet.
    logged: Nodes,
    /// The address at which a node answered last.
    answered: BTreeMap<NodeId, String>,
    /// How often an address of a node was given up: selects the next candidate.
    turns: BTreeMap<NodeId, usize>,
    heard: u64,
}

impl Addresses {
    /// A node has said where it is.
    pub fn on_announcement(&mut self, record: &NodeRecord, state: &Nodes) {
        let claim = self.claim(record, state);
        self.relayed.remove(&record.id);
        if !claim.holds(state) {
            self.announced.remove(&record.id);
            return;
        }
        let is_news = self
            .announced
            .get(&record.id)
            .is_none_or(|known| known.record.peer_address != record.peer_address);
        if is_news {
            self.turns.remove(&record.id);
            self.answered.remove(&record.id);
        }
        self.announced.insert(record.id, claim);
        trim(&mut self.announced, &self.logged, state);
    }

    /// A node has said where others are.
    pub fn on_relayed(&mut self, records: &[NodeRecord], own: NodeId, state: &Nodes) {
        for record in records.iter().filter(|record| record.id != own && record.is_there()) {
            let claim = self.claim(record, state);
            if claim.holds(state) {
                self.relayed.insert(record.id, claim);
            }
        }
        trim(&mut self.relayed, &self.logged, state);
    }

    fn claim(&mut self, record: &NodeRecord, state: &Nodes) -> Claim {
        self.heard += 1;
        let over = state.get(&record.id).map(|known| known.peer_address.clone());
        Claim { record: record.clone(), over, number: self.heard }
    }

    /// The log behind the state was read.
    pub fn set_logged(&mut self, logged: Nodes) {
        if planted::keeps_logged_addresses() {
            self.logged = logged;
        }
    }

    /// Whether the log names a node that the state does not.
    #[must_use]
    pub fn is_logged(&self, node: NodeId) -> bool {
        self.logged.contains_key(&node)
    }

    /// Drops what the state has overtaken. A node that hears its leader gets all that is right by the
    /// state: it needs no claim but that of a node that has just moved.
    pub fn reconcile(&mut self, state: &Nodes, is_lost: bool) {
        self.announced.retain(|_, claim| claim.holds(state));
        self.relayed.retain(|id, claim| claim.holds(state) && (is_lost || !state.contains_key(id)));
        if !is_lost {
            self.logged.retain(|id, _| !state.contains_key(id));
        }
        let Self { announced, relayed, logged, .. } = self;
        let several = |id: &NodeId| {
            announced.contains_key(id) || relayed.contains_key(id) || logged.contains_key(id)
        };
        self.turns.retain(|id, _| several(id));
        self.answered.retain(|id, _| several(id));
    }

    /// The candidate addresses of a node, the most likely first.
    fn candidates<'a>(&'a self, node: NodeId, state: &'a Nodes) -> Vec<&'a NodeRecord> {
        let holds = |claim: &&Claim| claim.holds(state);
        let announced = self.announced.get(&node).filter(holds).map(|claim| &claim.record);
        let relayed = self.relayed.get(&node).filter(holds).map(|claim| &claim.record);
        let mut found: Vec<&NodeRecord> = Vec::new();
        for record in
            [announced, self.logged.get(&node), state.get(&node), relayed].into_iter().flatten()
        {
            if found.iter().all(|known| known.peer_address != record.peer_address) {
                found.push(record);
            }
        }
        found
    }

    fn in_use<'a>(&'a self, node: NodeId, state: &'a Nodes) -> Option<&'a NodeRecord> {
        let candidates = self.candidates(node, state);
        let answered = self.answered.get(&node);
        if let Some(record) = candidates.iter().find(|it| Some(&it.peer_address) == answered) {
            return Some(record);
        }
        let turn = self.turns.get(&node).copied().unwrap_or(0);
        candidates.get(turn.checked_rem(candidates.len())?).copied()
    }

    /// Every node that anything is known of and that has not left, at the address in use.
    #[must_use]
    pub fn known(&self, state: &Nodes) -> Vec<NodeRecord> {
        let ids: BTreeSet<NodeId> = state
            .keys()
            .chain(self.announced.keys())
            .chain(self.relayed.keys())
            .chain(self.logged.keys())
            .copied()
            .collect();
        let stays = |id: &NodeId| state.get(id).is_none_or(NodeRecord::is_there);
        ids.into_iter().filter(stays).filter_map(|id| self.in_use(id, state).cloned()).collect()
    }

    /// Nodes with more than one address, and the one in use.
    #[must_use]
    pub fn unconfirmed(&self, state: &Nodes) -> Vec<(NodeId, String)> {
        let known = self.known(state).into_iter();
        let several = known.filter(|record| self.candidates(record.id, state).len() > 1);
        several.map(|record| (record.id, record.peer_address)).collect()
    }

    /// The node did not answer at an address: the next one is tried, unless that was done.
    pub fn not_found(&mut self, node: NodeId, address: &str, state: &Nodes) {
        if self.in_use(node, state).is_some_and(|record| record.peer_address == address)
            && self.answered.remove(&node).is_none()
        {
            *self.turns.entry(node).or_default() += 1;
        }
    }

    /// The node itself answered at an address: its other claims count no longer.
    pub fn found(&mut self, node: NodeId, address: &str) {
        self.answered.insert(node, address.to_owned());
        for claims in [&mut self.announced, &mut self.relayed] {
            if claims.get(&node).is_some_and(|claim| claim.record.peer_address != address) {
                claims.remove(&node);
            }
        }
    }
}

/// Keeps a table within its bounds: entries about nodes that are not known otherwise go first, the
/// oldest before.
fn trim(claims: &mut BTreeMap<NodeId, Claim>, logged: &Nodes, state: &Nodes) {
    let is_known = |id: &NodeId| state.contains_key(id) || logged.contains_key(id);
    let mut unknown = claims.keys().filter(|id| !is_known(id)).count();
    while unknown > UNKNOWN_MAX || claims.len() > limits::NODES_MAX {
        let oldest = claims.values().min_by_key(|claim| (is_known(&claim.record.id), claim.number));
        let Some(id) = oldest.map(|claim| claim.record.id) else { return };
        claims.remove(&id);
        unknown = unknown.saturating_sub(1);
    }
}

/// Nodes in another order each time, so that some of them are others each time, of `max` a second.
#[must_use]
pub fn rotated(mut nodes: Vec<NodeId>, since_start: Duration, max: usize) -> Vec<NodeId> {
    if !nodes.is_empty() {
        let turn = usize::try_from(since_start.as_secs()).unwrap_or(0);
        let count = nodes.len();
        nodes.rotate_left(turn.wrapping_mul(max) % count);
    }
    nodes
}

/// Some of the nodes that are known, at most `max`: all that come first, and of the rest others each time.
#[must_use]
pub fn some_of(
    known: Vec<NodeId>,
    is_first: impl Fn(NodeId) -> bool,
    since_start: Duration,
    max: usize,
) -> Vec<NodeId> {
    let (mut some, others): (Vec<NodeId>, Vec<NodeId>) =
        known.into_iter().partition(|node| is_first(*node));
    some.extend(rotated(others, since_start, max));
    some.truncate(max);
    some
}

#[cfg(test)]
#[path = "addresses_test.rs"]
mod tests;
