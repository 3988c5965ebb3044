//! What all clients share: the organizations, what they have recorded, and the gate at which they hold.

use std::sync::{Arc, Mutex};

use concordat_tests::{
    demo::Org,
    history::{Named, Recorder},
    policies::PolicyChange,
    recorded::Place,
};

use super::network::ClientNetwork;
use crate::trace::Trace;

/// The state that all clients share.
pub(crate) struct Work {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) places: Arc<[Place]>,
    pub(crate) orgs: Vec<Org>,
    pub(crate) client_network: ClientNetwork,
    pub(crate) trace: Trace,
    pub(crate) seed: u64,
    /// Whether the organizations have enterprise domains.
    pub(crate) has_domains: bool,
    /// Writes whose ids clients have got, with the place of their organization.
    pub(crate) named: Mutex<Vec<(usize, Named)>>,
    /// Those of clients that waited on through the loss of a region.
    pub(crate) waited: Mutex<Vec<(usize, Named)>>,
    /// Changes of policies, with their outcomes.
    pub(crate) policies: Mutex<Vec<PolicyChange>>,
    /// Organizations that were made beside the faults.
    pub(crate) made: Mutex<Vec<Made>>,
    pub(crate) gate: tokio::sync::watch::Sender<Gate>,
    /// Clients that hold at the gate.
    pub(crate) waiting: tokio::sync::watch::Sender<usize>,
}

/// Whether clients continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Held,
    Over,
}

/// Whether an organization is there, by what its client was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Lives,
    /// Its end was asked for.
    MayHaveEnded,
    /// Its end was answered 2xx, under `all_regions`.
    Ended,
}

/// An organization that was made, in all regions.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) org: Org,
    pub(crate) parent: Option<String>,
    pub(crate) life: Life,
}

impl Work {
    /// False when the work is over.
    pub(super) async fn may_go_on(&self) -> bool {
        let mut gate = self.gate.subscribe();
        if *gate.borrow() == Gate::Held {
            self.waiting.send_modify(|count| *count += 1);
            let opened = gate.wait_for(|gate| *gate != Gate::Held).await.is_ok();
            self.waiting.send_modify(|count| *count -= 1);
            return opened && *gate.borrow() == Gate::Open;
        }
        *gate.borrow() == Gate::Open
    }
}
