//! The native API: SlashID's organisation SSO configuration, and what Concordat adds to it.
//!
//! Steps of a request: [`parse_common`] reads the headers that every request may carry, [`parse`]
//! the path, the query and the body; the answer is made by [`render`]. All of it is a function of
//! the request's bytes: nothing here knows whether an organisation or a credential exists.
//!
//! A message names the member or header and what is expected of it. It never repeats a value, so
//! that no secret can stand in it.

mod envelope;
mod headers;
mod json;
mod members;
mod oidc;
mod options;
mod org;
mod parse;
mod percent;
mod query;
pub mod render;
mod secrets;
mod shown;
mod status;

pub use headers::{is_body_plain, parse_common};
pub use parse::parse;
pub use percent::normalized;

use super::Rejection;

/// What stands in the place of a private key, in answers and in changes that keep it.
pub const REDACTED: &str = "[redacted]";

/// A request that cannot be right.
fn bad_request(message: impl Into<String>) -> Rejection {
    Rejection { status: 400, message: message.into() }
}

#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod request_test;
#[cfg(test)]
mod script;
