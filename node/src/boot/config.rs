//! The configuration of a node: a file, which environment and flags override, validated once.
//!
//! Every key of the file is also a flag and a `CONCORDAT_` variable of the same name. There is no
//! secret in it: keys are in files of their own, which it names.

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use concordat_cluster::raft::Retention;
use concordat_proto::{
    duration::{DURATION_FORM, parse_duration},
    limits,
    org::KeyHash,
    region::Region,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{boot::failure::Failure, hex, peer::Reach};

/// The settings, each optional in every source. Together the sources must give all that is required.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The region of this node; it never changes
    #[arg(long, env = "CONCORDAT_REGION")]
    pub region: Option<String>,
    /// Directory of the log, the state and the identity of this node
    #[arg(long, env = "CONCORDAT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the HTTP API
    #[arg(long, env = "CONCORDAT_LISTEN")]
    pub listen: Option<String>,
    /// Base URL of the API for clients [default: http:// and `listen`]
    #[arg(long, env = "CONCORDAT_API_URL")]
    pub api_url: Option<String>,
    /// Address for other nodes; must be a loopback address unless `insecure_peers` is set
    #[arg(long, env = "CONCORDAT_PEER_LISTEN")]
    pub peer_listen: Option<String>,
    /// Advertised address for other nodes, host name or IP [default: `peer_listen`]
    #[arg(long, env = "CONCORDAT_PEER_ADDRESS")]
    pub peer_address: Option<String>,
    /// Allow peers beyond this machine. Peers have no certificates yet: their traffic is not encrypted,
    /// and anyone who can connect to `peer_listen` is trusted as a node. Only for a private network
    #[arg(long, env = "CONCORDAT_INSECURE_PEERS", num_args = 0..=1, default_missing_value = "true")]
    pub insecure_peers: Option<bool>,
    /// Peer addresses of other nodes: to join the cluster, and to find its nodes again after a power loss
    #[arg(long, env = "CONCORDAT_SEEDS", value_delimiter = ',')]
    pub seeds: Option<Vec<String>>,
    /// Keyring file with the key-encryption keys; the same on every node
    #[arg(long, env = "CONCORDAT_KEYRING")]
    pub keyring: Option<PathBuf>,
    /// Bootstrap a new cluster once every other seed has answered that it belongs to none; no effect on
    /// a node that belongs to a cluster
    #[arg(long, env = "CONCORDAT_BOOTSTRAP", num_args = 0..=1, default_missing_value = "true")]
    pub bootstrap: Option<bool>,
    /// With bootstrap: the regions whose nodes may join; add others by `concordat region add`
    /// [default: `region`]
    #[arg(long, env = "CONCORDAT_REGIONS", value_delimiter = ',')]
    pub regions: Option<Vec<String>>,
    /// With bootstrap: file with the first operator key; created with a new key if it does not exist
    #[arg(long, env = "CONCORDAT_OPERATOR_KEY_FILE")]
    pub operator_key_file: Option<PathBuf>,
    /// With bootstrap: SHA-256 of the first operator key in hex, instead of a file
    #[arg(long, env = "CONCORDAT_OPERATOR_KEY_SHA256")]
    pub operator_key_sha256: Option<String>,
    /// Log levels by target, as in `info,concordat_node=debug` [default: info,openraft=error]
    #[arg(long, env = "CONCORDAT_LOG_LEVEL")]
    pub log_level: Option<String>,
    /// Format of log lines
    #[arg(long, env = "CONCORDAT_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Worker threads for replicas and the API; 0 is one thread for both [default: 0]
    #[arg(long, env = "CONCORDAT_WORKER_THREADS")]
    pub worker_threads: Option<usize>,
    /// Maximum open connections to the API
    #[arg(long, env = "CONCORDAT_CONNECTIONS_MAX")]
    pub connections_max: Option<usize>,
    /// Maximum requests in flight
    #[arg(long, env = "CONCORDAT_REQUESTS_MAX")]
    pub requests_max: Option<usize>,
    /// Maximum size of a request's headers, in bytes
    #[arg(long, env = "CONCORDAT_HEADER_BYTES_MAX")]
    pub header_bytes_max: Option<usize>,
    /// Timeout for a request's headers in seconds; also the keep-alive timeout between requests
    #[arg(long, env = "CONCORDAT_HEADER_TIMEOUT_S", value_parser = whole_seconds)]
    #[serde(deserialize_with = "seconds_of_file")]
    pub header_timeout_s: Option<u64>,
    /// Timeout for a request's body, in seconds
    #[arg(long, env = "CONCORDAT_BODY_TIMEOUT_S", value_parser = whole_seconds)]
    #[serde(deserialize_with = "seconds_of_file")]
    pub body_timeout_s: Option<u64>,
    /// Seconds for requests in flight to finish when the server stops
    #[arg(long, env = "CONCORDAT_SHUTDOWN_GRACE_PERIOD_S", value_parser = whole_seconds)]
    #[serde(deserialize_with = "seconds_of_file")]
    pub shutdown_grace_period_s: Option<u64>,
    /// Size of the state's block cache, in MiB
    #[arg(long, env = "CONCORDAT_CACHE_MIB")]
    pub cache_mib: Option<usize>,
    /// Size of a log segment, in MiB
    #[arg(long, env = "CONCORDAT_SEGMENT_MIB")]
    pub segment_mib: Option<u32>,
    /// Log entries of a group between two log compactions: its state is synced, and older entries are
    /// deleted
    #[arg(long, env = "CONCORDAT_LOG_COMPACTION_INTERVAL_ENTRIES")]
    pub log_compaction_interval_entries: Option<u64>,
    /// Log entries of each group that are retained, for followers that are slightly behind
    #[arg(long, env = "CONCORDAT_LOG_RETAINED_ENTRIES")]
    pub log_retained_entries: Option<u64>,
    /// Time that older log entries are retained too, in seconds; 0 for none
    #[arg(long, env = "CONCORDAT_LOG_RETAINED_TIME_S", value_parser = whole_seconds)]
    #[serde(deserialize_with = "seconds_of_file")]
    pub log_retained_time_s: Option<u64>,
    /// MiB of log entries of all groups beyond which the oldest are deleted, whatever their age
    #[arg(long, env = "CONCORDAT_LOG_RETAINED_MIB")]
    pub log_retained_mib: Option<u64>,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region.
    pub region: Region,
    /// The regions of a new cluster.
    pub regions: Vec<Region>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The API's address.
    pub listen: SocketAddr,
    /// The API's base URL, if it is not `listen`'s.
    pub api_url: Option<String>,
    /// The address for peers.
    pub peer_listen: SocketAddr,
    /// The advertised address for peers, if it is not `peer_listen`.
    pub peer_address: Option<String>,
    /// The addresses at which peers may be.
    pub peer_reach: Reach,
    /// Addresses of nodes to join through.
    pub seeds: Vec<String>,
    /// The keyring's file.
    pub keyring: PathBuf,
    /// Whether to create a cluster, and with which operator key.
    pub bootstrap: Option<OperatorKeySource>,
    /// Log levels.
    pub log_level: String,
    /// Log format.
    pub log_format: LogFormat,
    /// Zero: one thread for all.
    pub worker_threads: usize,
    /// The API's limits.
    pub http: HttpLimits,
    /// Sizes of log and state.
    pub storage: StorageSizes,
}

