//! Progress tables by examples and against their own definition.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};
use proptest::{collection::vec, prelude::*};

use super::{LIVE_WINDOW, ProgressTable};

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Nodes 1 and 2 in `a`, 3 in `b`.
fn table() -> ProgressTable {
    let mut table = ProgressTable::default();
    let members = [(1, "a"), (2, "a"), (3, "b")];
    table.set_members(members.map(|(node, name)| (NodeId(node), region(name))).into());
    table
}

fn report(table: &mut ProgressTable, node: u64, applied: u64, at: u64) {
    table.on_report(NodeId(node), LogIndex(applied), ms(at));
}

#[test]
fn who_stays_keeps_its_progress_and_who_comes_back_begins_anew() {
    let mut table = table();
    report(&mut table, 1, 5, 0);
    report(&mut table, 3, 5, 0);
    table.set_members([(NodeId(1), region("a"))].into());
    assert_eq!(table.applied_of(NodeId(1)), Some(LogIndex(5)));
    report(&mut table, 3, 9, 1);
    assert_eq!(table.applied_of(NodeId(3)), None, "no member");
    table.set_members([(NodeId(1), region("a")), (NodeId(3), region("b"))].into());
    assert_eq!(table.applied_of(NodeId(3)), None);
}

#[test]
fn lags_say_how_far_and_how_old() {
    let mut table = table();
    report(&mut table, 1, 9, 500);
    report(&mut table, 2, 4, 300);
    let lags = table.region_lags(ms(600));
    let seen: Vec<_> = lags
        .iter()
        .map(|lag| (lag.region.as_str(), lag.applied.0, lag.lag_entries, lag.age))
        .collect();
    assert_eq!(seen, [("a", 4, 5, Some(ms(300))), ("b", 0, 9, None)]);
    let later = table.region_lags(ms(5000));
    assert_eq!((later[0].applied.0, later[0].age), (9, Some(ms(4500))));
}

#[derive(Debug, Clone)]
struct Report {
    node: u64,
    applied: u64,
    passed_ms: u64,
    /// How much earlier it was sent.
    late_ms: u64,
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let one = (1_u64..6, 0_u64..9, 0_u64..700, 0_u64..3000);
    let one = one.prop_map(|(node, applied, passed_ms, late_ms)| Report {
        node,
        applied,
        passed_ms,
        late_ms: late_ms.saturating_sub(2000),
    });
    vec(one, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn keeps_to_its_definition(reports in reports()) {
        let names: BTreeMap<u64, &str> =
            BTreeMap::from([(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")]);
        let mut table = ProgressTable::default();
        table.set_members(names.iter().map(|(id, name)| (NodeId(*id), region(name))).collect());
        let mut applied: BTreeMap<u64, u64> = BTreeMap::new();
        let mut heard: BTreeMap<u64, Duration> = BTreeMap::new();
        let mut now = ms(5000);
        for report in reports {
            now += ms(report.passed_ms);
            let sent = now - ms(report.late_ms);
            let before = table.applied_of(NodeId(report.node));
            table.on_report(NodeId(report.node), LogIndex(report.applied), sent);
            let known = applied.entry(report.node).or_insert(report.applied);
            *known = report.applied.max(*known);
            let known = heard.entry(report.node).or_insert(sent);
            *known = sent.max(*known);
            prop_assert!(table.applied_of(NodeId(report.node)) >= before, "it only grows");
            for name in ["a", "b", "c"] {
                check_region(&table, &names, &applied, &heard, (name, now));
            }
        }
    }
}

/// The definition, once more and naively.
fn check_region(
    table: &ProgressTable,
    names: &BTreeMap<u64, &str>,
    applied: &BTreeMap<u64, u64>,
    heard: &BTreeMap<u64, Duration>,
    (name, now): (&str, Duration),
) {
    let nodes: Vec<u64> =
        names.iter().filter(|(_, of)| **of == name).map(|(node, _)| *node).collect();
    let live = |node: &&u64| heard.get(node).is_some_and(|at| now - *at <= LIVE_WINDOW);
    let of = |node: &u64| applied.get(node).copied().unwrap_or(0);
    let furthest = nodes.iter().map(of).max().unwrap_or(0);
    let lag = table.region_lags(now).into_iter().find(|lag| lag.region.as_str() == name).unwrap();
    assert_eq!(lag.applied.0, nodes.iter().filter(live).map(of).min().unwrap_or(furthest));
}
