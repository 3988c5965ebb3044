//! The types that every dialect shares: the operations, typed requests and typed outcomes.
//!
//! A dialect converts bytes to these types and back; use cases take and return them. Nothing here
//! names a dialect, a header, a status code or a body format, and nothing here does IO or reads a
//! clock.
//!
//! - [`operation`]: the table of operations, and what is asked of each.
//! - [`draft`]: credentials that are to be created or changed.
//! - [`request`]: what a caller may say beside the operation: credentials, consistency, conditions.
//! - [`page`]: the parts of lists.
//! - [`outcome`]: what came of it.
//! - [`blocked`]: why the cluster lets something not begin.

pub mod blocked;
pub mod draft;
pub mod operation;
pub mod outcome;
pub mod page;
pub mod request;
