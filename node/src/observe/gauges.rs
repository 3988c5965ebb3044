//! Metrics of the groups, for Prometheus: the replication lag of each region, whether a write of each
//! level would succeed now, and how long read leases delay writes. The values are those of
//! `GET /v1/cluster`, as this node sees them.
//!
//! Labels are a group's number, a region of its membership, a level, and the id of a node that is
//! late: as many lines as groups times regions, or nodes, no matter what clients ask for.

use std::time::Duration;

use concordat_cluster::raft::{
    Buckets, GroupStatus, GroupsMetrics, LeaseWaitCost, NodeHealth, RegionLag, ReplicaHealth,
    WriteBlocker,
};
use concordat_proto::id::NodeId;

use super::histogram::{head, line, seconds};

const LOCAL_REGION: &str = "local_region";
const ALL_REGIONS: &str = "all_regions";
const US_PER_MS: u64 = 1000;

/// Writes all of it.
pub(crate) fn write(text: &mut String, groups: &GroupsMetrics) {
    write_regions(text, &groups.statuses);
    write_forecasts(text, &groups.statuses);
    write_leases(text, groups);
    write_parts(text, groups);
    write_costs(text, groups);
}

fn milliseconds(ms: u64) -> String {
    seconds(ms.saturating_mul(US_PER_MS))
}

fn write_regions(text: &mut String, groups: &[GroupStatus]) {
    type Read = fn(&RegionLag) -> Option<String>;
    let gauges: [(&str, &str, Read); 4] = [
        (
            "concordat_region_applied_index",
            "Index that every live replica of the region has applied",
            |lag| Some(lag.applied.0.to_string()),
        ),
        ("concordat_region_lag_entries", "Entries by which the region is behind", |lag| {
            Some(lag.lag_entries.to_string())
        }),
        ("concordat_region_lag_seconds", "Lower bound of the region's replication lag", |lag| {
            Some(milliseconds(lag.lag_ms))
        }),
        (
            "concordat_region_report_age_seconds",
            "Age of the oldest report behind the region's values",
            |lag| lag.age_ms.map(milliseconds),
        ),
    ];
    for (name, help, read) in gauges {
        head(text, name, "gauge", help);
        for group in groups {
            for lag in &group.regions {
                if let Some(value) = read(lag) {
                    let labels = format!("group=\"{}\",region=\"{}\"", group.group, lag.region);
                    line(text, &format!("{name}{{{labels}}} {value}"));
                }
            }
        }
    }
}

fn write_forecasts(text: &mut String, groups: &[GroupStatus]) {
    let name = "concordat_write_available";
    head(text, name, "gauge", "Whether a write of the level made at this node now would succeed");
    for group in groups {
        let levels: [(&str, &[WriteBlocker]); 2] =
            [(LOCAL_REGION, &group.local_region), (ALL_REGIONS, &group.all_regions)];
        for (level, blockers) in levels {
            let labels = format!("group=\"{}\",level=\"{level}\"", group.group);
            line(text, &format!("{name}{{{labels}}} {}", u8::from(blockers.is_empty())));
        }
    }
}