/// The source of the first operator key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorKeySource {
    /// A file, made if it is not there.
    File(PathBuf),
    /// Only its hash is configured.
    Hash(KeyHash),
}

/// Limits of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once.
    pub connections: usize,
    /// Requests at once.
    pub requests: usize,
    /// Bytes of a head.
    pub header_bytes: usize,
    /// For a head to arrive.
    pub header_time: Duration,
    /// For a body to arrive.
    pub body_time: Duration,
    /// The time for requests in flight at shutdown.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 8192,
            requests: 16_384,
            header_bytes: 32 * 1024,
            header_time: Duration::from_secs(30),
            body_time: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// Sizes of log and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageSizes {
    /// The state's block cache.
    pub cache_bytes: usize,
    /// The state's write buffer.
    pub write_buffer_bytes: usize,
    /// One segment of the log.
    pub segment_bytes: u32,
    /// The retention of each group's log.
    pub retention: Retention,
}

/// The Raft library logs each of its messages at `info`.
const LOG_LEVEL: &str = "info,openraft=error";
const MIB: usize = 1024 * 1024;
/// Seeds that a node asks, at most: all of them at once, while it is lost.
const SEEDS_MAX: usize = 32;
/// Bytes of a host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

impl Default for StorageSizes {
    fn default() -> Self {
        Self {
            cache_bytes: 128 * MIB,
            write_buffer_bytes: 32 * MIB,
            segment_bytes: 64 << 20,
            retention: Retention::default(),
        }
    }
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or has unknown keys.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let context = || format!("the configuration {}", path.display());
        let text = fs::read_to_string(path).map_err(|e| Failure::bad_setting(context(), e))?;
        toml::from_str(&text).map_err(|error| Failure::bad_setting(context(), error))
    }

    /// These settings, completed by those of `other`.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            region: self.region.or(other.region),
            data_dir: self.data_dir.or(other.data_dir),
            listen: self.listen.or(other.listen),
            api_url: self.api_url.or(other.api_url),
            peer_listen: self.peer_listen.or(other.peer_listen),
            peer_address: self.peer_address.or(other.peer_address),
            insecure_peers: self.insecure_peers.or(other.insecure_peers),
            seeds: self.seeds.or(other.seeds),
            keyring: self.keyring.or(other.keyring),
            bootstrap: self.bootstrap.or(other.bootstrap),
            regions: self.regions.or(other.regions),
            operator_key_file: self.operator_key_file.or(other.operator_key_file),
            operator_key_sha256: self.operator_key_sha256.or(other.operator_key_sha256),
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
            worker_threads: self.worker_threads.or(other.worker_threads),
            connections_max: self.connections_max.or(other.connections_max),
            requests_max: self.requests_max.or(other.requests_max),
            header_bytes_max: self.header_bytes_max.or(other.header_bytes_max),
            header_timeout_s: self.header_timeout_s.or(other.header_timeout_s),
            body_timeout_s: self.body_timeout_s.or(other.body_timeout_s),
            shutdown_grace_period_s: self.shutdown_grace_period_s.or(other.shutdown_grace_period_s),
            cache_mib: self.cache_mib.or(other.cache_mib),
            segment_mib: self.segment_mib.or(other.segment_mib),
            log_compaction_interval_entries: self
                .log_compaction_interval_entries
                .or(other.log_compaction_interval_entries),
            log_retained_entries: self.log_retained_entries.or(other.log_retained_entries),
            log_retained_time_s: self.log_retained_time_s.or(other.log_retained_time_s),
            log_retained_mib: self.log_retained_mib.or(other.log_retained_mib),
        }
    }

    /// Checks everything.
    ///
    /// # Errors
    /// With the missing or wrong setting.
    pub fn check(&self) -> Result<Config, Failure> {
        let region = required("region", self.region.as_deref())?;
        let region = Region::new(region).map_err(|error| wrong("region", &error))?;
        let peer_reach = match self.insecure_peers {
            Some(true) => Reach::Anywhere,
            Some(false) | None => Reach::Loopback,
        };
        Ok(Config {
            regions: self.checked_regions(&region)?,
            region,
            data_dir: required("data_dir", self.data_dir.clone())?,
            listen: self.api_address()?,
            api_url: self.api_url.clone().map(base_url).transpose()?,
            peer_listen: address("peer_listen", self.peer_listen.as_deref())?,
            peer_address: self.peer_address(peer_reach)?,
            peer_reach,
            seeds: self.checked_seeds()?,
            keyring: required("keyring", self.keyring.clone())?,
            bootstrap: self.operator_key()?,
            log_level: self.log_level.clone().unwrap_or_else(|| LOG_LEVEL.into()),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            worker_threads: within("worker_threads", self.worker_threads.unwrap_or(0), 0, 256)?,
            http: self.http_limits()?,
            storage: self.storage_sizes()?,
        })
    }

    /// The address of the API, if it is set.
    ///
    /// # Errors
    /// When it is not, or is no address.
    pub fn api_address(&self) -> Result<SocketAddr, Failure> {
        address("listen", self.listen.as_deref())
    }

    fn peer_address(&self, reach: Reach) -> Result<Option<String>, Failure> {
        let everywhere =
            |text: &str| text.parse().is_ok_and(|at: SocketAddr| at.ip().is_unspecified());
        match (&self.peer_address, &self.peer_listen) {
            (None, Some(listen)) if reach == Reach::Anywhere && everywhere(listen) => {
                Err(Failure::setting(format!(
                    "peer_address is not set, and other nodes cannot connect to {listen}"
                )))
            }
            (None, _) => Ok(None),
            (Some(given), _) if everywhere(given) => Err(wrong(
                "peer_address",
                &format!(
                    "other nodes cannot connect to {given}; it must be the address of this node"
                ),
            )),
            (Some(given), _) => peer("peer_address", given).map(Some),
        }
    }

    fn checked_seeds(&self) -> Result<Vec<String>, Failure> {
        let given = self.seeds.iter().flatten();
        let seeds: Vec<String> = given.map(|seed| peer("seeds", seed)).collect::<Result<_, _>>()?;
        within("seeds", seeds.len(), 0, SEEDS_MAX).map_err(|_| {
            wrong("seeds", &format!("more than {SEEDS_MAX} seeds; a few of each region are enough"))
        })?;
        Ok(seeds)
    }

    /// One that only a node with `bootstrap` needs; a mistake in it is one everywhere.
    fn checked_regions(&self, own: &Region) -> Result<Vec<Region>, Failure> {
        let Some(given) = &self.regions else { return Ok(vec![own.clone()]) };
        let name = "regions";
        if given.len() > limits::REGIONS_MAX {
            return Err(wrong(
                name,
                &format!("a cluster has at most {} regions", limits::REGIONS_MAX),
            ));
        }
        let mut regions: Vec<Region> = Vec::new();
        for text in given {
            let region =
                Region::new(text.trim()).map_err(|e| wrong(name, &format!("{text:?}: {e}")))?;
            if regions.contains(&region) {
                return Err(wrong(name, &format!("{region} is named twice")));
            }
            regions.push(region);
        }
        if self.bootstrap == Some(true) && !regions.contains(own) {
            let reason = format!("the region of this node is missing: {own}");
            return Err(wrong(name, &reason));
        }
        Ok(regions)
    }

    fn operator_key(&self) -> Result<Option<OperatorKeySource>, Failure> {
        if !self.bootstrap.unwrap_or(false) {
            return Ok(None);
        }
        match (&self.operator_key_file, &self.operator_key_sha256) {
            (Some(file), None) => Ok(Some(OperatorKeySource::File(file.clone()))),
            (None, Some(text)) => hex::decode_hash(text)
                .map(|hash| Some(OperatorKeySource::Hash(hash)))
                .ok_or_else(|| wrong("operator_key_sha256", &"it must have 64 hex digits")),
            (None, None) | (Some(_), Some(_)) => Err(Failure::setting(
                "bootstrap needs exactly one of operator_key_file and operator_key_sha256",
            )),
        }
    }

    fn http_limits(&self) -> Result<HttpLimits, Failure> {
        let default = HttpLimits::default();
        let seconds = |name, given: Option<u64>, default: Duration| {
            within(name, given.unwrap_or(default.as_secs()), 1, 3600).map(Duration::from_secs)
        };
        let count = |name, given: Option<usize>, default| {
            within(name, given.unwrap_or(default), 1, 1 << 20)
        };
        Ok(HttpLimits {
            connections: count("connections_max", self.connections_max, default.connections)?,
            requests: count("requests_max", self.requests_max, default.requests)?,
            header_bytes: within(
                "header_bytes_max",
                self.header_bytes_max.unwrap_or(default.header_bytes),
                8192,
                1 << 20,
            )?,
            header_time: seconds("header_timeout_s", self.header_timeout_s, default.header_time)?,
            body_time: seconds("body_timeout_s", self.body_timeout_s, default.body_time)?,
            drain: seconds("shutdown_grace_period_s", self.shutdown_grace_period_s, default.drain)?,
        })
    }

    fn storage_sizes(&self) -> Result<StorageSizes, Failure> {
        let default = StorageSizes::default();
        let cache = self.cache_mib.unwrap_or(default.cache_bytes / MIB);
        let segment = self.segment_mib.unwrap_or(default.segment_bytes >> 20);
        let every =
            self.log_compaction_interval_entries.unwrap_or(default.retention.snapshot_every);
        let keep = self.log_retained_entries.unwrap_or(default.retention.keep);
        let time = self.log_retained_time_s.unwrap_or(default.retention.time.as_secs());
        let bytes = self.log_retained_mib.unwrap_or(default.retention.bytes >> 20);
        let retention = Retention {
            snapshot_every: within("log_compaction_interval_entries", every, 10, 1_000_000)?,
            keep: within("log_retained_entries", keep, 0, 1_000_000)?,
            time: Duration::from_secs(within("log_retained_time_s", time, 0, 7 * 24 * 3600)?),
            bytes: within("log_retained_mib", bytes, 16, 1 << 20)? << 20,
        };
        Ok(StorageSizes {
            retention,
            cache_bytes: within("cache_mib", cache, 1, 1 << 20)? * MIB,
            segment_bytes: within("segment_mib", segment, 4, 1024)? << 20,
            ..default
        })
    }
}

