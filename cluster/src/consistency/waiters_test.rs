//! Waits by examples, and against their own definition looked at afresh every time.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};
use proptest::{collection::vec, prelude::*};

use super::{
    WaitCost, Waiters,
    stale_readers::{RegionReaders, StaleReaders},
    waiters::WaiterId,
};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn region(number: u8) -> Region {
    Region::new(format!("r{number}")).unwrap()
}

/// Nodes 1 and 2 in `r0`, 3 and 4 in `r1`, each a holder until the given time.
fn stale_readers(until: [u64; 4], counts: [bool; 2]) -> StaleReaders {
    let regions = [0, 1].map(|number: u8| {
        let first = u64::from(number) * 2;
        let replicas = [first, first + 1]
            .map(|node| (NodeId(node + 1), ms(until[usize::try_from(node).unwrap()])));
        let counts = counts[usize::from(number)];
        (region(number), RegionReaders { counts, replicas: replicas.into() })
    });
    StaleReaders { regions: regions.into() }
}

fn reached(waiters: &Waiters, id: WaiterId) -> Vec<Option<Duration>> {
    waiters.region_waits(id).into_iter().map(|region_waits| region_waits.reached).collect()
}

fn nothing(_: NodeId) -> Option<LogIndex> {
    None
}

#[test]
fn a_region_is_reached_by_one_that_applied_and_no_holder_that_did_not() {
    let mut waiters = Waiters::default();
    let stale_readers = stale_readers([0, 500, 0, 0], [true, true]);
    let id = waiters.register(LogIndex(7), &stale_readers, nothing, ms(0)).unwrap();
    assert!(waiters.on_report(NodeId(1), LogIndex(6), ms(10)).is_empty(), "too little");
    assert!(waiters.on_report(NodeId(1), LogIndex(7), ms(20)).is_empty(), "2 may hold a lease");
    assert_eq!(waiters.on_report(NodeId(3), LogIndex(9), ms(30)), [id], "nobody holds one");
    assert_eq!(reached(&waiters, id), [None, Some(ms(30))]);
    assert_eq!(waiters.look(id, ms(40)), Some(ms(500)));
    assert_eq!(waiters.look(id, ms(500)), None);
    assert_eq!(reached(&waiters, id), [Some(ms(500)), Some(ms(30))]);
}

#[test]
fn a_holder_that_reports_costs_nothing_more() {
    let mut waiters = Waiters::default();
    let stale_readers = stale_readers([500; 4], [true, true]);
    let id = waiters.register(LogIndex(7), &stale_readers, nothing, ms(0)).unwrap();
    for node in [1, 2, 3, 4] {
        waiters.on_report(NodeId(node), LogIndex(7), ms(node));
    }
    assert_eq!(reached(&waiters, id), [Some(ms(2)), Some(ms(4))]);
}

#[test]
fn nobody_left_alive_is_not_reached_for_ever() {
    let mut waiters = Waiters::default();
    let stale_readers = stale_readers([5; 4], [true, false]);
    let id = waiters.register(LogIndex(7), &stale_readers, nothing, ms(0)).unwrap();
    assert_eq!(waiters.look(id, ms(9000)), None);
    let region_waits = waiters.region_waits(id);
    assert_eq!(region_waits[0].reached, None, "no replica of it has the entry");
    assert!(!region_waits[1].counts && region_waits[1].reached.is_some(), "it only must be silent");
}

#[test]
fn what_was_reported_before_counts() {
    let mut waiters = Waiters::default();
    let applied = |node: NodeId| Some(LogIndex(node.0 + 5));
    let stale_readers = stale_readers([500; 4], [true, true]);
    let id = waiters.register(LogIndex(7), &stale_readers, applied, ms(3)).unwrap();
    assert_eq!(reached(&waiters, id), [None, Some(ms(3))], "1 has 6 only");
}

