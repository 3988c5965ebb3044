//! The process: sockets, configuration, keys, and the path of a request.
//!
//! # The map
//! - [`cli`], [`config`], [`start`], [`demo`]: the commands of the binary, and their settings.
//! - [`environment`], [`clock`], [`entropy`]: the outside world, passed in.
//! - [`identity`], [`keyring`], [`seal`], [`durable`]: files beside log and state, and the
//!   encryption of secrets before anything else sees them.
//! - `assemble`, `supervise`: a node is assembled, supervised, and stopped in order.
//! - `http` → `request::serve` → `auth` → `request::read` or `request::write`: a request's path.
//!   `request::serve` is that path as a function.
//! - `api`: operations, typed requests and typed outcomes. `dialect`: bytes to those, and back.
//! - `policy`: policies in the language Cedar: checked, compiled, evaluated.
//! - `grpc`: calls of gRPC and gRPC-Web as requests of a dialect, and its answers as theirs.
//! - `openapi`: what is served, as a document.
//! - [`peer`]: sockets between nodes.
//! - [`embedded`]: the same node as a function, for simulation.
//! - [`observe`]: log lines, counters, probes.
//!
//! # Not here
//! No rule of a write's effect (`concordat_cluster::machine`), no Raft (`concordat_cluster::raft`),
//! no plaintext secret beyond its request.

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
mod grpc;
mod hex;
mod http;
pub mod keyring;
mod node;
pub mod observe;
mod openapi;
mod org_limits;
pub mod peer;
mod percent;
mod places;
mod policy;
mod request;
pub mod seal;

pub use boot::start::run;
