//! Random calls and crashes against a naive model: the state after a crash is the state after some
//! call (or some record of one) that is not before the last acknowledged one.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;

use super::{
    log_test::{open, run_all, small},
    *,
};

const GROUPS: u32 = 3;

#[derive(Debug, Clone)]
enum Op {
    Append {
        group: u32,
        count: u64,
        length: usize,
    },
    Vote {
        group: u32,
    },
    Truncate {
        group: u32,
        back: u64,
    },
    Purge {
        group: u32,
        back: u64,
    },
    Skip {
        group: u32,
        ahead: u64,
    },
    /// Appends and purges, so that most of what is written is dead: other groups' entries are
    /// carried over.
    Load {
        group: u32,
        rounds: u64,
    },
    Mark,
    Step,
    Reopen,
    /// A sync fails after some more, or none does; the process dies and starts again.
    Kill {
        after: u64,
    },
    /// Power fails after some operations of the disk; `recoveries` are cut short likewise.
    Crash {
        after: u64,
        seed: u64,
        recoveries: Vec<u64>,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let group = 0..GROUPS;
    prop_oneof![
        8 => (group.clone(), 1..6u64, 0..400usize)
            .prop_map(|(group, count, length)| Op::Append { group, count, length }),
        2 => group.clone().prop_map(|group| Op::Vote { group }),
        2 => (group.clone(), 0..9u64).prop_map(|(group, back)| Op::Truncate { group, back }),
        3 => (group.clone(), 0..9u64).prop_map(|(group, back)| Op::Purge { group, back }),
        1 => (group.clone(), 0..9u64).prop_map(|(group, ahead)| Op::Skip { group, ahead }),
        2 => (group, 1..9u64).prop_map(|(group, rounds)| Op::Load { group, rounds }),
        1 => Just(Op::Mark),
        6 => Just(Op::Step),
        1 => Just(Op::Reopen),
        1 => (0..8u64).prop_map(|after| Op::Kill { after }),
        2 => (0..12u64, any::<u64>(), prop::collection::vec(0..12u64, 0..3))
            .prop_map(|(after, seed, recoveries)| Op::Crash { after, seed, recoveries }),
    ]
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct GroupModel {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    entries: BTreeMap<u64, (u64, Bytes)>,
}

impl GroupModel {
    fn last(&self) -> Option<u64> {
        self.entries.keys().next_back().copied().or(self.purged.as_ref().map(|purged| purged.0))
    }
}

type Model = BTreeMap<u32, GroupModel>;

fn observe(log: &RaftLog) -> Model {
    let group = |group| {
        let state = log.state(group);
        let records = log.read(group, state.first_index, u64::MAX, usize::MAX);
        let records = records.expect("what is live can be read");
        assert_eq!(records.last().map(|record| record.id), state.last);
        let entries = records
            .into_iter()
            .map(|record| (record.id.index, (record.id.term, record.payload)))
            .collect();
        let purged = state.purged.map(|id| (state.purged_index, id));
        (group, GroupModel { vote: state.vote, purged, entries })
    };
    (0..GROUPS).map(group).collect()
}

/// Entries are carried over whenever less than half of the bytes are live.
fn options() -> LogOptions {
    LogOptions { slack_segments: 0, ..small() }
}

struct World {
    files: SimFiles,
    log: RaftLog,
    model: Model,
    /// The model after each record that may reach the disk, the oldest one first.
    history: Vec<Model>,
    /// The place in `history` that was acknowledged.
    acknowledged: Arc<AtomicUsize>,
    /// Makes every vote, term and payload different.
    count: u64,
}

impl World {
    fn new() -> World {
        let files = SimFiles::new();
        let log = open(&files, &options()).expect("a new log");
        let model = observe(&log);
        let history = vec![model.clone()];
        World { files, log, model, history, acknowledged: Arc::default(), count: 0 }
    }

    fn remember(&mut self) {
        self.history.push(self.model.clone());
    }

    fn done(&self) -> Done {
        let (acknowledged, place) = (Arc::clone(&self.acknowledged), self.history.len() - 1);
        Box::new(move |outcome| {
            if outcome.is_ok() {
                let before = acknowledged.swap(place, Ordering::SeqCst);
                assert!(before <= place, "told in order");
            }
        })
    }

    fn group(&mut self, group: u32) -> &mut GroupModel {
        self.count += 1;
        self.model.entry(group).or_default()
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Append { group, count, length } => self.append(*group, *count, *length),
            Op::Vote { group } => {
                let vote = Bytes::from((self.count + 1).to_le_bytes().to_vec());
                self.group(*group).vote = Some(vote.clone());
                self.remember();
                self.log.save_vote(*group, vote, self.done());
            }
            Op::Truncate { group, back } => {
                let entries = &mut self.group(*group).entries;
                let from = entries.keys().rev().nth(usize::try_from(*back).expect("small"));
                let kept = from.map(|from| from.saturating_sub(1));
                entries.retain(|index, _| kept.is_some_and(|kept| *index <= kept));
                self.remember();
                self.log.truncate_after(*group, kept, self.done());
            }
            Op::Purge { group, back } => {
                let last = self.group(*group).last();
                if let Some(to) = last.and_then(|last| last.checked_sub(*back)) {
                    self.purge(*group, to);
                }
            }
            Op::Skip { group, ahead } => {
                let to = self.group(*group).last().unwrap_or(0) + ahead;
                self.purge(*group, to);
            }
            Op::Load { group, rounds } => {
                for _ in 0..*rounds {
                    self.append(*group, 2, 700);
                    let last = self.group(*group).last().unwrap_or(1);
                    self.purge(*group, last - 1);
                    self.log.step();
                }
            }
            Op::Mark => self.log.mark(self.done()),
            Op::Step => drop(self.log.step()),
            Op::Reopen => self.reopen(),
            Op::Kill { after } => {
                self.files.inject(SimFault::SyncError { after: *after });
                run_all(&self.log);
                self.files = self.files.restart();
                self.recover();
            }
            Op::Crash { after, seed, recoveries } => self.crash(*after, *seed, recoveries),
        }
    }

    fn append(&mut self, group: u32, count: u64, length: usize) {
        let term = self.count;
        let next = self.group(group).last().map_or(1, |last| last + 1);
        let mut records = Vec::new();
        for index in next..next + count {
            let payload = Bytes::from(vec![u8::try_from(term % 256).expect("a byte"); length]);
            self.group(group).entries.insert(index, (term, payload.clone()));
            self.remember();
            records.push(LogRecord { id: RecordId { term, index }, payload });
        }
        self.log.append(group, records, self.done());
    }

    fn purge(&mut self, group: u32, to: u64) {
        let id = Bytes::from((self.count + 1).to_le_bytes().to_vec());
        let model = self.group(group);
        if model.purged.as_ref().is_none_or(|purged| purged.0 < to) {
            model.purged = Some((to, id.clone()));
            model.entries.retain(|index, _| *index > to);
        }
        self.remember();
        self.log.purge(group, to, id, self.done());
    }

    fn reopen(&mut self) {
        self.log.shutdown();
        assert!(self.log.failure().is_none());
        self.log = open(&self.files, &options()).expect("a clean log");
        assert_eq!(observe(&self.log), self.model, "after a clean end");
        self.restart();
    }

    fn crash(&mut self, after: u64, seed: u64, recoveries: &[u64]) {
        self.files.inject(SimFault::PowerOff { after });
        run_all(&self.log);
        self.files = self.files.crash(seed);
        let mut opened = None;
        for (at, recovery) in recoveries.iter().enumerate() {
            self.files.inject(SimFault::PowerOff { after: *recovery });
            let cut_short = open(&self.files, &options());
            assert!(!matches!(cut_short, Err(LogError::Damaged { .. })), "{cut_short:?}");
            opened = cut_short.ok().map(|log| observe(&log));
            self.files = self.files.crash(seed.wrapping_add(at as u64 + 1));
        }
        let found = self.recover();
        assert!(opened.is_none_or(|before| before == found), "what one opening showed is kept");
    }

    fn recover(&mut self) -> Model {
        self.log = open(&self.files, &options()).expect("a crash is no damage");
        let found = observe(&self.log);
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let known = &self.history[acknowledged..];
        assert!(known.contains(&found), "neither what was acknowledged nor anything after it");
        for (group, model) in &found {
            let last = model.last().unwrap_or(0);
            assert_eq!(self.log.synced_index(*group), last, "what is found is synced");
        }
        self.model = found.clone();
        self.restart();
        found
    }

    fn restart(&mut self) {
        self.history = vec![self.model.clone()];
        self.acknowledged = Arc::default();
    }
}

/// Two quiet groups and a busy one; one of the quiet ones loses entries that were carried over, and
/// gets others in their place. Most of its batches are followed by copies.
fn unequal_load(world: &mut World) {
    world.append(0, 4, 30);
    world.append(2, 3, 500);
    world.run(&Op::Vote { group: 2 });
    for round in 0..14 {
        world.run(&Op::Load { group: 1, rounds: 2 });
        match round {
            5 => world.run(&Op::Truncate { group: 0, back: 1 }),
            6 => world.append(0, 3, 60),
            8 => world.run(&Op::Purge { group: 2, back: 1 }),
            9 => world.run(&Op::Truncate { group: 2, back: 0 }),
            10 => world.append(2, 1, 40),
            _ => {}
        }
        world.log.step();
    }
}

#[test]
fn a_crash_after_any_operation_of_carrying_over_loses_nothing() {
    let mut crashed = 0;
    for (after, seed) in (0..260).flat_map(|after| (0..4).map(move |seed| (after, seed))) {
        let mut world = World::new();
        world.files.inject(SimFault::PowerOff { after });
        unequal_load(&mut world);
        crashed += u64::from(world.log.failure().is_some() && world.log.stats().carried > 0);
        world.crash(0, seed, &[seed, 3 * seed]);
        unequal_load(&mut world);
        assert_eq!(observe(&world.log), world.model);
        assert!(world.log.stats().carried > 0);
        world.reopen();
    }
    assert!(crashed > 400, "{crashed}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_acknowledged_survives(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            prop_assert_eq!(&observe(&world.log), &world.model, "after {:?}", op);
        }
    }
}
