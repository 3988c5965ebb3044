//! gRPC and gRPC-Web over the same routes as everything else: media types, frames, deadlines, statuses, and
//! the descriptions of the services (`proto` folders, compiled by `build.rs`).
//!
//! A dialect with such a service has a route for each call, and answers in JSON; [`transcode`] makes of the
//! answer what the caller's encoding asks for. Two services are served from here alone: health and
//! reflection. Nothing here names a dialect.

pub(crate) mod builtin;
pub(crate) mod frame;
pub(crate) mod health;
pub(crate) mod media;
mod message;
pub(crate) mod reflection;
pub(crate) mod reply;
pub(crate) mod schema;
pub(crate) mod streams;
pub(crate) mod timeout;
pub(crate) mod transcode;
