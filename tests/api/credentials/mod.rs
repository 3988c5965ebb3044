//! OIDC credentials (contract 4): their life cycle, their options, the list, and secrets.

pub(crate) mod apple;
mod audit;
mod keys;
mod lists;
mod model;
mod oidc;
mod options;
mod secrets;
