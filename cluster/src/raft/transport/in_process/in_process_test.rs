//! The in-process network: the transport contract, and delays and cuts under paused time.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{id::NodeId, region::Region};
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, sleep};

use super::{DelayMatrix, InProcessNetwork, InProcessTransport};
use crate::raft::{
    transport::{Channel, FrameStream, PeerService, PeerTransport, TransportError},
    transport_contract::{
        ALPHA, Arrivals, BETA, CLUSTER, Endpoint, Fixture, PATIENCE, Subject, certainly_not_sent,
        numbered, peer, soon,
    },
};

mod contract {
    //! The suite that sockets pass too.

    crate::transport_contract!(super::OneRegion::new());
}

/// All nodes in one region.
struct OneRegion {
    network: InProcessNetwork,
    count: AtomicU64,
}

impl OneRegion {
    fn new() -> Self {
        Self { network: InProcessNetwork::new(DelayMatrix::new()), count: AtomicU64::new(0) }
    }
}

impl Fixture for OneRegion {
    fn start<'a>(
        &'a self,
        address: Option<&'a str>,
        service: Arc<dyn PeerService>,
    ) -> BoxFuture<'a, Endpoint> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let address = address.map_or_else(|| format!("node-{number}"), str::to_owned);
        let endpoint = endpoint(&self.network, &address, &region("here"), service);
        Box::pin(future::ready(endpoint))
    }
}

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn endpoint(
    network: &InProcessNetwork,
    address: &str,
    region: &Region,
    service: Arc<dyn PeerService>,
) -> Endpoint {
    let transport: Arc<InProcessTransport> = network.attach(address, region.clone());
    transport.serve(service);
    let stopped = Arc::clone(&transport);
    Endpoint {
        transport,
        address: address.to_owned(),
        region: region.clone(),
        stop: Box::new(move || stopped.detach()),
    }
}

/// Alpha in the east, beta in the west, 80 ms there and back.
struct TwoRegions {
    network: InProcessNetwork,
    alpha: Arc<dyn PeerTransport>,
    beta: Endpoint,
    arrivals: Arrivals,
}

const ONE_WAY: Duration = Duration::from_millis(40);
const LIMIT: Duration = Duration::from_secs(5);

impl TwoRegions {
    fn start() -> Self {
        let (east, west) = (region("east"), region("west"));
        let delays = DelayMatrix::new().between(&east, &west, 2 * ONE_WAY);
        let network = InProcessNetwork::new(delays);
        let alpha = endpoint(&network, "a", &east, Arc::new(Subject::new().0));
        let (subject, arrivals) = Subject::new();
        let beta = endpoint(&network, "b", &west, Arc::new(subject));
        for (end, name) in [(&alpha, ALPHA), (&beta, BETA)] {
            end.transport.set_identity(CLUSTER, name);
            end.transport.set_peers(vec![peer(ALPHA, &alpha), peer(BETA, &beta)]);
        }
        Self { network, alpha: alpha.transport, beta, arrivals }
    }

    fn ask(&self, body: &'static str) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        self.alpha.request(BETA, Channel::Control, Bytes::from(body), LIMIT)
    }

    async fn open(&self, head: &'static str) -> FrameStream {
        self.alpha.open(BETA, Channel::Append, Bytes::from(head)).await.unwrap()
    }
}

/// Whether about this much time has passed (a timer counts whole milliseconds).
fn about(begun: Instant, expected: Duration) -> bool {
    begun.elapsed() >= expected && begun.elapsed() < expected + Duration::from_millis(3)
}