fn write_leases(text: &mut String, groups: &GroupsMetrics) {
    let name = "concordat_lease_age_seconds";
    head(text, name, "gauge", "Time since this node requested its newest lease of the group");
    for (group, age, _) in &groups.leases {
        if let Some(age) = age {
            let age = seconds(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
            line(text, &format!("{name}{{group=\"{group}\"}} {age}"));
        }
    }
    let name = "concordat_leases_granted";
    head(text, name, "gauge", "Replicas that may hold a lease granted by this node");
    for (group, _, holders) in &groups.leases {
        line(text, &format!("{name}{{group=\"{group}\"}} {holders}"));
    }
}

/// The slow parts of nodes, and the leases that were refused for that.
fn micros(span: Duration) -> String {
    seconds(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

fn write_node_health(text: &mut String, health: &NodeHealth) {
    for (name, help, value) in [
        (
            "concordat_disk_unsynced_seconds",
            "Age of the oldest applied entry that the disk has not synced",
            micros(health.unsynced),
        ),
        (
            "concordat_disk_is_late",
            "Whether the disk is too slow, so that this node requests no leases",
            u8::from(health.is_disk_late).to_string(),
        ),
        (
            "concordat_runtime_stall_seconds",
            "Longest stall of the runtime within the last minute",
            micros(health.stall),
        ),
        (
            "concordat_clock_ahead_seconds",
            "Offset of this node's clock from the median of all nodes",
            signed_seconds(health.clock_ahead_ms),
        ),
        (
            "concordat_peers_silent",
            "Other nodes that are unreachable",
            health.silent_peers.len().to_string(),
        ),
    ] {
        head(text, name, "gauge", help);
        line(text, &format!("{name} {value}"));
    }
}

fn write_parts(text: &mut String, groups: &GroupsMetrics) {
    write_node_health(text, &groups.health);
    type Read = fn(&ReplicaHealth) -> bool;
    let gauges: [(&str, &str, Read); 2] = [
        (
            "concordat_group_is_led",
            "Whether a leader has confirmed its leadership within a lease",
            |it| it.lead.is_led(),
        ),
        ("concordat_group_is_current", "Whether this node serves fresh reads of the group", |it| {
            it.is_open && it.stale.is_none()
        }),
    ];
    for (name, help, read) in gauges {
        head(text, name, "gauge", help);
        for replica in &groups.health.replicas {
            let value = u8::from(read(replica));
            line(text, &format!("{name}{{group=\"{}\"}} {value}", replica.group));
        }
    }
    type Late = fn(&GroupStatus) -> &[(NodeId, Duration)];
    let gauges: [(&str, &str, Late); 2] = [
        (
            "concordat_replica_late_seconds",
            "Time for which a replica has not reported an entry that is applied here",
            |it| &it.late,
        ),
        (
            "concordat_lease_refused_seconds",
            "Time for which this leader has refused a slow replica leases",
            |it| &it.refused,
        ),
    ];
    for (name, help, read) in gauges {
        head(text, name, "gauge", help);
        for group in &groups.statuses {
            for (node, span) in read(group) {
                let labels = format!("group=\"{}\",node=\"{node}\"", group.group);
                line(text, &format!("{name}{{{labels}}} {}", micros(*span)));
            }
        }
    }
}

fn signed_seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}", milliseconds(ms.unsigned_abs()))
}

fn write_costs(text: &mut String, groups: &GroupsMetrics) {
    let levels: [(&str, &LeaseWaitCost); 2] = [
        (LOCAL_REGION, &groups.lease_waits.local_region),
        (ALL_REGIONS, &groups.lease_waits.all_regions),
    ];
    let name = "concordat_write_blocking_leases";
    let help = "Read leases that could hide a write: outstanding when it was committed, and when it \
                was answered";
    head(text, name, "histogram", help);
    for (level, cost) in levels {
        for (at, sizes) in [("commit", &cost.began_with), ("answer", &cost.ended_with)] {
            let labels = format!("level=\"{level}\",at=\"{at}\"");
            write_buckets(text, name, &labels, sizes, |size| size.to_string());
        }
    }
    let name = "concordat_write_lease_wait_seconds";
    let help = "Time a write waited for read leases to be renewed or expire";
    head(text, name, "histogram", help);
    for (level, cost) in levels {
        write_buckets(text, name, &format!("level=\"{level}\""), &cost.lost_us, seconds);
    }
    let name = "concordat_write_lease_expirations_total";
    head(text, name, "counter", "Writes that completed in a region because a lease expired");
    for (level, cost) in levels {
        line(text, &format!("{name}{{level=\"{level}\"}} {}", cost.waited_out));
    }
}

fn write_buckets<const N: usize>(
    text: &mut String,
    name: &str,
    labels: &str,
    buckets: &Buckets<N>,
    show: impl Fn(u64) -> String,
) {
    let mut below = 0;
    for (end, count) in buckets.ends.iter().zip(&buckets.counts) {
        below += count;
        line(text, &format!("{name}_bucket{{{labels},le=\"{}\"}} {below}", show(*end)));
    }
    line(text, &format!("{name}_bucket{{{labels},le=\"+Inf\"}} {}", buckets.count));
    line(text, &format!("{name}_sum{{{labels}}} {}", show(buckets.sum)));
    line(text, &format!("{name}_count{{{labels}}} {}", buckets.count));
}

#[cfg(test)]
mod tests {
    use concordat_cluster::{
        consistency::WaitCost,
        raft::{LeaseWaitStats, NodeHealth},
    };
    use concordat_proto::{id::GroupId, log::LogIndex, region::Region};

    use super::*;

    fn group() -> GroupStatus {
        let there = Region::new("there").unwrap();
        let lag = RegionLag {
            region: there.clone(),
            applied: LogIndex(40),
            lag_entries: 2,
            lag_ms: 1500,
            age_ms: None,
        };
        let here = Region::new("here").unwrap();
        let current = RegionLag { region: here, lag_entries: 0, age_ms: Some(20), ..lag };
        GroupStatus {
            group: GroupId(1),
            region: None,
            leader: None,
            term: 1,
            applied: LogIndex(42),
            voters: Vec::new(),
            learners: Vec::new(),
            regions: vec![current, lag],
            local_region: Vec::new(),
            all_regions: vec![WriteBlocker::NotServed(there)],
            late: vec![(NodeId(3), Duration::from_millis(1250))],
            refused: vec![(NodeId(3), Duration::from_millis(750))],
        }
    }

    #[test]
    fn the_page_says_where_each_region_is_and_who_pays() {
        let mut lease_waits = LeaseWaitStats::default();
        let lost = Duration::from_millis(400);
        let cost = WaitCost { began_with: 2, ended_with: 0, lost, waited_out: true };
        lease_waits.all_regions.add(&cost);
        let groups = GroupsMetrics {
            groups: Vec::new(),
            waiters: 0,
            leases: vec![(GroupId(1), Some(Duration::from_micros(7500)), 8)],
            lease_waits,
            statuses: vec![group()],
            health: NodeHealth {
                unsynced: Duration::from_millis(600),
                is_disk_late: true,
                clock_ahead_ms: -2500,
                ..NodeHealth::unknown(NodeId(1))
            },
        };
        let mut page = String::new();
        write(&mut page, &groups);
        let late = format!("{{group=\"1\",node=\"{}\"}}", NodeId(3));
        for expected in [
            format!("concordat_replica_late_seconds{late} 1.25"),
            format!("concordat_lease_refused_seconds{late} 0.75"),
        ] {
            assert!(page.lines().any(|line| line == expected), "{expected}\n{page}");
        }
        for expected in [
            "concordat_disk_unsynced_seconds 0.6",
            "concordat_disk_is_late 1",
            "concordat_clock_ahead_seconds -2.5",
            "concordat_peers_silent 0",
            "concordat_region_applied_index{group=\"1\",region=\"there\"} 40",
            "concordat_region_lag_entries{group=\"1\",region=\"there\"} 2",
            "concordat_region_lag_seconds{group=\"1\",region=\"there\"} 1.5",
            "concordat_region_report_age_seconds{group=\"1\",region=\"here\"} 0.02",
            "concordat_write_available{group=\"1\",level=\"local_region\"} 1",
            "concordat_write_available{group=\"1\",level=\"all_regions\"} 0",
            "concordat_lease_age_seconds{group=\"1\"} 0.0075",
            "concordat_leases_granted{group=\"1\"} 8",
            "concordat_write_blocking_leases_bucket{level=\"all_regions\",at=\"commit\",le=\"1\"} 0",
            "concordat_write_blocking_leases_bucket{level=\"all_regions\",at=\"commit\",le=\"2\"} 1",
            "concordat_write_blocking_leases_sum{level=\"all_regions\",at=\"commit\"} 2",
            "concordat_write_blocking_leases_sum{level=\"all_regions\",at=\"answer\"} 0",
            "concordat_write_lease_wait_seconds_bucket{level=\"all_regions\",le=\"0.25\"} 0",
            "concordat_write_lease_wait_seconds_bucket{level=\"all_regions\",le=\"0.5\"} 1",
            "concordat_write_lease_wait_seconds_sum{level=\"all_regions\"} 0.4",
            "concordat_write_lease_wait_seconds_count{level=\"local_region\"} 0",
            "concordat_write_lease_expirations_total{level=\"all_regions\"} 1",
        ] {
            assert!(page.lines().any(|line| line == expected), "{expected}\n{page}");
        }
        let unknown = "concordat_region_report_age_seconds{group=\"1\",region=\"there\"}";
        assert!(!page.contains(unknown), "what is not known is not on the page");
    }
}
