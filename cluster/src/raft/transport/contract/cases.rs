//! The contract's cases of requests, notices, names and address books.
//!
//! Each is self-contained and waits on values with a deadline, never for a fixed time.

use std::{future, sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{ClusterId, NodeId},
    limits,
};
use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::{
    fixture::Fixture,
    subject::{
        ALPHA, BETA, CLUSTER, PATIENCE, Pair, Subject, certainly_not_sent, numbered, peer, soon,
    },
};
use crate::raft::transport::{Channel, Peer, TransportError};

/// Slow requests do not wait for one another, and each gets its own answer.
pub async fn requests_are_answered_in_parallel(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let begun = Instant::now();
    let requests = (0..200).map(|number| {
        let body = Bytes::from(format!("slow {number}"));
        let answer = pair.alpha.transport.request(BETA, Channel::Control, body.clone(), PATIENCE);
        async move { assert_eq!(answer.await, Ok(body)) }
    });
    soon("answers", join_all(requests)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "200 × 100 ms, one after the other, is 20 s"
    );
    let who = pair.alpha.transport.request(BETA, Channel::Append, "who".into(), PATIENCE).await;
    assert_eq!(who, Ok(Bytes::from(ALPHA.to_string())));
}

/// Requests pass while large frames keep another channel busy.
pub async fn channels_do_not_hold_one_another_up(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let bulk = pair.alpha.transport.open(BETA, Channel::Bulk, "hand over".into()).await;
    let bulk = bulk.expect("opens");
    let flood = async {
        while bulk.tx.send(numbered(0, 1024 * 1024)).await.is_ok() {}
        future::pending::<()>().await;
    };
    let votes = async {
        for number in 0..100 {
            let body = Bytes::from(format!("vote {number}"));
            let answer =
                pair.alpha.transport.request(BETA, Channel::Control, body.clone(), PATIENCE);
            assert_eq!(answer.await, Ok(body));
        }
    };
    tokio::select! {
        () = flood => {}
        () = soon("votes", votes) => {}
    }
}

/// More writes are forwarded than a channel takes, and none is answered. Votes and leases pass all the same: they
/// once waited behind them, for longer than they are of use.
pub async fn writes_that_wait_hold_no_vote_up(fixture: &dyn Fixture) {
    const WRITES: usize = 6000;
    let pair = Pair::start(fixture).await;
    let transport = &pair.alpha.transport;
    let warm = transport.request(BETA, Channel::Propose, "echo".into(), PATIENCE);
    assert_eq!(warm.await, Ok(Bytes::from("echo")));
    let write = |_| transport.request(BETA, Channel::Propose, "never".into(), 2 * PATIENCE);
    let writes = join_all((0..WRITES).map(write));
    let votes = async {
        for number in 0..100 {
            let body = Bytes::from(format!("vote {number}"));
            let answer = transport.request(BETA, Channel::Control, body.clone(), PATIENCE);
            assert_eq!(answer.await, Ok(body));
        }
    };
    tokio::select! {
        // Every write has been sent, or waits for a place, before the first vote.
        biased;
        _ = writes => panic!("the writes are not answered"),
        () = soon("votes", votes) => {}
    }
}

/// An answer that never comes is `TimedOut`, at the limit, and other requests still pass.
pub async fn request_without_an_answer_times_out(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let warm = pair.alpha.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(warm.await, Ok(Bytes::from("echo")));
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    let never = pair.alpha.transport.request(BETA, Channel::Control, "never".into(), limit);
    assert_eq!(soon("time-out", never).await, Err(TransportError::TimedOut));
    assert!(begun.elapsed() >= limit);
    let next = pair.alpha.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(next.await, Ok(Bytes::from("echo")));
}

/// A node that is not in the book is `UnknownPeer`.
pub async fn node_outside_the_book_is_unknown(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let stranger = NodeId(99);
    let transport = &pair.alpha.transport;
    let asked = transport.request(stranger, Channel::Control, Bytes::new(), PATIENCE).await;
    assert_eq!(asked, Err(TransportError::UnknownPeer(stranger)));
    let opened = transport.open(stranger, Channel::Append, Bytes::new()).await;
    assert_eq!(opened.err(), Some(TransportError::UnknownPeer(stranger)));
    transport.notify(stranger, Bytes::new());
}

