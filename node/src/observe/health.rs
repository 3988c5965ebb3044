//! Probes: alive, ready, counters. They need no key and reveal nothing of any organization.
//!
//! # The use of each probe
//! `/livez` is for a supervisor that restarts or replaces a node that does not answer (a
//! container's health check): a node in a partition answers, and must be left alone. `/readyz` is
//! for load balancers: a partitioned node stays in, because it serves stale reads.
//! `/readyz?for=writes`, asked of all nodes, is for a rolling restart: a partition anywhere stops
//! it. It is not for a load balancer: when one region is lost, the others still accept writes.

use std::time::Duration;

use concordat_cluster::raft::{Lack, NodeHealth, NotReady, Purpose, ReplicaHealth, Staleness};
use http::{Response, StatusCode};

use crate::{clock::Stamp, dialect::traits::ResponseBody, http::respond, node::Node};

/// The media type of plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of Prometheus' exposition format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A stall of the runtime that is worth a look.
const STALL_SHOWN: Duration = Duration::from_millis(250);
/// A clock so far from the others' is worth a look.
const CLOCK_APART_MS: u64 = 10_000;

/// `/livez`: the process answers.
pub(crate) fn live() -> Response<ResponseBody> {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// `/readyz`: whether a load balancer may send requests here; with `?for=writes`, whether all
/// groups are led, whole and current as this node sees them, so that a rolling restart may
/// continue. With `?verbose`, the state of each part.
pub(crate) fn ready(node: &Node, query: &str) -> Response<ResponseBody> {
    let (mut purpose, mut is_verbose) = (Purpose::Reads, false);
    for part in query.split('&') {
        match part.split_once('=').unwrap_or((part, "")) {
            ("verbose", _) => is_verbose = true,
            ("for", "reads") => purpose = Purpose::Reads,
            ("for", "writes") => purpose = Purpose::Writes,
            ("for", _) => {
                return text(
                    StatusCode::BAD_REQUEST,
                    "\"for\" must be \"reads\" or \"writes\"\n".to_owned(),
                );
            }
            _ => {}
        }
    }
    let health = node.groups.health();
    let has_keyring = node.keyring_check.has_passed();
    let is_ready = has_keyring && health.blockers(purpose).is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match (is_verbose, is_ready) {
        (true, _) => parts(&health, has_keyring, purpose),
        (false, true) => "ok\n".to_owned(),
        (false, false) => "not ready\n".to_owned(),
    };
    text(status, body)
}

/// Whether a load balancer may send requests here, as `/readyz` says.
pub(crate) fn is_ready(node: &Node) -> bool {
    node.keyring_check.has_passed() && node.groups.ready_for(Purpose::Reads).is_ok()
}

/// One line for each part of a node, marked with `+` where nothing is wrong, then the verdict.
fn parts(health: &NodeHealth, has_keyring: bool, purpose: Purpose) -> String {
    let mut body = String::new();
    let mut part = |is_good: bool, line: String| {
        body.push_str(if is_good { "[+] " } else { "[-] " });
        body.push_str(&line);
        body.push('\n');
    };
    let joined = if health.has_joined { "ok" } else { "this node has not joined a cluster yet" };
    part(health.has_joined, format!("cluster: {joined}"));
    let held = if has_keyring { "ok" } else { "not held against the cluster's state yet" };
    part(has_keyring, format!("keyring: {held}"));
    for replica in &health.replicas {
        let of = replica.region.as_ref().map_or("system", |region| region.as_str());
        let lacks = replica.lacks();
        let text = if lacks.is_empty() { whole(replica) } else { lacking(&lacks) };
        part(lacks.is_empty(), format!("group {} ({of}): {text}", replica.group));
    }
    let disk = match health.is_disk_late {
        true => format!("late by {}", seconds(health.unsynced)),
        false => "ok".to_owned(),
    };
    part(!health.is_disk_late, format!("disk: {disk}"));
    let heard = health.peers - health.silent_peers.len();
    let silent: Vec<String> = health.silent_peers.iter().map(ToString::to_string).collect();
    let silent = match silent.is_empty() {
        true => String::new(),
        false => format!(", not {}", silent.join(", ")),
    };
    let peers = format!("peers: {heard} of {} reachable{silent}", health.peers);
    part(health.silent_peers.is_empty(), peers);
    let stood = health.stall >= STALL_SHOWN;
    part(!stood, format!("runtime: longest stall in a minute {}", seconds(health.stall)));
    let ahead = health.clock_ahead_ms;
    part(ahead.unsigned_abs() < CLOCK_APART_MS, format!("clock: {ahead} ms ahead of the median"));
    for (name, purpose) in [("reads", Purpose::Reads), ("writes", Purpose::Writes)] {
        let blockers = health.blockers(purpose);
        let is_ready = blockers.is_empty();
        let text = if is_ready { "ready".to_owned() } else { NotReady(blockers).to_string() };
        part(is_ready, format!("{name}: {text}"));
    }
    let is_ready = has_keyring && health.blockers(purpose).is_empty();
    body.push_str(if is_ready { "ready\n" } else { "not ready\n" });
    body
}

fn whole(replica: &ReplicaHealth) -> String {
    let leader = replica.lead.leader.map(|leader| leader.to_string()).unwrap_or_default();
    let heard = replica.lead.heard.map(seconds).unwrap_or_default();
    format!("current, led by {leader}, last heard {heard} ago")
}

fn lacking(lacks: &[Lack]) -> String {
    let show = |lack: &Lack| match lack {
        Lack::Stale(Staleness { as_of, .. }) => format!("{lack}, as of {}", Stamp(*as_of)),
        Lack::NotOpen
        | Lack::NotMember
        | Lack::NeverCurrent
        | Lack::NotLed(_)
        | Lack::NoQuorum(_)
        | Lack::DiskLate(_)
        | Lack::Changing(_) => lack.to_string(),
    };
    lacks.iter().map(show).collect::<Vec<_>>().join("; ")
}

fn seconds(span: Duration) -> String {
    let tenths = span.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// `/metrics`.
pub(crate) fn metrics(node: &Node) -> Response<ResponseBody> {
    let in_flight = node.places.in_flight();
    let page = node.metrics.page(
        &node.groups.metrics(),
        &node.log.0.stats(),
        node.store.cache_stats(),
        in_flight,
    );
    respond::text(StatusCode::OK, METRICS, page)
}

fn text(status: StatusCode, body: String) -> Response<ResponseBody> {
    respond::text(status, TEXT, body)
}

#[cfg(test)]
mod tests {
    use concordat_cluster::raft::Lead;
    use concordat_proto::{
        id::{GroupId, NodeId},
        region::Region,
        time::LogTime,
    };

    use super::*;

    fn replica(group: u32, heard: Duration) -> ReplicaHealth {
        let lease = Duration::from_millis(1500);
        let lead = Lead { leader: Some(NodeId(1)), heard: Some(heard), counts_for: lease };
        ReplicaHealth {
            group: GroupId(group),
            region: (group > 0).then(|| Region::new("there").unwrap()),
            is_open: true,
            is_member: true,
            has_been_current: true,
            lead,
            stale: None,
            missing_voters: Vec::new(),
            unsynced: Duration::ZERO,
            is_disk_late: false,
            change: None,
        }
    }

    fn health() -> NodeHealth {
        let replicas = vec![replica(0, Duration::from_millis(120)), replica(1, Duration::ZERO)];
        NodeHealth { has_joined: true, replicas, peers: 8, ..NodeHealth::unknown(NodeId(9)) }
    }

    #[test]
    fn every_part_has_a_line() {
        let text = parts(&health(), true, Purpose::Writes);
        let one = NodeId(1);
        for line in [
            "[+] cluster: ok".to_owned(),
            format!("[+] group 0 (system): current, led by {one}, last heard 0.1 s ago"),
            "[+] disk: ok".to_owned(),
            "[+] peers: 8 of 8 reachable".to_owned(),
            "[+] clock: 0 ms ahead of the median".to_owned(),
            "[+] reads: ready".to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\nready\n") && !text.contains("[-]"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_named_and_decides_only_over_what_it_is_needed_for() {
        let mut cut = health();
        cut.replicas[1].lead.heard = Some(Duration::from_secs(33));
        let since = Some(Duration::from_secs(32));
        cut.replicas[1].stale = Some(Staleness { as_of: LogTime(1000), since });
        cut.silent_peers = vec![NodeId(3)];
        let text = parts(&cut, true, Purpose::Reads);
        let (one, three) = (NodeId(1), NodeId(3));
        let lost =
            format!("[-] group 1 (there): leader {one} last confirmed its leadership 33.0 s ago; ");
        for line in [
            format!("{lost}reads have been stale for 32.0 s, as of 1970-01-01T00:00:01Z"),
            format!("[-] peers: 7 of 8 reachable, not {three}"),
            "[+] reads: ready".to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(text.contains("[-] writes: group 1: "), "{text}");
        assert!(text.ends_with("\nready\n"), "{text}");
        assert!(parts(&cut, true, Purpose::Writes).ends_with("\nnot ready\n"));
    }
}
