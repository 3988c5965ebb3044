//! What every dialect speaks: the operations, typed requests and typed outcomes.
//!
//! A dialect turns bytes into these types and these types into bytes; use cases take and return
//! them. Nothing here names a dialect, a header, a status code or a body format, and nothing here
//! does IO or reads a clock.
//!
//! - [`operation`]: the table of operations, and what is asked of each.
//! - [`draft`]: what is to be created or changed.
//! - [`request`]: what a caller may say beside the operation: credentials, consistency, conditions.
//! - [`outcome`]: what came of it.

pub mod draft;
pub mod operation;
pub mod outcome;
pub mod request;
