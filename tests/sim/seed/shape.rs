//! The shape of a seed's cluster: how many regions and nodes, their distances, the speed of their
//! clocks, the retention of their logs.
//!
//! Values only. Later draws of a run come from generators of their own, so that one more draw here
//! changes no fault there.

use std::time::Duration;

use concordat_cluster::raft::Retention;
use concordat_proto::{
    region::Region,
    version::{FEATURE_LEVEL, FEATURE_LEVEL_FIRST},
};
use concordat_tests::rng::Rng;

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
    /// A step of the simulation: events within one step at two nodes have no order.
    pub(crate) tick: Duration,
    /// The home region's leases from the beginning, in milliseconds; those further off are twice as
    /// long. Where they outlast an election, the next leader has to reckon with them.
    pub(crate) lease_ms: Option<u64>,
    /// Whether partitioned groups continue to serve from the beginning, rather than stop.
    pub(crate) serves_isolated: bool,
    /// The feature level of the builds with which the cluster begins, and of restarted nodes: in
    /// some clusters an earlier release first.
    pub(crate) feature_level: u32,
    pub(crate) upgraded_to: u32,
    /// Organizations.
    pub(crate) orgs: usize,
    /// For how long things go wrong.
    pub(crate) fault_plan: Duration,
}

impl Shape {
    /// Draws one.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5ea_9e0);
        let layout = LAYOUTS[rng.place(LAYOUTS.len())];
        let regions: Vec<Region> = NAMES[..layout.len()].iter().map(|name| region(name)).collect();
        let nodes: Vec<Region> = regions
            .iter()
            .zip(layout)
            .flat_map(|(region, count)| std::iter::repeat_n(region.clone(), *count))
            .collect();
        let mut between = Vec::new();
        for one in 0..regions.len() {
            for other in one + 1..regions.len() {
                between.push((one, other, Duration::from_millis(8 + rng.below(132))));
            }
        }
        let mut fast = || {
            let ppm = rng.below(2 * DRIFT_PPM_MAX + 1);
            (f64::from(u32::try_from(ppm).unwrap_or(0)) - 4000.0) / 1_000_000.0
        };
        // One more than there are nodes: the one that may join.
        let drift = (0..=nodes.len()).map(|_| fast()).collect();
        // In a third of the clusters a node that is away for seconds needs a snapshot.
        let retention = if rng.below(3) == 0 {
            Retention::by_entries(6 + rng.below(20), 0)
        } else {
            let snapshot_every = 40 + rng.below(400);
            Retention::by_entries(snapshot_every, rng.below(2) * snapshot_every)
        };
        let retention = Self::by_bytes(seed).unwrap_or(retention);
        let is_old = rng.below(4) == 0;
        Self {
            feature_level: if is_old { FEATURE_LEVEL_FIRST } else { FEATURE_LEVEL },
            upgraded_to: FEATURE_LEVEL,
            drift,
            retention,
            segment_bytes: [256, 512, 1024][rng.place(3)] << 10,
            within: Duration::from_millis(2 + 2 * rng.below(2)),
            tick: Duration::from_millis(2),
            lease_ms: (rng.below(2) == 0).then(|| 400 + rng.below(4100)),
            serves_isolated: rng.below(2) == 0,
            orgs: 2 + rng.place(2),
            fault_plan: Duration::from_secs(12 + rng.below(16)),
            nodes,
            regions,
            between,
        }
    }
}

impl Shape {
    /// In a third of the clusters the log is kept by age and bytes.
    fn by_bytes(seed: u64) -> Option<Retention> {
        let mut rng = Rng::new(seed ^ 0xb_17e5);
        (rng.below(3) == 0).then(|| Retention {
            snapshot_every: 40 + rng.below(400),
            keep: rng.below(3) * 20,
            time: Duration::from_secs(1 + rng.below(8)),
            bytes: (24 + rng.below(100)) << 10,
        })
    }

    /// Three regions of three nodes, 80, 140 and 100 ms apart, with right clocks and nothing in the way.
    pub(crate) fn far_apart() -> Self {
        let regions: Vec<Region> = NAMES[..3].iter().map(|name| region(name)).collect();
        let ms = Duration::from_millis;
        Self {
            nodes: regions.iter().flat_map(|region| vec![region.clone(); 3]).collect(),
            regions,
            within: ms(2),
            between: vec![(0, 1, ms(80)), (0, 2, ms(140)), (1, 2, ms(100))],
            drift: vec![0.0; 10],
            retention: Retention::by_entries(1000, 1000),
            segment_bytes: 1 << 20,
            tick: ms(1),
            lease_ms: None,
            serves_isolated: false,
            feature_level: FEATURE_LEVEL,
            upgraded_to: FEATURE_LEVEL,
            orgs: 1,
            fault_plan: Duration::ZERO,
        }
    }
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}
