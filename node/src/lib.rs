//! The process: sockets, configuration, keys, and the path of a request.
//!
//! # The map
//! - [`cli`], [`config`], [`start`], [`demo`]: what the binary does, and how it is told.
//! - [`environment`], [`clock`], [`entropy`]: the outside world, handed in.
//! - [`identity`], [`keyring`], [`seal`], [`durable`]: what is kept beside log and state, and how
//!   secrets become ciphertext before anything else sees them.
//! - `assemble`, `supervise`: a node is put together, kept, and stopped in order.
//! - `http` → `serve` → `auth` → `write`, `read`, `writes`, `orgs`, `moves`, `admin`: a request's
//!   path. `serve` is that path as a function. `locate` says where an organisation stands.
//! - [`dialect`]: bytes to typed requests, outcomes to bytes. [`peer`]: sockets between nodes.
//! - [`embedded`]: the same node as a function, for simulation.
//! - [`observe`]: log lines, counters, probes.
//!
//! # What is not here
//! No rule of what a write does (`concordat_cluster::machine`), no Raft (`concordat_cluster::raft`),
//! no secret in the clear beyond the request that brought it.

mod admin;
mod assemble;
mod auth;
pub mod cli;
mod client_secret;
pub mod clock;
mod condition;
pub mod config;
pub mod demo;
pub mod dialect;
mod draft;
pub mod durable;
pub mod embedded;
pub mod entropy;
pub mod environment;
pub mod failure;
mod freshness;
mod hex;
mod http;
pub mod identity;
pub mod keyring;
mod keyring_check;
mod locate;
mod members;
mod moves;
mod node;
pub mod observe;
mod orgs;
pub mod peer;
mod read;
mod receipt;
mod refuse;
pub mod seal;
mod serve;
pub mod start;
mod supervise;
mod turnstile;
mod write;
mod writes;

pub use start::run;
