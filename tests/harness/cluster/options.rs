//! How a cluster of processes is started. It starts nothing.

use std::path::PathBuf;

use crate::demo::REGIONS;

/// The workspace's own server.
pub const SERVER: &str = "concordatd";

/// How a cluster is started.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The regions' names.
    pub regions: Vec<&'static str>,
    /// Nodes in each.
    pub nodes_per_region: usize,
    /// Entries after which a state is synced, and entries of the log that are kept before that.
    pub retention: Option<(u64, u64)>,
    /// What is logged.
    pub log_level: &'static str,
    /// Lines that are added to every node's file.
    pub more: String,
    /// Whether nodes reach each other through proxies of ours.
    pub has_links: bool,
    /// The server that all nodes begin with: its name in the workspace, or the path of another build.
    pub program: String,
    /// Nodes with their data on a disk of this many MiB, where this process may make one.
    pub small_disks: Vec<(usize, u64)>,
    /// The files that the cluster begins with, of an earlier one.
    pub archive: Option<PathBuf>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            regions: REGIONS.to_vec(),
            nodes_per_region: 3,
            retention: None,
            log_level: "info",
            more: String::new(),
            has_links: false,
            program: SERVER.to_owned(),
            small_disks: Vec::new(),
            archive: None,
        }
    }
}
