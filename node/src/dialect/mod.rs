//! What a dialect is: an API of its own over the same operations. It turns requests into
//! [`crate::api`]'s types and outcomes into responses.
//!
//! A dialect is a folder here and a line in [`REGISTRY`]. No other file names it. No dialect imports
//! another; none does IO, reads a clock or knows the store. [`common`] is what dialects share that
//! answer in the native envelope.

pub mod common;
pub mod operator;
pub mod slashid;
pub mod traits;

use self::{common::terms::Names, traits::Dialect};

/// All dialects. The first one answers what no route leads to a dialect.
///
/// The operator's API takes credentials and consistency in the headers of the native one, so that one
/// client configuration serves both.
pub static REGISTRY: [&dyn Dialect; 2] =
    [&slashid::Slashid, &operator::OperatorApi { names: &slashid::NAMES }];

/// The headers of the native API, in which this process itself asks.
pub static NATIVE: &Names = &slashid::NAMES;

#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod request_test;
#[cfg(test)]
mod script;
