//! The outside world of the nodes: wall clocks that may be wrong, randomness from a seed, a network
//! that loses, delays and duplicates.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_cluster::{
    locks::locked,
    raft::{
        WallClock,
        in_process::{Fate, Message, NetworkFaults},
    },
};
use concordat_node::entropy::Entropy;
use concordat_proto::time::LogTime;
use concordat_tests::{canary::Search, rng::Rng};

use crate::trace::Trace;

/// Some day in 2026, in milliseconds.
const BEGINNING_MS: i64 = 1_790_000_000_000;

/// True time, as the simulation counts it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrueTime(Arc<AtomicU64>);

impl TrueTime {
    pub(crate) fn set(&self, now: Duration) {
        self.0.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// One node's wall clock: true time and an error that can jump.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimWall {
    time: TrueTime,
    error_ms: Arc<AtomicI64>,
}

impl SimWall {
    pub(crate) fn new(time: &TrueTime) -> Self {
        Self { time: time.clone(), error_ms: Arc::default() }
    }

    pub(crate) fn jump(&self, error_ms: i64) {
        self.error_ms.store(error_ms, Ordering::Relaxed);
    }
}

impl WallClock for SimWall {
    fn now(&self) -> LogTime {
        let elapsed = i64::try_from(self.time.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let shown = BEGINNING_MS + elapsed + self.error_ms.load(Ordering::Relaxed);
        LogTime(u64::try_from(shown).unwrap_or(0))
    }
}

/// Random bytes from a seed. Fit for nothing but a simulation.
#[derive(Debug)]
pub(crate) struct SimEntropy(Mutex<Rng>);

impl SimEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut rng = locked(&self.0);
        for chunk in buffer.chunks_mut(8) {
            let bytes = rng.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// How bad the network is, in parts of a thousand messages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Conditions {
    pub(crate) lost: u64,
    pub(crate) answers_lost: u64,
    pub(crate) doubled: u64,
    pub(crate) late: u64,
    /// The most by which a late one is late.
    pub(crate) late_ms: u64,
}

/// The fates of messages, counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) late: u64,
}

struct State {
    rng: Rng,
    now: Conditions,
    counts: Counts,
    trace: Trace,
    secrets: Search,
    /// The first secret that was in a message.
    leak: Option<String>,
}

/// The network's weather.
pub(crate) struct SimNetworkFaults(Mutex<State>);

impl fmt::Debug for SimNetworkFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimWeather")
    }
}

impl SimNetworkFaults {
    pub(crate) fn new(seed: u64, trace: &Trace) -> Self {
        let state = State {
            rng: Rng::new(seed),
            now: Conditions::default(),
            counts: Counts::default(),
            trace: trace.clone(),
            secrets: Search::new(Vec::new()),
            leak: None,
        };
        Self(Mutex::new(state))
    }

    pub(crate) fn set(&self, conditions: Conditions) {
        locked(&self.0).now = conditions;
    }

    /// No message may have one of these in it from now on.
    pub(crate) fn must_not_carry(&self, secrets: Search) {
        locked(&self.0).secrets = secrets;
    }

    /// Whether one had.
    pub(crate) fn has_leaked(&self) -> Result<(), String> {
        locked(&self.0).leak.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn counts(&self) -> Counts {
        locked(&self.0).counts
    }
}

impl NetworkFaults for SimNetworkFaults {
    fn fate(&self, message: Message<'_>) -> Fate {
        let mut state = locked(&self.0);
        let State { rng, now, counts, trace, secrets, leak } = &mut *state;
        trace.message(message);
        if let Some(found) = secrets.in_bytes(message.body).pop() {
            let (from, to) = (message.from, message.to);
            leak.get_or_insert_with(|| format!("secrets: {found} went from {from} to {to}"));
        }
        counts.messages += 1;
        let mut happens = |parts: u64| parts > 0 && rng.below(1000) < parts;
        let (is_lost, is_answer_lost) = (happens(now.lost), happens(now.answers_lost));
        let (is_doubled, is_late) = (happens(now.doubled), happens(now.late));
        let is_doubled = is_doubled && message.is_request;
        let by = if is_late { 1 + rng.below(now.late_ms) } else { 0 };
        counts.lost += u64::from(is_lost || is_answer_lost);
        counts.doubled += u64::from(is_doubled);
        counts.late += u64::from(is_late);
        Fate { later: Duration::from_millis(by), is_lost, is_answer_lost, is_doubled }
    }
}