#[test]
fn what_was_lost_is_told_however_the_wait_ended() {
    let mut waiters = Waiters::default();
    let stale_readers = stale_readers([500, 500, 900, 0], [true, true]);
    let id = waiters.register(LogIndex(7), &stale_readers, nothing, ms(0)).unwrap();
    let of = |waiters: &Waiters, number: u8, now| {
        waiters.cost(id, |region_is| *region_is == region(number), ms(now))
    };
    let cost = |began_with, ended_with, lost, waited_out| WaitCost {
        began_with,
        ended_with,
        lost: ms(lost),
        waited_out,
    };
    assert_eq!(of(&waiters, 0, 50), cost(2, 2, 0, false), "nobody has it: no lease is to blame");
    waiters.on_report(NodeId(1), LogIndex(7), ms(100));
    waiters.on_report(NodeId(4), LogIndex(7), ms(130));
    assert_eq!(of(&waiters, 0, 250), cost(2, 1, 150, false), "at the end of patience");
    assert_eq!(waiters.cost(id, |_| true, ms(250)), cost(3, 2, 120, false), "of all, the later");
    waiters.on_report(NodeId(3), LogIndex(8), ms(330));
    assert_eq!(of(&waiters, 1, 400), cost(1, 0, 200, false), "by a late report");
    waiters.look(id, ms(500));
    assert_eq!(of(&waiters, 0, 600), cost(2, 0, 400, true), "by the end of a lease");
    assert_eq!(waiters.cost(id, |_| true, ms(600)), cost(3, 0, 370, true));
}

#[derive(Debug, Clone)]
enum Step {
    Register(u64, [u64; 4], [bool; 2]),
    Report(u64, u64),
    Pass(u64),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let until = [0_u64..200, 0_u64..200, 0_u64..200, 0_u64..200];
    let step = prop_oneof![
        3 => (0_u64..9, until, any::<[bool; 2]>())
            .prop_map(|(index, until, counts)| Step::Register(index, until, counts)),
        4 => (1_u64..5, 0_u64..9).prop_map(|(node, index)| Step::Report(node, index)),
        2 => (0_u64..60).prop_map(Step::Pass),
        1 => (0_usize..12).prop_map(Step::Remove),
    ];
    vec(step, 0..50)
}

/// One wait, judged afresh from everything known.
struct Naive {
    id: WaiterId,
    index: u64,
    stale_readers: StaleReaders,
    reached: BTreeMap<Region, Duration>,
}

impl Naive {
    fn look(&mut self, applied: &BTreeMap<NodeId, u64>, now: Duration) {
        let has = |node: &NodeId| applied.get(node).is_some_and(|applied| *applied >= self.index);
        for (region, readers) in &self.stale_readers.regions {
            let any = !readers.counts || readers.replicas.keys().any(has);
            let silent = |(node, until): (&NodeId, &Duration)| has(node) || *until <= now;
            if any && readers.replicas.iter().all(silent) {
                self.reached.entry(region.clone()).or_insert(now);
            }
        }
    }
}

proptest! {
    #[test]
    fn agree_with_judging_afresh(steps in steps()) {
        const LIMIT: usize = 8;
        let mut waiters = Waiters::with_limit(LIMIT);
        let mut naive: Vec<Naive> = Vec::new();
        let (mut applied, mut now) = (BTreeMap::new(), ms(0));
        for step in steps {
            match step {
                Step::Register(index, until, counts) => {
                    let stale_readers = stale_readers(until, counts);
                    let known = |node| applied.get(&node).copied().map(LogIndex);
                    let registered = waiters.register(LogIndex(index), &stale_readers, known, now);
                    prop_assert_eq!(registered.is_ok(), naive.len() < LIMIT);
                    if let Ok(id) = registered {
                        naive.push(Naive { id, index, stale_readers, reached: BTreeMap::new() });
                    }
                }
                Step::Report(node, index) => {
                    let known = applied.entry(NodeId(node)).or_insert(index);
                    *known = index.max(*known);
                    waiters.on_report(NodeId(node), LogIndex(*known), now);
                }
                Step::Pass(milliseconds) => now += ms(milliseconds),
                Step::Remove(at) => {
                    if at < naive.len() {
                        waiters.remove(naive.remove(at).id);
                    }
                }
            }
            for wait in &mut naive {
                wait.look(&applied, now);
                let next = waiters.look(wait.id, now);
                prop_assert!(next.is_none_or(|next| next > now));
                let found = waiters.region_waits(wait.id).into_iter();
                let found: BTreeMap<Region, Duration> =
                    found.filter_map(|of| Some((of.region, of.reached?))).collect();
                prop_assert_eq!(&found, &wait.reached);
            }
        }
        for wait in naive {
            waiters.remove(wait.id);
        }
        let left = format!("{waiters:?}");
        prop_assert!(waiters.is_empty() && left.contains("by_node: {}"), "{}", left);
    }
}
