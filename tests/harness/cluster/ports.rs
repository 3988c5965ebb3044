//! Ports on loopback for processes that a test starts. It must never give one port twice in a call.

use std::net::{Ipv4Addr, TcpListener};

use uuid::Uuid;

use crate::rng::Rng;

/// Free ports that the system does not give to outgoing connections: those of the nodes themselves
/// could take the port of one that is down for a moment.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    const FIRST: u16 = 12_000;
    const SPAN: u64 = 20_000;
    let mut rng = Rng::new(Uuid::new_v4().as_u64_pair().1);
    let mut held = Vec::new();
    while held.len() < count {
        let port = FIRST + u16::try_from(rng.below(SPAN)).expect("the span fits");
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    held.into_iter().map(|(port, _)| port).collect()
}
