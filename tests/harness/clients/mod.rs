//! Clients: their requests, their records, and their expectations.

pub mod connection;
pub mod dialects;
pub mod history;
pub mod model;
pub mod policies;
mod receipt;
pub mod recorded;
pub mod workload;
