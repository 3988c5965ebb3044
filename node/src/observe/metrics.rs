//! Counters of requests, and the page that Prometheus reads. Labels are names of ours and numbers,
//! never a caller's text.

use std::sync::atomic::{AtomicU64, Ordering};

use concordat_cluster::{log, raft::GroupsMetrics, store::CacheStats};
use concordat_proto::consistency::RequiredConsistency;
use tokio::time::Instant;

use super::{
    gauges,
    histogram::{Histogram, head, line},
};
use crate::{
    api::operation::{Operation, TABLE},
    http::status,
};

/// The statuses that are counted one by one. All others share the label `other`.
const STATUSES: [u16; 20] = status::ALL;

/// The data of an answered request.
#[derive(Debug)]
pub(crate) struct Observed {
    operation: Operation,
    accepted: Instant,
    /// A write's required consistency, once its headers were read.
    pub(crate) required: Option<RequiredConsistency>,
}

impl Observed {
    /// A request that was just accepted.
    pub(crate) const fn new(operation: Operation, accepted: Instant) -> Self {
        Self { operation, accepted, required: None }
    }
}

#[derive(Debug, Default)]
struct ByStatus {
    known: [AtomicU64; STATUSES.len()],
    others: AtomicU64,
}

/// All counters of requests.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: [ByStatus; TABLE.len()],
    reads: Histogram,
    local_region: Histogram,
    all_regions: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: std::array::from_fn(|_| ByStatus::default()),
            reads: Histogram::default(),
            local_region: Histogram::default(),
            all_regions: Histogram::default(),
        }
    }
}

impl Metrics {
    /// Counts a request.
    pub(crate) fn observe(&self, observed: &Observed, status: u16) {
        let counters = &self.requests[observed.operation as usize];
        let counter = match STATUSES.iter().position(|known| *known == status) {
            Some(at) => &counters.known[at],
            None => &counters.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let histogram = match observed.required {
            None => &self.reads,
            Some(RequiredConsistency::LocalRegion) => &self.local_region,
            Some(RequiredConsistency::AllRegions) => &self.all_regions,
        };
        histogram.observe(observed.accepted.elapsed());
    }

    /// The page.
    pub(crate) fn page(
        &self,
        groups: &GroupsMetrics,
        log: &log::LogStats,
        cache: CacheStats,
        in_flight: usize,
    ) -> String {
        let mut text = String::new();
        self.write_requests(&mut text);
        gauge(&mut text, "concordat_requests_in_flight", "Requests in flight", in_flight as u64);
        let waiters = groups.waiters as u64;
        gauge(
            &mut text,
            "concordat_pending_writes",
            "Writes that wait for their required consistency",
            waiters,
        );
        write_groups(&mut text, groups);
        gauges::write(&mut text, groups);
        write_log(&mut text, log);
        write_cache(&mut text, cache);
        let name = "concordat_log_lines_lost_total";
        head(&mut text, name, "counter", "Lines of the process log that were dropped");
        line(&mut text, &format!("{name} {}", super::log::lost()));
        text
    }

    fn write_requests(&self, text: &mut String) {
        head(text, "concordat_requests_total", "counter", "Requests answered");
        for (row, counters) in TABLE.iter().zip(&self.requests) {
            let operation = row.name;
            let known = STATUSES.iter().map(ToString::to_string).zip(&counters.known);
            for (status, counter) in known.chain([("other".to_owned(), &counters.others)]) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = format!("operation=\"{operation}\",status=\"{status}\"");
                    line(text, &format!("concordat_requests_total{{{labels}}} {count}"));
                }
            }
        }
        let name = "concordat_http_request_duration_seconds";
        head(text, name, "histogram", "Time from a request's headers to its response");
        for (consistency, histogram) in [
            ("read", &self.reads),
            ("local_region", &self.local_region),
            ("all_regions", &self.all_regions),
        ] {
            histogram.write(text, name, &format!("consistency=\"{consistency}\""));
        }
    }
}

