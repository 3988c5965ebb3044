//! The use cases, between the dialects and the replicas.
//!
//! A request goes down once and comes up once: `http::route` finds its dialect and operation;
//! [`serve`] authenticates, authorizes and parses; [`read`] or [`write`] executes the action and
//! returns an outcome, which [`serve`] passes to the dialect to render.
//!
//! Nothing below [`serve`] knows a status code, a header or a dialect.

pub(crate) mod condition;
mod entry_view;
pub(crate) mod freshness;
mod key;
pub(crate) mod locate;
pub(crate) mod org_view;
pub(crate) mod policies;
pub(crate) mod read;
pub(crate) mod receipt;
pub(crate) mod serve;
pub(crate) mod timing;
pub(crate) mod unavailable;
pub(crate) mod write;
