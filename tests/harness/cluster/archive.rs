//! The files of a whole cluster as one archive: a cluster of an earlier version, to begin with.
//!
//! Archives are written by clusters that were stopped in order, and without RocksDB's own logs and options,
//! which it does not read and which name paths.

use std::{path::Path, process::Command};

use crate::cluster::process_cluster::ProcessCluster;

/// Writes the archive of a cluster whose nodes have all ended, with more files of its directory.
///
/// # Panics
/// When that fails.
pub fn pack(cluster: &ProcessCluster, archive: &Path, more: &[&str]) {
    let mut arguments = vec![
        "--create".to_owned(),
        "--gzip".to_owned(),
        "--sparse".to_owned(),
        "--sort=name".to_owned(),
        "--owner=0".to_owned(),
        "--group=0".to_owned(),
        "--exclude=LOG*".to_owned(),
        "--exclude=OPTIONS*".to_owned(),
        format!("--file={}", archive.display()),
        format!("--directory={}", cluster.directory().display()),
        "keyring.toml".to_owned(),
        "operator.key".to_owned(),
    ];
    arguments.extend(more.iter().map(|file| (*file).to_owned()));
    arguments.extend((0..cluster.count()).map(|node| format!("node-{node}/data")));
    tar(&arguments);
}

/// Puts the files of an archive into a cluster's directory, in place of its keyring.
///
/// # Panics
/// When that fails.
pub(super) fn unpack(archive: &Path, into: &Path) {
    tar(&[
        "--extract".to_owned(),
        "--gzip".to_owned(),
        format!("--file={}", archive.display()),
        format!("--directory={}", into.display()),
    ]);
}

fn tar(arguments: &[String]) {
    let output = Command::new("tar").args(arguments).output().expect("tar starts");
    assert!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
}
