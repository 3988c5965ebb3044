//! The contract's cases of streams.
//!
//! Each is self-contained and waits on values with a deadline, never for a fixed time.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::limits;
use futures::future::{join, join_all};
use tokio::time::timeout;

use super::{
    fixture::Fixture,
    subject::{ALPHA, BETA, PATIENCE, Pair, numbered, soon},
};
use crate::raft::transport::{Channel, FrameStream, TransportError};

/// The most bytes that a sender without a reader may use.
const UNREAD_BYTES_MAX: usize = 256 * 1024 * 1024;

async fn opened(pair: &Pair, channel: Channel, head: &'static str) -> FrameStream {
    let stream = pair.alpha.transport.open(BETA, channel, Bytes::from(head)).await;
    stream.expect("the peer is there")
}

/// Sends frames of many sizes through an echo and compares the echoes.
async fn echo_frames(stream: FrameStream, count: usize, size: impl Fn(usize) -> usize) {
    let FrameStream { tx, mut rx } = stream;
    let send = async {
        for number in 0..count {
            tx.send(numbered(number, size(number))).await.expect("the stream is open");
        }
        drop(tx);
    };
    let receive = async {
        for number in 0..count {
            let frame = soon("frame", rx.recv()).await;
            assert!(frame == Some(Ok(numbered(number, size(number)))), "frame {number} is whole");
        }
        assert_eq!(soon("end", rx.recv()).await, None);
    };
    join(send, receive).await;
}

/// Ten thousand frames from nothing to 20 KiB, each whole, once and in order.
pub async fn frames_arrive_whole_and_in_order(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    for channel in Channel::ALL {
        echo_frames(opened(&pair, channel, "echo").await, 3500, |number| number * 31 % 20_000)
            .await;
    }
}

/// The largest frames pass both ways, beside small ones.
pub async fn frames_up_to_the_limit_pass(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let size = |number| if number % 2 == 0 { limits::FRAME_BYTES_MAX } else { number };
    echo_frames(opened(&pair, Channel::Bulk, "echo").await, 10, size).await;
}

