//! The notices of one node to another: in order, without answer, dropped rather than delayed
//! further.
//!
//! Two tasks per pair, started by the first notice: one waits for the delay by the sender's clock,
//! one delivers on the receiver's runtime. They end with the link.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use concordat_proto::id::NodeId;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::link::Link;
use crate::raft::transport::PeerService;

/// Notices under way from one node to another.
const NOTICES_MAX: usize = 4096;

/// A notice under way.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) due: Instant,
    /// The cuts of the way at the time of sending.
    pub(super) cuts: u64,
    pub(super) body: Bytes,
}

/// The queue of one pair.
#[derive(Debug, Default)]
pub(super) struct Notices {
    queue: OnceLock<mpsc::Sender<Notice>>,
}

impl Notices {
    /// Queues a notice; drops it when the queue is full. `receiver` is its link and its service, and
    /// `runtimes` where the sender's and the receiver's tasks run.
    pub(super) fn push(
        &self,
        notice: Notice,
        from: NodeId,
        (link, service): (Arc<Link>, Arc<dyn PeerService>),
        (here, there): (&Handle, &Handle),
    ) {
        let queue = self.queue.get_or_init(|| {
            let (tx, rx) = mpsc::channel(NOTICES_MAX);
            let (out, arrived) = mpsc::channel(NOTICES_MAX);
            drop(here.spawn(carry(rx, out)));
            drop(there.spawn(hand_over(link, from, service, arrived)));
            tx
        });
        drop(queue.try_send(notice)); // Dropped when the queue is full, as promised.
    }
}

/// The sender's part. The queue's other half goes with the pair's link.
async fn carry(mut queue: mpsc::Receiver<Notice>, out: mpsc::Sender<Notice>) {
    while let Some(notice) = queue.recv().await {
        if notice.due > Instant::now() {
            sleep_until(notice.due).await;
        }
        if out.send(notice).await.is_err() {
            return;
        }
    }
}

/// The receiver's part.
async fn hand_over(
    link: Arc<Link>,
    from: NodeId,
    service: Arc<dyn PeerService>,
    mut arrived: mpsc::Receiver<Notice>,
) {
    while let Some(notice) = arrived.recv().await {
        let condition = link.condition();
        if condition.gone {
            return;
        }
        if condition.forward.cuts == notice.cuts {
            service.on_notice(from, notice.body);
        }
    }
}
