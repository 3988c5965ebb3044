//! A node of a cluster under test: its directory, its settings, its process.
//!
//! It writes files and starts a program, and never looks whether that goes well.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::cluster::{
    disk::SmallDisk,
    options::ClusterOptions,
    process::{Process, Start},
};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) directory: PathBuf,
    pub(super) url: String,
    /// The server: the workspace's own, or the path of another build.
    pub(super) program: String,
    pub(super) process: Option<Process>,
    pub(super) disk: Option<SmallDisk>,
    /// Variables that its process is started with.
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Node {
    pub(super) fn data_dir(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.directory(),
            None => self.directory.join("data"),
        }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(super) fn run(&mut self, scratch: &Path) {
        let config = self.directory.join("config.toml");
        self.process = Some(Process::start(&Start {
            name: &self.program,
            arguments: vec!["start".into(), "--config".into(), config.into()],
            environment: self.environment.clone(),
            stdout: self.log(),
            stderr: self.log(),
            scratch: Some(scratch.to_owned()),
        }));
    }
}

/// Of all nodes, in their order.
pub(super) struct Addresses<'a> {
    pub(super) listen: &'a [String],
    pub(super) peer_listen: &'a [String],
    /// The address in other nodes' settings.
    pub(super) peers: &'a [String],
}

pub(super) fn write_nodes(
    options: &ClusterOptions,
    scratch: &Path,
    addresses: &Addresses<'_>,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (place, listen) in addresses.listen.iter().enumerate() {
        let directory = scratch.join(format!("node-{place}"));
        fs::create_dir(&directory).expect("a directory");
        let mut sizes = options.small_disks.iter().filter(|(node, _)| *node == place);
        let disk = sizes.next().and_then(|(_, mib)| {
            let at = directory.join("disk");
            fs::create_dir(&at).expect("a directory");
            SmallDisk::mount(&at, *mib)
        });
        let (url, program) = (format!("http://{listen}"), options.program.clone());
        let environment = Vec::new();
        let node = Node { directory, url, program, process: None, disk, environment };
        let mut config = toml::Table::new();
        let mut set = |name: &str, value: toml::Value| config.insert(name.to_owned(), value);
        let path = |path: &Path| toml::Value::from(path.to_str().expect("a path of text"));
        set("region", options.regions[place / options.nodes_per_region].into());
        set("data_dir", path(&node.data_dir()));
        set("listen", listen.clone().into());
        set("peer_listen", addresses.peer_listen[place].clone().into());
        set("peer_address", addresses.peers[place].clone().into());
        set("keyring", path(&scratch.join("keyring.toml")));
        set("log_level", options.log_level.into());
        set("segment_mib", 4.into());
        if place == 0 {
            set("bootstrap", true.into());
            set("regions", options.regions.clone().into());
            set("operator_key_file", path(&scratch.join("operator.key")));
        }
        // Three to ask: any one may be down when a node comes back.
        let seeds: Vec<String> = addresses.peers.iter().take(3).cloned().collect();
        set("seeds", seeds.into());
        if let Some((every, keep)) = options.retention {
            let number = |number: u64| i64::try_from(number).expect("a small number").into();
            set("log_compaction_interval_entries", number(every));
            set("log_retained_entries", number(keep));
            set("log_retained_time_s", number(0));
        }
        let text = format!("{config}\n{}\n", options.more);
        fs::write(node.directory.join("config.toml"), text).expect("a file");
        nodes.push(node);
    }
    nodes
}
