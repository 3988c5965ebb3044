//! The notices of one node to another: in order, without answer, dropped rather than kept waiting.
//!
//! Two tasks per pair, begun by the first notice: one waits out the way by the sender's clock, one
//! hands over where the receiver lives. They end with the link.

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
        let fate = route.fate(&body, false);
        if fate.is_lost {
            return;
        }
        let due = Instant::now() + route.link.delay() + fate.later;
        let notice = Notice { due, cuts: condition.forward.cuts, body };
        let queue = route.notices.queue.get_or_init(|| {
            let (tx, rx) = mpsc::channel(NOTICES_MAX);
            let (out, arrived) = mpsc::channel(NOTICES_MAX);
            let (link, service) = (Arc::clone(&route.link), Arc::clone(&route.service));
            drop(route.here.spawn(carry(rx, out)));
            drop(route.there.spawn(hand_over(link, from, service, arrived)));
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
