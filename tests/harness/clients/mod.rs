//! Clients: their requests, their records, and their expectations.

pub mod connection;
pub mod history;
pub mod model;
pub mod policies;
pub mod recorded;
pub mod workload;
