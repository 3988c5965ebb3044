//! Where each node may be found: what the state says, what the log will say, what nodes have said of
//! themselves, what others have said of them.
//!
//! A node is its data directory; an address is where it was last found. It may have moved, and another
//! node may listen there now. So a node can have several addresses here, in the order in which they
//! are likely to be right, and the one in use changes until one is answered by the node itself. That is
//! safe because a transport checks who answers.
//!
//! It must never keep anything on disk, or decide who is a member.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{id::NodeId, limits, org::NodeRecord};

use crate::planted::{self, Bug};

/// Nodes that somebody has named and that no state or log of this node knows: they may be members that
/// it has yet to hear of.
const UNKNOWN_MAX: usize = 64;

type Nodes = BTreeMap<NodeId, NodeRecord>;

/// What was heard of a node.
#[derive(Debug, Clone)]
struct Word {
    record: NodeRecord,
    /// The address that the state had for it at that time: once the state says something else, that
    /// is newer.
    over: Option<String>,
    /// Counts what was heard.
    number: u64,
}

impl Word {
    fn holds(&self, state: &Nodes) -> bool {
        let present = state.get(&self.record.id).map(|known| &known.peer_address);
        present == self.over.as_ref() && present != Some(&self.record.peer_address)
    }
}

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// What each node has said of itself since this process was started.
    said: BTreeMap<NodeId, Word>,
    /// What others have said of it.
    told: BTreeMap<NodeId, Word>,
    /// Registrations in the log that the state does not have yet.
    logged: Nodes,
    /// Where a node answered last.
    answered: BTreeMap<NodeId, String>,
    /// How often an address of a node was given up: which one of the others is tried.
    turns: BTreeMap<NodeId, usize>,
    heard: u64,
}

impl Addresses {
    /// A node has said where it is.
    pub(crate) fn hear(&mut self, record: &NodeRecord, state: &Nodes) {
        let word = self.word(record, state);
        self.told.remove(&record.id);
        if !word.holds(state) {
            self.said.remove(&record.id);
            return;
        }
        let is_news = self
            .said
            .get(&record.id)
            .is_none_or(|known| known.record.peer_address != record.peer_address);
        if is_news {
            self.turns.remove(&record.id);
            self.answered.remove(&record.id);
        }
        self.said.insert(record.id, word);
        trim(&mut self.said, &self.logged, state);
    }

    /// Somebody has said where others are.
    pub(crate) fn be_told(&mut self, records: &[NodeRecord], own: NodeId, state: &Nodes) {
        for record in records.iter().filter(|record| record.id != own && record.is_there()) {
            let word = self.word(record, state);
            if word.holds(state) {
                self.told.insert(record.id, word);
            }
        }
        trim(&mut self.told, &self.logged, state);
    }

    fn word(&mut self, record: &NodeRecord, state: &Nodes) -> Word {
        self.heard += 1;
        let over = state.get(&record.id).map(|known| known.peer_address.clone());
        Word { record: record.clone(), over, number: self.heard }
    }

    /// The log behind the state was read.
    pub(crate) fn set_logged(&mut self, logged: Nodes) {
        if !planted::is(Bug::LoggedAddressesUnread) {
            self.logged = logged;
        }
    }

    /// Whether the log names a node that the state does not.
    pub(crate) fn is_logged(&self, node: NodeId) -> bool {
        self.logged.contains_key(&node)
    }

    /// Drops what the state has overtaken. A node that hears its leader gets all that is right by the
    /// state: it needs nobody's word but that of a node that has just moved.
    pub(crate) fn settle(&mut self, state: &Nodes, is_lost: bool) {
        self.said.retain(|_, word| word.holds(state));
        self.told.retain(|id, word| word.holds(state) && (is_lost || !state.contains_key(id)));
        if !is_lost {
            self.logged.retain(|id, _| !state.contains_key(id));
        }
        let Self { said, told, logged, .. } = self;
        let several =
            |id: &NodeId| said.contains_key(id) || told.contains_key(id) || logged.contains_key(id);
        self.turns.retain(|id, _| several(id));
        self.answered.retain(|id, _| several(id));
    }

    /// Where a node may be, the likeliest place first.
    fn candidates<'a>(&'a self, node: NodeId, state: &'a Nodes) -> Vec<&'a NodeRecord> {
        let holds = |word: &&Word| word.holds(state);
        let said = self.said.get(&node).filter(holds).map(|word| &word.record);
        let told = self.told.get(&node).filter(holds).map(|word| &word.record);
        let mut found: Vec<&NodeRecord> = Vec::new();
        for record in [said, self.logged.get(&node), state.get(&node), told].into_iter().flatten() {
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
    pub(crate) fn known(&self, state: &Nodes) -> Vec<NodeRecord> {
        let ids: BTreeSet<NodeId> = state
            .keys()
            .chain(self.said.keys())
            .chain(self.told.keys())
            .chain(self.logged.keys())
            .copied()
            .collect();
        let stays = |id: &NodeId| state.get(id).is_none_or(NodeRecord::is_there);
        ids.into_iter().filter(stays).filter_map(|id| self.in_use(id, state).cloned()).collect()
    }

    /// Nodes with more than one address, and the one in use.
    pub(crate) fn doubtful(&self, state: &Nodes) -> Vec<(NodeId, String)> {
        let known = self.known(state).into_iter();
        let several = known.filter(|record| self.candidates(record.id, state).len() > 1);
        several.map(|record| (record.id, record.peer_address)).collect()
    }

    /// Nobody of that name answered at an address: the next one is tried, unless that was done.
    pub(crate) fn not_found(&mut self, node: NodeId, address: &str, state: &Nodes) {
        if self.in_use(node, state).is_some_and(|record| record.peer_address == address) {
            if self.answered.remove(&node).is_none() {
                *self.turns.entry(node).or_default() += 1;
            }
        }
    }

    /// The node itself answered at an address: nobody's other word counts any more.
    pub(crate) fn found(&mut self, node: NodeId, address: &str) {
        self.answered.insert(node, address.to_owned());
        for words in [&mut self.said, &mut self.told] {
            if words.get(&node).is_some_and(|word| word.record.peer_address != address) {
                words.remove(&node);
            }
        }
    }
}

/// Keeps a table within its bounds: what is known of nobody else goes first, the oldest before.
fn trim(words: &mut BTreeMap<NodeId, Word>, logged: &Nodes, state: &Nodes) {
    let is_known = |id: &NodeId| state.contains_key(id) || logged.contains_key(id);
    let mut unknown = words.keys().filter(|id| !is_known(id)).count();
    while unknown > UNKNOWN_MAX || words.len() > limits::NODES_MAX {
        let oldest = words.values().min_by_key(|word| (is_known(&word.record.id), word.number));
        let Some(id) = oldest.map(|word| word.record.id) else { return };
        words.remove(&id);
        unknown = unknown.saturating_sub(1);
    }
}

#[cfg(test)]
#[path = "addresses_test.rs"]
mod tests;
