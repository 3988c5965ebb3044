//! HTTP itself: routes, the bytes on the wire, invalid bodies, authentication, and versions.

mod authentication;
mod bodies;
mod noise;
mod openapi;
mod routes;
mod versions;
mod wire;
