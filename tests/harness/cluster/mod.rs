//! Clusters under test: processes, the demo and nine nodes, the links between them, and their disks.

mod archive;
pub mod demo;
pub mod disk;
pub mod links;
mod node_files;
mod options;
mod ports;
pub mod process;
pub mod process_cluster;