/// Whole seconds, in the one grammar of durations: `30`, `30s`, `2m`.
fn whole_seconds(text: &str) -> Result<u64, String> {
    let wrong = |error| format!("{error}; it must be {DURATION_FORM}");
    let duration = parse_duration(text).map_err(wrong)?;
    if duration.subsec_nanos() > 0 {
        return Err("it must be whole seconds".to_owned());
    }
    Ok(duration.as_secs())
}

/// The same in a file, where a number may be one.
fn seconds_of_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Seconds::Number(seconds)) => Ok(Some(seconds)),
        Some(Seconds::Text(text)) => whole_seconds(&text).map(Some).map_err(D::Error::custom),
    }
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::setting(format!("{name} is not set")))
}

fn wrong(name: &str, reason: &dyn std::fmt::Display) -> Failure {
    Failure::bad_setting(name.to_owned(), reason.to_string())
}

fn address(name: &str, text: Option<&str>) -> Result<SocketAddr, Failure> {
    required(name, text)?
        .parse()
        .map_err(|_| wrong(name, &"it must be an IP address and a port, as in 127.0.0.1:8080"))
}

/// The address at which others find a node: a host name or an IP address, and a port.
fn peer(name: &str, text: &str) -> Result<String, Failure> {
    let refuse = |reason: &str| {
        let example = "it must be a host and a port, as in us-iowa-1:9080 or 10.0.0.7:9080";
        Err(wrong(name, &format!("{text:?} {reason}; {example}")))
    };
    if text.contains("://") || text.contains('/') {
        return refuse("is a URL, not an address");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return refuse("has no port");
    };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) || port.starts_with('+') {
        return refuse("has no port from 1 to 65535 behind its last colon");
    }
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.chars().all(of_name),
    };
    if is_host { Ok(text.to_owned()) } else { refuse("has no host name or IP address") }
}

fn base_url(text: String) -> Result<String, Failure> {
    let url = url::Url::parse(&text).map_err(|error| wrong("api_url", &error))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(wrong("api_url", &"it must be an http or https URL"))
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    least: T,
    most: T,
) -> Result<T, Failure> {
    if value < least || value > most {
        return Err(wrong(name, &format!("it must be from {least} to {most}")));
    }
    Ok(value)
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