/// A frame over the limit is never sent: its stream breaks, and no other.
pub async fn oversized_frame_breaks_its_stream_only(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    let bystander = opened(&pair, Channel::Append, "echo").await;
    let stream = opened(&pair, Channel::Append, "hand over").await;
    let (_, mut far) = soon("stream", pair.arrivals.streams.recv()).await.expect("is served");
    stream.tx.send("good".into()).await.expect("the stream is open");
    stream.tx.send(numbered(0, limits::FRAME_BYTES_MAX + 1)).await.expect("the stream is open");
    assert_eq!(soon("frame", far.rx.recv()).await, Some(Ok(Bytes::from("good"))));
    assert_eq!(soon("break", far.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert_eq!(soon("end", far.rx.recv()).await, None);
    soon("end", stream.tx.closed()).await;
    echo_frames(bystander, 10, |number| number).await;
}

/// One reader stops reading; on the same channel other streams and requests continue, and when it
/// reads again nothing is missing.
pub async fn stalled_reader_holds_nobody_up(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    let stalled = opened(&pair, Channel::Append, "hand over").await;
    let (_, mut far) = soon("stream", pair.arrivals.streams.recv()).await.expect("is served");
    let mut sent = 0;
    while timeout(Duration::from_millis(300), stalled.tx.send(numbered(sent, 65_536))).await.is_ok()
    {
        sent += 1;
        assert!(sent * 65_536 < UNREAD_BYTES_MAX, "what nobody reads is bounded");
    }
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(opened(&pair, Channel::Append, "echo").await);
    }
    let echoes = streams.into_iter().map(|stream| echo_frames(stream, 300, |number| number * 7));
    soon("echoes", join_all(echoes)).await;
    let asked = pair.alpha.transport.request(BETA, Channel::Append, "echo".into(), PATIENCE);
    assert_eq!(asked.await, Ok(Bytes::from("echo")));
    drop(stalled);
    for number in 0..sent {
        let frame = soon("late frame", far.rx.recv()).await;
        assert!(frame == Some(Ok(numbered(number, 65_536))), "frame {number} is whole");
    }
    assert_eq!(soon("end", far.rx.recv()).await, None);
}

/// Neither large nor tiny frames accumulate without bound, and the sender continues when they are
/// read.
pub async fn sender_waits_for_a_stalled_reader(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    for size in [1, 1024 * 1024] {
        let stream = opened(&pair, Channel::Bulk, "hand over").await;
        let (from, mut far) = soon("stream", pair.arrivals.streams.recv()).await.expect("served");
        assert_eq!(from, ALPHA);
        let frame = numbered(0, size);
        let mut sent = 0_usize;
        while timeout(Duration::from_millis(300), stream.tx.send(frame.clone())).await.is_ok() {
            sent += 1;
            assert!(sent < 1_000_000 && sent * size < UNREAD_BYTES_MAX, "frames pile up");
        }
        let send = stream.tx.send(frame.clone());
        let read = async {
            for _ in 0..sent {
                assert_eq!(far.rx.recv().await.map(|frame| frame.is_ok()), Some(true));
            }
        };
        let (last, ()) = soon("room", join(send, read)).await;
        last.expect("the stream is open");
    }
}

/// A dropped sender is `None` at the far end; a peer that goes away is one `Err`, then `None`.
pub async fn clean_end_is_told_from_a_break(fixture: &dyn Fixture) {
    let mut pair = Pair::start(fixture).await;
    let FrameStream { tx, mut rx } = opened(&pair, Channel::Append, "hand over").await;
    let (_, mut far) = soon("stream", pair.arrivals.streams.recv()).await.expect("is served");
    tx.send("last".into()).await.expect("the stream is open");
    drop(tx);
    assert_eq!(soon("frame", far.rx.recv()).await, Some(Ok(Bytes::from("last"))));
    assert_eq!(soon("end", far.rx.recv()).await, None);
    far.tx.send("answer".into()).await.expect("the other half is open");
    assert_eq!(soon("frame", rx.recv()).await, Some(Ok(Bytes::from("answer"))));
    drop(far);
    assert_eq!(soon("end", rx.recv()).await, None);

    let mut near = opened(&pair, Channel::Append, "hand over").await;
    let (_, far) = soon("stream", pair.arrivals.streams.recv()).await.expect("is served");
    far.tx.send("first".into()).await.expect("the stream is open");
    assert_eq!(soon("frame", near.rx.recv()).await, Some(Ok(Bytes::from("first"))));
    (pair.beta.stop)();
    assert_eq!(soon("break", near.rx.recv()).await, Some(Err(TransportError::Lost)));
    assert_eq!(soon("end", near.rx.recv()).await, None);
    soon("closed sender", near.tx.closed()).await;
    drop(far);
}

/// A sender whose reader has left gets an error from `send`.
pub async fn reader_that_leaves_stops_the_sender(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    let stream = opened(&pair, Channel::Append, "leave").await;
    let send = async { while stream.tx.send(numbered(0, 1024)).await.is_ok() {} };
    soon("failing send", send).await;
}

/// Two thousand one-frame streams, fifty at a time, end at both sides: no count fills up.
pub async fn many_short_streams_leave_nothing_behind(fixture: &dyn Fixture) {
    let pair = Pair::start(fixture).await;
    for _ in 0..40 {
        let one = || async {
            let stream = opened(&pair, Channel::Control, "echo").await;
            echo_frames(stream, 1, |_| 100).await;
        };
        join_all((0..50).map(|_| one())).await;
    }
    let mut ended = pair.subject.echoes_ended.subscribe();
    let all = soon("end of all echoes", ended.wait_for(|ended| *ended == 2000)).await;
    assert!(all.is_ok());
}
