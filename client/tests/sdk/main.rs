//! The SDK and the command line against a scripted node on the loopback interface.
#![cfg(test)]

mod calls;
mod cli;
mod cli_use;
mod examples;
mod failures;
mod fake;
mod misbehaving;
mod resources;