fn write_groups(text: &mut String, groups: &GroupsMetrics) {
    type Read = fn(&(concordat_proto::id::GroupId, u64, u64, u64, bool)) -> u64;
    let gauges: [(&str, &str, Read); 4] = [
        ("concordat_raft_term", "The group's term", |group| group.1),
        ("concordat_raft_applied_index", "Index of the last applied entry", |group| group.2),
        ("concordat_raft_last_log_index", "Index of the last entry in the log", |group| group.3),
        ("concordat_raft_is_leader", "Whether this node leads the group", |g| u64::from(g.4)),
    ];
    for (name, help, read) in gauges {
        head(text, name, "gauge", help);
        for group in &groups.groups {
            line(text, &format!("{name}{{group=\"{}\"}} {}", group.0, read(group)));
        }
    }
}

fn write_log(text: &mut String, log: &log::LogStats) {
    let counters = [
        ("concordat_log_fsyncs_total", "fsyncs of log records", log.fsyncs),
        ("concordat_log_fill_syncs_total", "fsyncs while preallocating segments", log.fill_syncs),
        ("concordat_log_written_bytes_total", "Bytes written to segments", log.bytes_written),
        ("concordat_log_records_total", "Records written", log.records),
        ("concordat_log_batches_total", "Batches written", log.batches),
        (
            "concordat_log_recycled_segments_total",
            "Segments created by recycling a file",
            log.recycled,
        ),
        ("concordat_log_carried_total", "Entries copied forward to free a segment", log.carried),
    ];
    for (name, help, value) in counters {
        head(text, name, "counter", help);
        line(text, &format!("{name} {value}"));
    }
    gauge(text, "concordat_log_segments", "Segments in use", log.segments);
    gauge(text, "concordat_log_live_bytes", "Bytes of entries in the log", log.live_bytes);
    gauge(text, "concordat_log_queued_bytes", "Bytes waiting to be written", log.queued_bytes);
    gauge(text, "concordat_log_cache_bytes", "Payload bytes cached in memory", log.cache_bytes);
}

fn write_cache(text: &mut String, cache: CacheStats) {
    let counters = [
        ("concordat_state_cache_hits_total", "Blocks of the state found in memory", cache.hits),
        ("concordat_state_cache_misses_total", "Blocks of the state read from files", cache.misses),
    ];
    for (name, help, value) in counters {
        head(text, name, "counter", help);
        line(text, &format!("{name} {value}"));
    }
    let help = "Bytes of the state cached in memory, by all nodes of the process";
    gauge(text, "concordat_state_cache_bytes", help, cache.bytes);
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    head(text, name, "gauge", help);
    line(text, &format!("{name} {value}"));
}

#[cfg(test)]
mod tests {
    use concordat_cluster::raft::{LeaseWaitStats, NodeHealth};
    use concordat_proto::id::{GroupId, NodeId};

    use super::*;

    #[tokio::test]
    async fn what_was_counted_is_on_the_page() {
        let metrics = Metrics::default();
        let mut observed = Observed::new(Operation::OidcPatch, Instant::now());
        observed.required = Some(RequiredConsistency::AllRegions);
        metrics.observe(&observed, 408);
        metrics.observe(&observed, 599);
        let groups = GroupsMetrics {
            groups: vec![(GroupId(1), 2, 3, 4, true)],
            waiters: 5,
            leases: Vec::new(),
            lease_waits: LeaseWaitStats::default(),
            statuses: Vec::new(),
            health: NodeHealth::unknown(NodeId(1)),
        };
        let page = metrics.page(
            &groups,
            &log::LogStats::default(),
            CacheStats { hits: 7, misses: 8, bytes: 9 },
            6,
        );
        for expected in [
            "concordat_requests_total{operation=\"oidc_patch\",status=\"408\"} 1",
            "concordat_requests_total{operation=\"oidc_patch\",status=\"other\"} 1",
            "concordat_http_request_duration_seconds_count{consistency=\"all_regions\"} 2",
            "concordat_pending_writes 5",
            "concordat_requests_in_flight 6",
            "concordat_raft_applied_index{group=\"1\"} 3",
            "concordat_raft_is_leader{group=\"1\"} 1",
            "concordat_log_fsyncs_total 0",
            "concordat_state_cache_misses_total 8",
        ] {
            assert!(page.lines().any(|line| line == expected), "{expected}\n{page}");
        }
    }
}