/// A stopped peer is `Unreachable` well before a long limit is up.
pub async fn address_without_a_listener_is_unreachable(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    (pair.beta.stop)();
    let begun = Instant::now();
    let asked = pair.alpha.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&asked.await));
    let opened = pair.alpha.transport.open(BETA, Channel::Append, "echo".into());
    assert!(certainly_not_sent(&opened.await));
    let joined = pair.alpha.transport.request_join(pair.beta.address, "me".into(), PATIENCE);
    assert!(certainly_not_sent(&joined.await));
    assert!(begun.elapsed() < PATIENCE / 2);
}

/// Before it has a name an endpoint sends only join requests, and no peer can reach it.
pub async fn endpoint_without_a_name_can_only_join(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    let newcomer = fixture.start(None, Arc::new(Subject::new().0)).await;
    newcomer.transport.set_peers(vec![peer(BETA, &pair.beta)]);
    let asked = newcomer.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&asked.await));
    newcomer.transport.notify(BETA, "nameless".into());

    let joined = newcomer.transport.request_join(pair.beta.address.clone(), "me".into(), PATIENCE);
    assert_eq!(joined.await, Ok(Bytes::from("welcome me")));

    let gamma = NodeId(0xc);
    pair.alpha.transport.set_peers(vec![peer(gamma, &newcomer), peer(BETA, &pair.beta)]);
    let early = pair.alpha.transport.request(gamma, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&early.await));

    newcomer.transport.set_identity(CLUSTER, gamma);
    let named = pair.alpha.transport.request(gamma, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(named.await, Ok(Bytes::from("echo")));
    let who = newcomer.transport.request(BETA, Channel::Control, "who".into(), PATIENCE);
    assert_eq!(who.await, Ok(Bytes::from(gamma.to_string())));
    assert!(pair.arrivals.notices.try_recv().is_err(), "a nameless notice is dropped");
}

/// A node of another cluster gets nothing through, in either direction.
pub async fn node_of_another_cluster_is_unreachable(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    let foreign = fixture.start(None, Arc::new(Subject::new().0)).await;
    let name = NodeId(0xf0);
    foreign.transport.set_identity(ClusterId::from_bytes([8; 16]), name);
    foreign.transport.set_peers(vec![peer(BETA, &pair.beta)]);
    foreign.transport.notify(BETA, "foreign".into());
    let asked = foreign.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&asked.await));
    let opened = foreign.transport.open(BETA, Channel::Control, "echo".into());
    assert!(certainly_not_sent(&opened.await));
    // A member that asks at the address of another cluster's node is not let in there.
    let joined = foreign.transport.request_join(pair.beta.address.clone(), "me".into(), PATIENCE);
    assert!(certainly_not_sent(&joined.await));
    pair.alpha.transport.set_peers(vec![peer(name, &foreign)]);
    let asked = pair.alpha.transport.request(name, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&asked.await));
    assert!(pair.arrivals.notices.try_recv().is_err());
}

/// An address that now belongs to another node is not taken for the one wanted.
pub async fn address_of_another_node_is_unreachable(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let gone = NodeId(0xdead);
    pair.alpha.transport.set_peers(vec![peer(gone, &pair.beta)]);
    let asked = pair.alpha.transport.request(gone, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&asked.await));
}

/// A request in transit is lost with the peer; after its restart at the same address, requests,
/// streams and notices pass again without an action.
pub async fn restarted_peer_is_found_again(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let transport = &pair.alpha.transport;
    let warm = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(warm.await, Ok(Bytes::from("echo")));
    let under_way = transport.request(BETA, Channel::Control, "never".into(), PATIENCE);
    let stop = async {
        // Sent on the same connection after the one above, so that one is under way.
        let echo = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE).await;
        assert_eq!(echo, Ok(Bytes::from("echo")));
        (pair.beta.stop)();
    };
    let (lost, ()) = soon("loss", futures::future::join(under_way, stop)).await;
    assert_eq!(lost, Err(TransportError::Lost));
    let down = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert!(certainly_not_sent(&down.await));

    let (subject, mut arrivals) = Subject::new();
    let again = fixture.start(Some(&pair.beta.address), Arc::new(subject)).await;
    again.transport.set_identity(CLUSTER, BETA);
    let back = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(back.await, Ok(Bytes::from("echo")));
    let mut stream = transport.open(BETA, Channel::Append, "echo".into()).await.expect("opens");
    stream.tx.send("frame".into()).await.expect("is open");
    assert_eq!(soon("frame", stream.rx.recv()).await, Some(Ok(Bytes::from("frame"))));
    transport.notify(BETA, "notice".into());
    let notice = soon("notice", arrivals.notices.recv()).await;
    assert_eq!(notice, Some((ALPHA, Bytes::from("notice"))));
}

