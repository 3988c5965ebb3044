//! The HTTP API, asked of a real `concordatd demo`: every operation and every rule of the contract.
//!
//! One demo of three regions serves most tests, each with an organisation of its own; those that
//! cut, kill or look into files start their own.
#![cfg(test)]