#[tokio::test(start_paused = true)]
async fn request_takes_one_round_trip() {
    let two = TwoRegions::start();
    let begun = Instant::now();
    assert_eq!(two.ask("echo").await, Ok(Bytes::from("echo")));
    assert!(about(begun, 2 * ONE_WAY), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn frames_are_pipelined() {
    let two = TwoRegions::start();
    let mut stream = two.open("echo").await;
    let begun = Instant::now();
    for number in 0..50 {
        stream.tx.send(numbered(number, 32)).await.unwrap();
    }
    for number in 0..50 {
        assert_eq!(stream.rx.recv().await, Some(Ok(numbered(number, 32))));
    }
    assert!(about(begun, 2 * ONE_WAY), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_frame_waits_its_own_delay() {
    let mut two = TwoRegions::start();
    let stream = two.open("hand over").await;
    let (_, mut far) = two.arrivals.streams.recv().await.unwrap();
    for number in 0..5 {
        let begun = Instant::now();
        let tx = stream.tx.clone();
        drop(tokio::spawn(async move {
            sleep(Duration::from_millis(10)).await;
            tx.send(numbered(number, 8)).await.unwrap();
        }));
        assert_eq!(far.rx.recv().await, Some(Ok(numbered(number, 8))));
        assert!(about(begun, ONE_WAY + Duration::from_millis(10)), "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    drop(stream);
    assert_eq!(far.rx.recv().await, None);
    assert!(about(begun, ONE_WAY));
}

#[tokio::test(start_paused = true)]
async fn notices_are_delayed_and_lost_in_a_cut() {
    let mut two = TwoRegions::start();
    let begun = Instant::now();
    two.alpha.notify(BETA, "one".into());
    assert_eq!(two.arrivals.notices.recv().await, Some((ALPHA, Bytes::from("one"))));
    assert!(about(begun, ONE_WAY));
    two.alpha.notify(BETA, "under way".into());
    sleep(ONE_WAY / 2).await;
    two.network.cut_region(&region("west"));
    two.alpha.notify(BETA, "in the cut".into());
    two.network.heal_region(&region("west"));
    two.alpha.notify(BETA, "two".into());
    assert_eq!(two.arrivals.notices.recv().await, Some((ALPHA, Bytes::from("two"))));
}

#[tokio::test(start_paused = true)]
async fn cut_region_is_a_black_hole() {
    let two = TwoRegions::start();
    two.network.cut_region(&region("west"));
    let begun = Instant::now();
    assert!(certainly_not_sent(&two.ask("echo").await), "never sent");
    assert!(about(begun, LIMIT), "nothing until the limit");
    let begun = Instant::now();
    assert!(certainly_not_sent(&two.alpha.open(BETA, Channel::Append, "echo".into()).await));
    assert!(about(begun, Duration::from_secs(1)));
    two.network.heal_region(&region("west"));
    assert_eq!(two.ask("echo").await, Ok(Bytes::from("echo")));
}

#[tokio::test(start_paused = true)]
async fn request_waits_for_a_heal_within_its_limit() {
    let two = TwoRegions::start();
    two.network.cut_node(BETA);
    let begun = Instant::now();
    let asked = tokio::spawn(two.ask("echo"));
    sleep(Duration::from_secs(2)).await;
    two.network.heal_node(BETA);
    assert_eq!(asked.await.unwrap(), Ok(Bytes::from("echo")));
    assert!(about(begun, Duration::from_secs(2) + 2 * ONE_WAY), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn request_cut_on_its_way_there_or_back_times_out() {
    let two = TwoRegions::start();
    for after in [ONE_WAY / 2, ONE_WAY + ONE_WAY / 2] {
        let begun = Instant::now();
        let asked = tokio::spawn(two.ask("echo"));
        sleep(after).await;
        two.network.cut_region(&region("east"));
        sleep(Duration::from_millis(1)).await;
        two.network.heal_region(&region("east"));
        assert_eq!(asked.await.unwrap(), Err(TransportError::TimedOut));
        assert!(about(begun, LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn one_way_cut_lets_the_request_through_and_not_the_answer() {
    let two = TwoRegions::start();
    two.network.cut_link(BETA, region("east"));
    assert_eq!(two.ask("echo").await, Err(TransportError::TimedOut));
    let back = two.beta.transport.request(ALPHA, Channel::Control, "echo".into(), LIMIT);
    assert!(certainly_not_sent(&back.await));
    two.network.heal_link(BETA, region("east"));
    assert_eq!(two.ask("echo").await, Ok(Bytes::from("echo")));
}

#[tokio::test(start_paused = true)]
async fn streams_across_a_cut_break_at_both_ends_after_a_second() {
    let mut two = TwoRegions::start();
    let mut near = two.open("hand over").await;
    let (_, mut far) = two.arrivals.streams.recv().await.unwrap();
    near.tx.send("under way".into()).await.unwrap();
    sleep(ONE_WAY / 2).await;
    two.network.cut_link(region("east"), region("west"));
    let begun = Instant::now();
    assert_eq!(soon("word", near.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert_eq!(soon("word", far.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert!(about(begun, Duration::from_secs(1)), "{:?}", begun.elapsed());
    assert_eq!((near.rx.recv().await, far.rx.recv().await), (None, None));
    soon("closed sender", near.tx.closed()).await;
    soon("closed sender", far.tx.closed()).await;
}

#[tokio::test(start_paused = true)]
async fn streams_break_at_the_heal_when_it_comes_first() {
    let mut two = TwoRegions::start();
    let mut near = two.open("hand over").await;
    let (_, mut far) = two.arrivals.streams.recv().await.unwrap();
    let begun = Instant::now();
    two.network.cut_region(&region("east"));
    sleep(Duration::from_millis(100)).await;
    two.network.heal_all();
    assert_eq!(soon("word", near.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert_eq!(soon("word", far.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert!(about(begun, Duration::from_millis(100)), "{:?}", begun.elapsed());
    let mut again = two.open("echo").await;
    again.tx.send("frame".into()).await.unwrap();
    assert_eq!(soon("word", again.rx.recv()).await, Some(Ok(Bytes::from("frame"))));
}

#[tokio::test(start_paused = true)]
async fn inside_a_cut_region_everything_goes_on() {
    let two = TwoRegions::start();
    let gamma = NodeId(0xc);
    let east = region("east");
    let third = endpoint(&two.network, "c", &east, Arc::new(Subject::new().0));
    third.transport.set_identity(CLUSTER, gamma);
    two.alpha.set_peers(vec![peer(gamma, &third), peer(BETA, &two.beta)]);
    two.network.cut_region(&east);
    let begun = Instant::now();
    let asked = two.alpha.request(gamma, Channel::Control, "echo".into(), LIMIT).await;
    assert_eq!(asked, Ok(Bytes::from("echo")));
    assert!(begun.elapsed() < Duration::from_millis(1), "no delay inside a region");
}

#[tokio::test(start_paused = true)]
async fn cut_by_name_holds_for_a_node_that_takes_the_name_later() {
    let two = TwoRegions::start();
    two.network.cut_node(BETA);
    let (subject, _arrivals) = Subject::new();
    let again = endpoint(&two.network, "b", &region("west"), Arc::new(subject));
    again.transport.set_identity(CLUSTER, BETA);
    assert!(certainly_not_sent(&two.ask("echo").await));
}

#[tokio::test(start_paused = true)]
async fn detached_node_breaks_what_it_had_and_refuses_at_once() {
    let mut two = TwoRegions::start();
    let mut near = two.open("hand over").await;
    let _far = two.arrivals.streams.recv().await.unwrap();
    let asked = tokio::spawn(two.ask("never"));
    sleep(2 * ONE_WAY).await;
    let begun = Instant::now();
    (two.beta.stop)();
    assert_eq!(near.rx.recv().await, Some(Err(TransportError::Lost)));
    assert_eq!(asked.await.unwrap(), Err(TransportError::Lost));
    assert!(about(begun, ONE_WAY), "word of it travels, too");
    let begun = Instant::now();
    assert!(certainly_not_sent(&two.ask("echo").await));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn traffic_is_counted_by_direction() {
    let two = TwoRegions::start();
    assert_eq!(two.ask("echo").await, Ok(Bytes::from("echo")));
    two.alpha.notify(BETA, "four".into());
    let traffic = two.network.traffic();
    let there = traffic[&(region("east"), region("west"))];
    let back = traffic[&(region("west"), region("east"))];
    assert_eq!((there.frames, there.bytes), (2, 8));
    assert_eq!((back.frames, back.bytes), (1, 4));
}

/// The order of everything that happens in a busy minute, twice.
#[tokio::test(start_paused = true)]
async fn same_doings_happen_in_the_same_order() {
    async fn history() -> Vec<(Duration, usize, bool)> {
        let two = TwoRegions::start();
        let begun = Instant::now();
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let tasks = (0..40).map(|number| {
            let (alpha, tx) = (Arc::clone(&two.alpha), tx.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let answer = alpha.request(BETA, Channel::Append, "slow".into(), LIMIT).await;
                    tx.send((begun.elapsed(), number, answer.is_ok())).unwrap();
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        for _ in 0..3 {
            sleep(Duration::from_millis(333)).await;
            two.network.cut_region(&region("west"));
            sleep(Duration::from_millis(777)).await;
            two.network.heal_region(&region("west"));
        }
        soon("end", join_all(tasks)).await;
        drop(tx);
        let mut events = Vec::new();
        while let Some(event) = rx.recv().await {
            events.push(event);
        }
        events
    }
    let (one, two) = (history().await, history().await);
    assert!(one.iter().any(|(.., ok)| !ok) && one.iter().any(|(.., ok)| *ok));
    assert_eq!(one, two);
    assert!(PATIENCE > LIMIT);
}
