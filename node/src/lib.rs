//! The process: sockets, configuration, keys, and the path of a request.
//!
//! # The map
//! - [`cli`], [`config`], [`start`], [`demo`]: what the binary does, and how it is told.
//! - [`environment`], [`clock`], [`entropy`]: the outside world, handed in.
//! - [`identity`], [`keyring`], [`seal`], [`durable`]: what is kept beside log and state, and how
//!   secrets become ciphertext before anything else sees them.
//! - `assemble`, `supervise`: a node is put together, kept, and stopped in order.
//! - `http` → `request::serve` → `auth` → `request::read` or `request::write`: a request's path.
//!   `request::serve` is that path as a function.
//! - `api`: operations, typed requests and typed outcomes. `dialect`: bytes to those, and back.
//! - [`peer`]: sockets between nodes.
//! - [`embedded`]: the same node as a function, for simulation.
//! - [`observe`]: log lines, counters, probes.
//!
//! # What is not here
//! No rule of what a write does (`concordat_cluster::machine`), no Raft (`concordat_cluster::raft`),
//! no secret in the clear beyond the request that brought it.

pub mod api;
mod auth;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod dialect;
pub mod embedded;
pub mod entropy;
pub mod environment;
mod hex;
mod http;
pub mod keyring;
mod node;
pub mod observe;
pub mod peer;
mod percent;
mod request;
pub mod seal;
mod turnstile;

pub use boot::start::run;
