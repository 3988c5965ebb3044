//! The HTTP API, tested on a real `concordatd demo`: every operation and every rule of the
//! contract.
//!
//! One demo of three regions serves most tests, each with an organization of its own; those that
//! cut, kill or read files start their own. After every refusal nothing may have been written.
#![cfg(test)]

mod canary;
mod credentials;
mod dialects;
mod http;
mod operator;
mod programs;
mod world;
mod writes;
