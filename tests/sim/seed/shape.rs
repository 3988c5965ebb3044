//! What a seed makes of a cluster before anything happens: how many regions and nodes, how far apart,
//! how fast their clocks go, how much log they keep.
//!
//! Values only. Whatever a run draws later comes from generators of its own, so that one more draw
//! here changes no fault there.

use std::time::Duration;

use concordat_cluster::raft::Retention;
use concordat_proto::region::Region;
use concordat_tests::chance::Chance;

/// Nodes per region, 5 to 9 in 2 to 5 regions.
const LAYOUTS: [&[usize]; 10] = [
    &[3, 3, 3],
    &[3, 3, 3],
    &[3, 3],
    &[3, 2],
    &[3, 3, 1],
    &[2, 2, 2],
    &[3, 2, 2, 1],
    &[1, 1, 1, 1, 1],
    &[3, 1, 1],
    &[3, 2, 1, 1, 1],
];
const NAMES: [&str; 5] =
    ["us-iowa", "europe-belgium", "asia-japan", "australia-sydney", "brazil-saopaulo"];
/// No clock goes faster or slower than true time by more parts in a million. Two nodes are then
/// apart by less than half of the drift that leases allow for.
const DRIFT_PPM_MAX: u64 = 4000;

/// A cluster, as a seed has it.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The nodes' regions, in order of their numbers.
    pub(crate) nodes: Vec<Region>,
    /// All regions.
    pub(crate) regions: Vec<Region>,
    /// Round trips inside and between regions.
    pub(crate) within: Duration,
    pub(crate) between: Vec<(usize, usize, Duration)>,
    /// By which part each node's clock is fast.
    pub(crate) drift: Vec<f64>,
    /// How much log is kept.
    pub(crate) retention: Retention,
    /// Bytes of a log's segment.
    pub(crate) segment_bytes: u32,
    /// A step of the simulation: what happens within one at two nodes has no order.
    pub(crate) tick: Duration,
    /// Organisations.
    pub(crate) orgs: usize,
    /// For how long things go wrong.
    pub(crate) trouble: Duration,
}

impl Shape {
    /// Draws one.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5ea_9e0);
        let layout = LAYOUTS[chance.place(LAYOUTS.len())];
        let regions: Vec<Region> = NAMES[..layout.len()].iter().map(|name| region(name)).collect();
        let nodes: Vec<Region> = regions
            .iter()
            .zip(layout)
            .flat_map(|(region, count)| std::iter::repeat_n(region.clone(), *count))
            .collect();
        let mut between = Vec::new();
        for one in 0..regions.len() {
            for other in one + 1..regions.len() {
                between.push((one, other, Duration::from_millis(8 + chance.below(132))));
            }
        }
        let mut fast = || {
            let ppm = chance.below(2 * DRIFT_PPM_MAX + 1);
            (f64::from(u32::try_from(ppm).unwrap_or(0)) - 4000.0) / 1_000_000.0
        };
        // One more than there are nodes: the one that may join.
        let drift = (0..=nodes.len()).map(|_| fast()).collect();
        let snapshot_every = 40 + chance.below(400);
        Self {
            drift,
            retention: Retention { snapshot_every, keep: chance.below(2) * snapshot_every },
            segment_bytes: [256, 512, 1024][chance.place(3)] << 10,
            within: Duration::from_millis(2 + 2 * chance.below(2)),
            tick: Duration::from_millis(2),
            orgs: 2 + chance.place(2),
            trouble: Duration::from_secs(12 + chance.below(16)),
            nodes,
            regions,
            between,
        }
    }
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}
