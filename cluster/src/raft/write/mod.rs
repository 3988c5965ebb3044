//! A write, from its proposal until it has reached the required regions.
//!
//! Nothing here may call a write reached that [`crate::consistency`] does not.

pub(crate) mod admission;
pub(crate) mod arrivals;
pub(crate) mod position;
pub(crate) mod propose;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod reporter;
pub(crate) mod tracker;
pub(crate) mod wait;
pub(crate) mod write_id;

#[cfg(test)]
mod report_test;
