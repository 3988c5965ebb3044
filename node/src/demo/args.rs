//! The demo's arguments, and its plan of regions.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use concordat_proto::region::Region;

use crate::boot::failure::Failure;

const REGIONS: [&str; 3] = ["us-iowa", "europe-belgium", "asia-japan"];
const RTT_MS: [u64; 3] = [80, 140, 100];
/// The default.
const RTT_MS_ELSEWHERE: u64 = 100;
const REGIONS_MAX: usize = 8;
const NODES_PER_REGION: usize = 3;
const NODES_PER_REGION_MAX: usize = 5;
/// Longer than this and no election would ever end.
const RTT_MS_MAX: u64 = 400;

/// The demo's arguments.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The regions; the first is the organization's home [default: us-iowa,europe-belgium,asia-japan]
    #[arg(long, value_delimiter = ',')]
    pub regions: Option<Vec<String>>,
    /// Nodes in each region [default: 3]
    #[arg(long)]
    pub nodes_per_region: Option<usize>,
    /// Round trips in ms pair by pair: 1-2, 1-3, 2-3, then 1-4, 2-4, 3-4 and so on
    /// [default: 80,140,100]
    #[arg(long, value_delimiter = ',')]
    pub rtt_ms: Option<Vec<u64>>,
    /// Address of the first node; each further one listens on the next port (0: on any)
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep everything here, and find it again at the next start [default: a temporary directory]
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// No tour
    #[arg(long)]
    pub no_tour: bool,
    /// End after the tour
    #[arg(long)]
    pub exit_after_tour: bool,
    /// For people, or one JSON object a line
    #[arg(long, default_value = "text")]
    pub output: Output,
    /// Levels of log lines, which go to standard error
    #[arg(long, env = "CONCORDAT_LOG_LEVEL", default_value = "error")]
    pub log_level: String,
}

/// The demo's output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The cluster to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order given; the first is home.
    pub(super) regions: Vec<Region>,
    /// Nodes in each.
    pub(super) nodes_per_region: usize,
    /// Pair by pair, in the order of the flag.
    pub(super) rtt_ms: Vec<u64>,
}

impl Plan {
    /// Checks the arguments.
    pub(super) fn new(
        regions: Option<&[String]>,
        nodes_per_region: Option<usize>,
        rtt_ms: Option<&[u64]>,
    ) -> Result<Self, Failure> {
        let names = match regions {
            Some(names) => names.to_vec(),
            None => REGIONS.map(str::to_owned).to_vec(),
        };
        let nodes_per_region = nodes_per_region.unwrap_or(NODES_PER_REGION);
        if !(1..=REGIONS_MAX).contains(&names.len())
            || !(1..=NODES_PER_REGION_MAX).contains(&nodes_per_region)
        {
            return Err(Failure::setting(format!(
                "the demo has 1 to {REGIONS_MAX} regions of 1 to {NODES_PER_REGION_MAX} nodes"
            )));
        }
        let mut regions: Vec<Region> = Vec::new();
        for name in names {
            let region = Region::new(name.trim());
            let region = region.map_err(|e| Failure::bad_setting(format!("region {name}"), e))?;
            if regions.contains(&region) {
                return Err(Failure::setting(format!("region {region} is given twice")));
            }
            regions.push(region);
        }
        let pairs = regions.len() * (regions.len() - 1) / 2;
        let rtt_ms = match rtt_ms {
            Some(given) => given.to_vec(),
            None => (0..pairs).map(|at| *RTT_MS.get(at).unwrap_or(&RTT_MS_ELSEWHERE)).collect(),
        };
        if rtt_ms.len() != pairs || rtt_ms.iter().any(|ms| *ms > RTT_MS_MAX) {
            return Err(Failure::setting(format!(
                "rtt-ms must be {pairs} numbers of at most {RTT_MS_MAX}, one for each pair of \
                 regions"
            )));
        }
        Ok(Self { regions, nodes_per_region, rtt_ms })
    }

    /// The organization's home region.
    pub(super) fn home(&self) -> &Region {
        self.regions.first().expect("a plan has a region")
    }

    /// Each pair and its round trip.
    pub(super) fn round_trips(&self) -> Vec<(&Region, &Region, Duration)> {
        let pairs = (0..self.regions.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        pairs
            .zip(&self.rtt_ms)
            .map(|((a, b), ms)| (&self.regions[a], &self.regions[b], Duration::from_millis(*ms)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_given_pair_by_pair() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let plan = Plan::new(Some(&names), None, Some(&[12, 13, 23, 14, 24, 34])).unwrap();
        let trips: Vec<String> = plan
            .round_trips()
            .iter()
            .map(|(a, b, trip)| format!("{a}{b}{}", trip.as_millis()))
            .collect();
        assert_eq!(trips, ["ab12", "ac13", "bc23", "ad14", "bd24", "cd34"]);
    }

    #[test]
    fn defaults_fill_what_is_not_given() {
        let plan = Plan::new(None, None, None).unwrap();
        assert_eq!(plan.rtt_ms, [80, 140, 100]);
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!(Plan::new(Some(&names), Some(1), None).unwrap().rtt_ms[3..], [100; 3]);
        assert!(Plan::new(Some(&names[..1]), None, None).unwrap().rtt_ms.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let twice = ["a", "a"].map(str::to_owned);
        assert!(Plan::new(Some(&twice), None, None).is_err());
        assert!(Plan::new(Some(&[]), None, None).is_err());
        assert!(Plan::new(None, Some(0), None).is_err());
        assert!(Plan::new(None, None, Some(&[1, 2])).is_err());
        assert!(Plan::new(None, None, Some(&[1, 2, 5000])).is_err());
    }
}
