//! Exhaustive breadth-first search: every state that any order of steps leads to is visited once,
//! and the first one that breaks the promise is returned with a shortest trace.
//!
//! Must never know what it searches, and must never skip a state: it has no heuristics and no hash
//! that two states could share. It fails beyond [`STATES_MAX`].

use std::fmt::Debug;

use super::bits::Packed;

/// More states than this are a mistake in a model's bounds.
const STATES_MAX: usize = 20_000_000;

/// A model that can be searched.
pub(super) trait Model {
    /// Everything that decides the next steps.
    type State: Packed;
    /// The name of a step, for traces.
    type Step: Copy + Debug;

    /// The initial states.
    fn initial(&self) -> Vec<Self::State>;
    /// Every step that can be taken from a state, and where it leads.
    fn next(&self, state: &Self::State, out: &mut Vec<(Self::Step, Self::State)>);
    /// The broken promise in a state, if any.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
}

/// One tick less.
pub(super) fn down(ticks: &mut u8) {
    *ticks = ticks.saturating_sub(1);
}

/// The result of a search.
pub(super) struct Explored {
    /// Different states visited.
    pub(super) states: usize,
    /// Steps to the furthest of them.
    pub(super) depth: usize,
    /// The broken promise and the steps that lead there.
    pub(super) violation: Option<Violation>,
}

/// A broken promise, with a shortest trace.
pub(super) struct Violation {
    pub(super) promise: &'static str,
    pub(super) trace: Vec<String>,
}

/// Visits every state, or all up to the first that breaks a promise.
pub(super) fn explore<M: Model>(model: &M) -> Explored {
    let mut seen = Seen::new();
    for state in model.initial() {
        seen.insert(state.pack(), Seen::NOWHERE);
    }
    let (mut at, mut depth, mut level_end) = (0, 0, seen.words.len());
    let mut steps = Vec::new();
    while at < seen.words.len() {
        if at == level_end {
            (depth, level_end) = (depth + 1, seen.words.len());
        }
        model.next(&M::State::unpack(seen.words[at]), &mut steps);
        for (_, state) in steps.drain(..) {
            if !seen.insert(state.pack(), at) {
                continue;
            }
            if let Some(promise) = model.broken(&state) {
                let trace = trace(model, &seen);
                let violation = Some(Violation { promise, trace });
                return Explored { states: seen.words.len(), depth: depth + 1, violation };
            }
        }
        at += 1;
    }
    Explored { states: seen.words.len(), depth, violation: None }
}

/// The steps to the state found last: parents are kept, the names of steps are found again.
fn trace<M: Model>(model: &M, seen: &Seen) -> Vec<String> {
    let mut trace = Vec::new();
    let mut at = seen.words.len() - 1;
    let mut steps = Vec::new();
    while let Some(parent) = seen.parent(at) {
        model.next(&M::State::unpack(seen.words[parent]), &mut steps);
        let leads_here = steps.drain(..).find(|(_, state)| state.pack() == seen.words[at]);
        let (step, _) = leads_here.expect("the parent led here before");
        trace.push(format!("{step:?}"));
        at = parent;
    }
    trace.reverse();
    trace
}

/// The states in the order of their finding, with their parents, and an open-addressing table of
/// their places: the standard library's hash set is banned here, and twice as large.
struct Seen {
    words: Vec<u128>,
    parents: Vec<u32>,
    table: Vec<u32>,
}

impl Seen {
    const NOWHERE: usize = u32::MAX as usize;
    const FREE: u32 = u32::MAX;

    fn new() -> Self {
        Self { words: Vec::new(), parents: Vec::new(), table: vec![Self::FREE; 1 << 12] }
    }

    /// Whether the state is new.
    fn insert(&mut self, word: u128, parent: usize) -> bool {
        let place = self.place(word);
        if self.table[place] != Self::FREE {
            return false;
        }
        assert!(self.words.len() < STATES_MAX, "the model's bounds are too wide");
        let narrow = |place: usize| u32::try_from(place).expect("bounded by STATES_MAX");
        self.table[place] = narrow(self.words.len());
        self.words.push(word);
        self.parents.push(narrow(parent));
        if self.words.len() * 2 > self.table.len() {
            self.grow();
        }
        true
    }

    fn parent(&self, at: usize) -> Option<usize> {
        let parent = usize::try_from(self.parents[at]).expect("a place");
        (parent != Self::NOWHERE).then_some(parent)
    }

    /// The slot of the state in the table, present or not.
    fn place(&self, word: u128) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hash(word) & mask;
        loop {
            let taken = self.table[place];
            if taken == Self::FREE || self.words[taken as usize] == word {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.table = vec![Self::FREE; self.table.len() * 2];
        for at in 0..self.words.len() {
            let place = self.place(self.words[at]);
            self.table[place] = u32::try_from(at).expect("bounded by STATES_MAX");
        }
    }
}

/// Spreads a state over the table: multiply and fold, twice.
#[expect(clippy::cast_possible_truncation, reason = "the folding is meant to drop bits")]
fn hash(word: u128) -> usize {
    let fold = |low: u64, high: u64| {
        let product = u128::from(low ^ 0x9E37_79B9_7F4A_7C15) * u128::from(high | 1);
        (product ^ (product >> 64)) as u64
    };
    let mixed = fold(word as u64, 0xD6E8_FEB8_6659_FD93) ^ (word >> 64) as u64;
    fold(mixed, 0xA076_1D64_78BD_642F) as usize
}
