//! The files of a whole cluster as one archive: a cluster of an earlier version, to begin with.
//!
//! Archives are written by clusters that were stopped in order, and without RocksDB's own logs and options,
//! which it does not read and which name paths.

use std::{path::Path, process::Command};

/// Writes the archive of a cluster with this directory and number of nodes, which have all ended, with
/// more files of the directory.
pub(super) fn pack(directory: &Path, nodes: usize, archive: &Path, more: &[&str]) {
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
        format!("--directory={}", directory.display()),
        "keyring.toml".to_owned(),
        "operator.key".to_owned(),
    ];
    arguments.extend(more.iter().map(|file| (*file).to_owned()));
    arguments.extend((0..nodes).map(|node| format!("node-{node}/data")));
    tar(&arguments);
}

/// Puts the files of an archive into a cluster's directory, in place of its keyring.
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
