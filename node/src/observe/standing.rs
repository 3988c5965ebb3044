//! How the groups stand, for Prometheus: how far each region is, whether a write of each level would
//! succeed now, and what leases cost the writes that they hold up. The same as `GET /v1/cluster`
//! tells, as this node sees it.
//!
//! Labels are a group's number, a region of its membership, a level, and the id of a node that is
//! late: as many lines as groups times regions, or nodes, no matter what clients ask for.

use std::time::Duration;

use concordat_cluster::raft::{
    Buckets, DangerCost, GroupStatus, GroupsMetrics, Obstacle, RegionLag, ReplicaHealth,
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
        ("concordat_region_applied_index", "What every live replica there has applied", |lag| {
            Some(lag.applied.0.to_string())
        }),
        ("concordat_region_lag_entries", "Entries that the region lacks", |lag| {
            Some(lag.lag_entries.to_string())
        }),
        (
            "concordat_region_lag_seconds",
            "For how long at least this node has shown what the region lacks",
            |lag| Some(milliseconds(lag.lag_ms)),
        ),
        (
            "concordat_region_reading_age_seconds",
            "Age of the oldest report that this is told from",
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
    let name = "concordat_write_would_succeed";
    head(text, name, "gauge", "Whether a write of the level made at this node now would succeed");
    for group in groups {
        let levels: [(&str, &[Obstacle]); 2] =
            [(LOCAL_REGION, &group.local_region), (ALL_REGIONS, &group.all_regions)];
        for (level, obstacles) in levels {
            let labels = format!("group=\"{}\",level=\"{level}\"", group.group);
            line(text, &format!("{name}{{{labels}}} {}", u8::from(obstacles.is_empty())));
        }
    }
}

fn write_leases(text: &mut String, groups: &GroupsMetrics) {
    let name = "concordat_lease_age_seconds";
    head(text, name, "gauge", "Since this node asked for its newest lease of the group");
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

/// Which part of which node is late, and what that has cost it.
fn write_parts(text: &mut String, groups: &GroupsMetrics) {
    let micros = |span: Duration| seconds(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    let health = &groups.health;
    for (name, help, value) in [
        (
            "concordat_disk_unsynced_seconds",
            "For how long this node has shown what its disk has not synced",
            micros(health.unsynced),
        ),
        (
            "concordat_disk_is_late",
            "Whether the disk does not keep pace, so that this node asks for no leases",
            u8::from(health.is_disk_late).to_string(),
        ),
        (
            "concordat_runtime_stall_seconds",
            "For how long at most the runtime stood still at a stretch within a minute",
            micros(health.stall),
        ),
        (
            "concordat_clock_ahead_seconds",
            "By how much the wall clock is ahead of what most clocks say",
            signed_seconds(health.clock_ahead_ms),
        ),
        (
            "concordat_peers_silent",
            "Other nodes that are not heard of",
            health.silent_peers.len().to_string(),
        ),
    ] {
        head(text, name, "gauge", help);
        line(text, &format!("{name} {value}"));
    }
    type Read = fn(&ReplicaHealth) -> bool;
    let gauges: [(&str, &str, Read); 2] = [
        ("concordat_group_is_led", "Whether a leader has proved its lead within a lease", |it| {
            it.lead.is_led()
        }),
        ("concordat_group_is_current", "Whether reads of the group are unmarked here", |it| {
            it.is_open && it.stale.is_none()
        }),
    ];
    for (name, help, read) in gauges {
        head(text, name, "gauge", help);
        for replica in &health.replicas {
            let value = u8::from(read(replica));
            line(text, &format!("{name}{{group=\"{}\"}} {value}", replica.group));
        }
    }
    type Late = fn(&GroupStatus) -> &[(NodeId, Duration)];
    let gauges: [(&str, &str, Late); 2] = [
        (
            "concordat_replica_late_seconds",
            "For how long this node has shown what a replica has not reported",
            |it| &it.late,
        ),
        (
            "concordat_lease_refused_seconds",
            "For how long this node, as leader, has refused a replica leases for being late",
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
    let levels: [(&str, &DangerCost); 2] =
        [(LOCAL_REGION, &groups.danger.local_region), (ALL_REGIONS, &groups.danger.all_regions)];
    let name = "concordat_danger_set_replicas";
    let help = "Replicas in a write's way that may answer without it, when it was committed and \
                when it was answered";
    head(text, name, "histogram", help);
    for (level, cost) in levels {
        for (at, sizes) in [("commit", &cost.began_with), ("answer", &cost.ended_with)] {
            let labels = format!("level=\"{level}\",at=\"{at}\"");
            write_buckets(text, name, &labels, sizes, |size| size.to_string());
        }
    }
    let name = "concordat_danger_lost_seconds";
    let help = "From when one replica of each region that a write awaits had reported it until its \
                wait ended";
    head(text, name, "histogram", help);
    for (level, cost) in levels {
        write_buckets(text, name, &format!("level=\"{level}\""), &cost.lost_us, seconds);
    }
    let name = "concordat_danger_waited_out_total";
    head(text, name, "counter", "Writes that a lease's end, not a report, let arrive in a region");
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
        raft::{DangerStats, NodeHealth},
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
            all_regions: vec![Obstacle::NotServed(there)],
            late: vec![(NodeId(3), Duration::from_millis(1250))],
            refused: vec![(NodeId(3), Duration::from_millis(750))],
        }
    }

    #[test]
    fn the_page_says_where_each_region_is_and_who_pays() {
        let mut danger = DangerStats::default();
        let lost = Duration::from_millis(400);
        let cost = WaitCost { began_with: 2, ended_with: 0, lost, waited_out: true };
        danger.all_regions.add(&cost);
        let groups = GroupsMetrics {
            groups: Vec::new(),
            waiters: 0,
            leases: vec![(GroupId(1), Some(Duration::from_micros(7500)), 8)],
            danger,
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
            "concordat_region_reading_age_seconds{group=\"1\",region=\"here\"} 0.02",
            "concordat_write_would_succeed{group=\"1\",level=\"local_region\"} 1",
            "concordat_write_would_succeed{group=\"1\",level=\"all_regions\"} 0",
            "concordat_lease_age_seconds{group=\"1\"} 0.0075",
            "concordat_leases_granted{group=\"1\"} 8",
            "concordat_danger_set_replicas_bucket{level=\"all_regions\",at=\"commit\",le=\"1\"} 0",
            "concordat_danger_set_replicas_bucket{level=\"all_regions\",at=\"commit\",le=\"2\"} 1",
            "concordat_danger_set_replicas_sum{level=\"all_regions\",at=\"commit\"} 2",
            "concordat_danger_set_replicas_sum{level=\"all_regions\",at=\"answer\"} 0",
            "concordat_danger_lost_seconds_bucket{level=\"all_regions\",le=\"0.25\"} 0",
            "concordat_danger_lost_seconds_bucket{level=\"all_regions\",le=\"0.5\"} 1",
            "concordat_danger_lost_seconds_sum{level=\"all_regions\"} 0.4",
            "concordat_danger_lost_seconds_count{level=\"local_region\"} 0",
            "concordat_danger_waited_out_total{level=\"all_regions\"} 1",
        ] {
            assert!(page.lines().any(|line| line == expected), "{expected}\n{page}");
        }
        let unknown = "concordat_region_reading_age_seconds{group=\"1\",region=\"there\"}";
        assert!(!page.contains(unknown), "what is not known is not on the page");
    }
}
