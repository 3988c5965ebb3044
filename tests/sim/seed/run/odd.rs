//! Seeds with a client that does what the others do not: a third of them. In the other seeds nothing draws,
//! asks or looks differently.

use std::sync::Arc;

use super::Run;
use crate::clients::{Client, ODD, Work, has_odd_client};

/// The number of that client: it speaks no dialect.
const NUMBER: usize = 1200;

impl Run {
    pub(super) fn begin_odd_client(&mut self, work: &Arc<Work>) {
        if has_odd_client(self.seed) {
            let operator_key = self.world.operator_key.clone();
            let client = Client::new(work, NUMBER).does_what_is_odd(operator_key);
            self.clients.push(tokio::spawn(client));
        }
    }

    pub(super) fn count_odd_client(&mut self) {
        let met = self.world.client_network.met();
        for (kind, times) in ODD.into_iter().zip(met.odd) {
            self.fault_plan.count(kind, times);
        }
    }
}
