//! HTTP at the edge: sockets, the route table, bounded bodies, responses. Nothing here knows a
//! credential; the dialect interprets a request, `request::serve` executes it.

pub(crate) mod body;
mod head;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod server;
mod socket;
pub(crate) mod status;

#[cfg(test)]
mod server_test;
