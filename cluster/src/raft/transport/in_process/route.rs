//! The route from one node to another, at the time of sending.
//!
//! It is valid for one sending only: a link may be gone at the next.

use std::sync::Arc;

use bytes::Bytes;
use concordat_proto::{id::NodeId, region::Region};
use tokio::{runtime::Handle, time::Instant};

use super::{
    link::{Link, fits},
    network_faults::{Fate, Message, NetworkFaults},
    notices::{Notice, Notices},
};
use crate::raft::transport::PeerService;

/// The way to a peer, as found when something is sent.
pub(super) struct Route {
    pub(super) link: Arc<Link>,
    pub(super) notices: Arc<Notices>,
    pub(super) service: Arc<dyn PeerService>,
    /// The sender's name; none for a join.
    pub(super) from: Option<NodeId>,
    /// The runtimes of the sender's and the receiver's tasks.
    pub(super) here: Handle,
    pub(super) there: Handle,
    /// For messages.
    pub(super) address: String,
    pub(super) sender: Region,
    pub(super) network_faults: Option<Arc<dyn NetworkFaults>>,
}

impl Route {
    /// Draws the fate of a message.
    pub(super) fn fate(&self, body: &[u8], is_request: bool) -> Fate {
        let message = Message { from: &self.sender, to: &self.address, is_request, body };
        self.network_faults
            .as_ref()
            .map(|network_faults| network_faults.fate(message))
            .unwrap_or_default()
    }

    /// Sends a notice, or drops it when it cannot pass.
    pub(super) fn notify(&self, body: Bytes) {
        let Some(from) = self.from else { return };
        let condition = self.link.condition();
        if condition.gone || !condition.forward.passable || !fits(&body) {
            return;
        }
        self.link.forward.count(&body);
        let fate = self.fate(&body, false);
        if fate.is_lost {
            return;
        }
        let due = Instant::now() + self.link.delay() + fate.later;
        let notice = Notice { due, cuts: condition.forward.cuts, body };
        let receiver = (Arc::clone(&self.link), Arc::clone(&self.service));
        self.notices.push(notice, from, receiver, (&self.here, &self.there));
    }
}
