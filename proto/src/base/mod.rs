//! The small values that all others consist of: identifiers, names, log positions, times and
//! secrets.
//!
//! The crate's root re-exports them. Nothing here knows a record or a command.

pub mod id;
pub mod log;
pub mod region;
pub(crate) mod schema;
pub mod secret;
pub(crate) mod text;
pub mod time;
