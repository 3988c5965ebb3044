//! HTTP at the edge: sockets, the route table, bounded bodies, responses. Nothing here knows what a
//! credential is; what a request means is the dialect's, what it does is `serve`'s.

pub(crate) mod body;
mod head;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod server;
mod socket;
pub(crate) mod status;

#[cfg(test)]
mod server_test;
