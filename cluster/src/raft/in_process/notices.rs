//! The notices of one node to another: in order, without answer, dropped rather than kept waiting.
//!
//! One task per pair, begun by the first notice; it ends with the link.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use concordat_proto::id::NodeId;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    hub::Route,
    link::{Link, fits},
};
use crate::raft::transport::PeerService;

/// Notices under way from one node to another.
const NOTICES_MAX: usize = 4096;

#[derive(Debug)]
struct Notice {
    due: Instant,
    /// The cuts of the way at the time of sending.
    cuts: u64,
    body: Bytes,
}

/// The queue of one pair.
#[derive(Debug, Default)]
pub(super) struct Notices {
    queue: OnceLock<mpsc::Sender<Notice>>,
}

impl Notices {
    /// Sends, or drops what cannot pass.
    pub(super) fn send(route: &Route, body: Bytes) {
        let Some(from) = route.from else { return };
        let condition = route.link.condition();
        if condition.gone || !condition.forward.passable || !fits(&body) {
            return;
        }
        route.link.forward.count(&body);
        let due = Instant::now() + route.link.delay;
        let notice = Notice { due, cuts: condition.forward.cuts, body };
        let queue = route.notices.queue.get_or_init(|| {
            let (tx, rx) = mpsc::channel(NOTICES_MAX);
            let (link, service) = (Arc::clone(&route.link), Arc::clone(&route.service));
            drop(route.there.spawn(carry(link, from, service, rx)));
            tx
        });
        drop(queue.try_send(notice)); // Dropped when the queue is full, as promised.
    }
}

async fn carry(
    link: Arc<Link>,
    from: NodeId,
    service: Arc<dyn PeerService>,
    mut queue: mpsc::Receiver<Notice>,
) {
    // The queue's other half goes with the pair's link.
    while let Some(notice) = queue.recv().await {
        if notice.due > Instant::now() {
            sleep_until(notice.due).await;
        }
        let condition = link.condition();
        if condition.gone {
            return;
        }
        if condition.forward.cuts == notice.cuts {
            service.on_notice(from, notice.body);
        }
    }
}
