//! Clients: they call nodes over a network of their own, hang up, retry elsewhere, and every
//! attempt is recorded.

mod client;
mod dialects;
mod network;
mod odd;
mod organizations;
mod policies;
mod speaker;
mod work;

pub(crate) use self::{
    client::{CREDENTIALS, Client, WRITTEN_TWICE, credential},
    network::{ClientNetwork, ODD, Walk},
    odd::{MANY_MOVES, has_odd_client},
    organizations::{Founder, has_ends},
    policies::Owner,
    speaker::{KINDS as DIALECTS, has_dialects},
    work::{Gate, Life, Made, Work},
};
