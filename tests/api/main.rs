//! The HTTP API, asked of a real `concordatd demo`: every operation and every rule of the contract.
//!
//! One demo of three regions serves most tests, each with an organisation of its own; those that
//! cut, kill or look into files start their own. After every refusal nothing may have been written.
#![cfg(test)]

mod apple;
mod authentication;
mod bodies;
mod bounds;
mod canary;
mod command_line;
mod consistency;
mod cut;
mod hung_endpoint;
mod idempotency;
mod lists;
mod model;
mod moves;
mod noise;
mod oidc;
mod operator;
mod options;
mod outlook;
mod positions;
mod readme;
mod receipts;
mod restart;
mod routes;
mod secrets;
mod settings;
mod tour;
mod unread_log;
mod versions;
mod wire;
mod world;