/// Removing a peer from the address book closes all channels in both directions.
pub async fn peer_that_leaves_the_book_is_cut_off(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let transport = &pair.alpha.transport;
    let mut ours = transport.open(BETA, Channel::Append, "echo".into()).await.expect("opens");
    let mut theirs =
        pair.beta.transport.open(ALPHA, Channel::Append, "echo".into()).await.expect("opens");
    for stream in [&mut ours, &mut theirs] {
        stream.tx.send("frame".into()).await.expect("is open");
        assert_eq!(soon("frame", stream.rx.recv()).await, Some(Ok(Bytes::from("frame"))));
    }
    transport.set_peers(vec![peer(ALPHA, &pair.alpha)]);
    for stream in [&mut ours, &mut theirs] {
        let broken = soon("break", stream.rx.recv()).await;
        assert_eq!(broken, Some(Err(TransportError::Lost)));
        assert_eq!(soon("end", stream.rx.recv()).await, None);
    }
    let asked = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE).await;
    assert_eq!(asked, Err(TransportError::UnknownPeer(BETA)));
    transport.set_peers(vec![peer(BETA, &pair.beta)]);
    let asked = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE).await;
    assert_eq!(asked, Ok(Bytes::from("echo")));
}

/// Requests of a peer that has another address in the book are still accepted: it may know our
/// address although we do not know its.
pub async fn peer_that_is_looked_for_elsewhere_is_still_heard(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let transport = &pair.alpha.transport;
    let mut ours = transport.open(BETA, Channel::Append, "echo".into()).await.expect("opens");
    let mut theirs =
        pair.beta.transport.open(ALPHA, Channel::Append, "echo".into()).await.expect("opens");
    for stream in [&mut ours, &mut theirs] {
        stream.tx.send("frame".into()).await.expect("is open");
        assert_eq!(soon("frame", stream.rx.recv()).await, Some(Ok(Bytes::from("frame"))));
    }
    // Alpha's own address.
    transport
        .set_peers(vec![Peer { address: pair.alpha.address.clone(), ..peer(BETA, &pair.beta) }]);
    let broken = soon("break", ours.rx.recv()).await;
    assert_eq!(broken, Some(Err(TransportError::Lost)));
    let asked = transport.request(BETA, Channel::Control, "echo".into(), PATIENCE).await;
    assert!(certainly_not_sent(&asked));
    theirs.tx.send("again".into()).await.expect("is open");
    assert_eq!(soon("frame", theirs.rx.recv()).await, Some(Ok(Bytes::from("again"))));
}

/// Notices come once and in order, also those sent before there was a connection.
pub async fn notices_arrive_in_order(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    for number in 0..100 {
        pair.alpha.transport.notify(BETA, numbered(number, 24));
    }
    for number in 0..100 {
        let notice = soon("notice", pair.arrivals.notices.recv()).await;
        assert_eq!(notice, Some((ALPHA, numbered(number, 24))));
    }
}

/// The largest request and answer pass; one byte more is refused before it is sent, and a larger
/// answer is lost without harm to others.
pub async fn requests_up_to_the_limit_pass_and_no_larger(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let transport = &pair.alpha.transport;
    let largest = numbered(1, limits::FRAME_BYTES_MAX);
    let asked = transport.request(BETA, Channel::Append, largest.clone(), PATIENCE).await;
    assert!(asked == Ok(largest), "the largest request comes back");
    let larger = numbered(1, limits::FRAME_BYTES_MAX + 1);
    let asked = transport.request(BETA, Channel::Append, larger.clone(), PATIENCE).await;
    assert!(certainly_not_sent(&asked));
    transport.notify(BETA, larger);
    let asked = transport.request(BETA, Channel::Append, "huge".into(), PATIENCE).await;
    assert_eq!(asked, Err(TransportError::Lost));
    let asked =
        timeout(PATIENCE, transport.request(BETA, Channel::Append, "echo".into(), PATIENCE));
    assert_eq!(asked.await, Ok(Ok(Bytes::from("echo"))));
}
