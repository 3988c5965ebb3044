//! Requests and the opening of streams on a link.
//!
//! A sent frame is received or lost independently of the sender's future: the receiver's part is a
//! task of its own, on the receiver's runtime.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::id::NodeId;
use futures::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    lane::{Lane, NOTICE_AFTER},
    link::{Condition, Link, fits},
    network_faults::Fate,
    route::Route,
};
use crate::raft::transport::{Channel, FrameStream, PeerService, TransportError};

/// Frames that wait at either end of a stream for its owner.
const STREAM_FRAMES: usize = 64;
/// The longest limit that is distinguished from no limit.
const LIMIT_MAX: Duration = Duration::from_secs(86_400);

type Answer = oneshot::Sender<Result<Bytes, TransportError>>;

fn unreachable(route: &Route, reason: &str) -> TransportError {
    TransportError::Unreachable { peer: route.address.clone(), reason: reason.to_owned() }
}

/// One request, one answer; without a sender's name it is a join.
pub(super) async fn request(
    route: Route,
    channel: Channel,
    body: Bytes,
    limit: Duration,
) -> Result<Bytes, TransportError> {
    if !fits(&body) {
        return Err(unreachable(&route, "the request is larger than a frame may be"));
    }
    let deadline = Instant::now() + limit.min(LIMIT_MAX);
    let link = Arc::clone(&route.link);
    // A cut is a black hole: only the timeout detects it.
    let sent = link.until(deadline, |now| now.forward.passable).await;
    let sent = sent.ok_or_else(|| unreachable(&route, "no way there"))?;
    let permit = timeout_at(deadline, link.requests(channel).acquire_owned()).await;
    let permit = permit
        .map_err(|_| unreachable(&route, "too many requests wait for it"))?
        .map_err(|_| unreachable(&route, "the link has ended"))?;

    link.forward.count(&body);
    let (answer_tx, answer_rx) = oneshot::channel();
    let handler = match route.from {
        Some(from) => Handler::Request(from, Arc::clone(&route.service)),
        None => Handler::Join(Arc::clone(&route.service)),
    };
    let fate = route.fate(&body, true);
    if fate.is_doubled {
        // The second one's answer has no receiver.
        let (nobody, _) = oneshot::channel();
        let again =
            receive(Arc::clone(&link), (sent, fate), handler.clone(), body.clone(), nobody, None);
        drop(route.there.spawn(again));
    }
    let receipt = receive(Arc::clone(&link), (sent, fate), handler, body, answer_tx, Some(permit));
    drop(route.there.spawn(receipt));
    drop(route);

    tokio::select! {
        biased;
        answer = answer_rx => answer.unwrap_or(Err(TransportError::Lost)),
        () = link.ended() => {
            travel(&link).await;
            Err(TransportError::Lost)
        }
        () = sleep_until(deadline) => Err(TransportError::TimedOut),
    }
}

#[derive(Clone)]
enum Handler {
    Request(NodeId, Arc<dyn PeerService>),
    Join(Arc<dyn PeerService>),
}

impl Handler {
    fn call(self, body: Bytes) -> BoxFuture<'static, Bytes> {
        match self {
            Self::Request(from, service) => service.on_request(from, body),
            Self::Join(service) => service.on_join(body),
        }
    }
}

/// The receiver's part of a request.
async fn receive(
    link: Arc<Link>,
    (sent, fate): (Condition, Fate),
    handler: Handler,
    body: Bytes,
    mut answer: Answer,
    permit: Option<OwnedSemaphorePermit>,
) {
    travel_longer(&link, fate.later).await;
    let now = link.condition();
    if fate.is_lost || now.gone || now.forward.cuts != sent.forward.cuts {
        // No answer will come: the sender waits until its timeout.
        return answer.closed().await;
    }
    let body = handler.call(body).await;
    drop(permit);
    let answered = link.condition();
    if answered.backward.passable && !fate.is_answer_lost {
        link.backward.count(&body);
        travel(&link).await;
        let now = link.condition();
        if !now.gone && now.backward.cuts == answered.backward.cuts {
            let body = if fits(&body) { Ok(body) } else { Err(TransportError::Lost) };
            drop(answer.send(body)); // Refused when the sender has given up.
            return;
        }
    }
    answer.closed().await;
}

async fn travel(link: &Link) {
    travel_longer(link, Duration::ZERO).await;
}

async fn travel_longer(link: &Link, by: Duration) {
    let delay = link.delay() + by;
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

/// Opens a stream. Like a connection it needs the way there and back.
pub(super) async fn open(route: Route, head: Bytes) -> Result<FrameStream, TransportError> {
    if !fits(&head) {
        return Err(unreachable(&route, "the head is larger than a frame may be"));
    }
    let link = Arc::clone(&route.link);
    let opened = link.until(Instant::now() + NOTICE_AFTER, Condition::both_ways).await;
    let opened = opened.ok_or_else(|| unreachable(&route, "no way there"))?;
    let permit = Arc::clone(&link.streams)
        .try_acquire_owned()
        .map_err(|_| unreachable(&route, "too many streams are open"))?;
    let from =
        route.from.ok_or_else(|| unreachable(&route, "this node has not joined a cluster"))?;

    let (near_tx, near_in) = mpsc::channel(STREAM_FRAMES);
    let (far_out, far_rx) = mpsc::channel(STREAM_FRAMES);
    let (far_tx, far_in) = mpsc::channel(STREAM_FRAMES);
    let (near_out, near_rx) = mpsc::channel(STREAM_FRAMES);
    let there = Lane::new(&link, &link.forward, opened, near_in, far_out);
    let back = Lane::new(&link, &link.backward, opened, far_in, near_out);
    link.forward.count(&head);
    let far = FrameStream { tx: far_tx, rx: far_rx };
    let receipt = accept(link, opened, Arc::clone(&route.service), from, head, far);
    drop(route.there.spawn(receipt));
    drop(route.there.spawn(there.run()));
    drop(route.here.spawn(async move {
        back.run().await;
        drop(permit);
    }));
    Ok(FrameStream { tx: near_tx, rx: near_rx })
}

/// The receiver's part of an opening.
async fn accept(
    link: Arc<Link>,
    opened: Condition,
    service: Arc<dyn PeerService>,
    from: NodeId,
    head: Bytes,
    stream: FrameStream,
) {
    travel(&link).await;
    let now = link.condition();
    if now.gone || !now.same_life(opened) {
        // Cut or gone in transit: kept until the sender's end has learned that it broke.
        drop(timeout(NOTICE_AFTER + link.delay(), stream.tx.closed()).await);
        return;
    }
    let served = service.on_stream(from, head, stream);
    drop((link, service));
    served.await;
}
