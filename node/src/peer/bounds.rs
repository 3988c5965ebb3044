//! Every maximum and every time limit of the sockets between nodes, with the relations between
//! them.
//!
//! Limits that the rest of the project relies on are in `concordat_proto::limits` instead.

use std::time::Duration;

use concordat_cluster::raft::transport::Channel;
use concordat_proto::limits;

/// Requests of one connection that wait for an answer, as its dialler counts them.
pub(super) const REQUESTS_MAX: usize = 4096;
/// Requests of one connection that are being answered; more than the above, for one that has
/// given up is still worked on.
pub(super) const SERVED_REQUESTS_MAX: usize = 2 * REQUESTS_MAX;
/// Bytes of the requests of one connection that are being answered.
pub(super) const SERVED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Open streams of one connection, as its dialler counts them.
pub(super) const STREAMS_MAX: usize = 1024;
/// The same at the acceptor, which learns later of the end of one.
pub(super) const ACCEPTED_STREAMS_MAX: usize = 2 * STREAMS_MAX;
/// Frames that wait for the owner of a stream to read them.
pub(super) const STREAM_FRAMES_IN: usize = 16;
/// Frames that the owner of a stream may send before they are queued.
pub(super) const STREAM_FRAMES_OUT: usize = 32;
/// The bytes of one direction of a stream that may be in transit or unread.
pub(super) const STREAM_WINDOW: usize = 4 * 1024 * 1024;
/// The most that one frame counts against the window, so that the largest can pass.
pub(super) const STREAM_COST_MAX: usize = STREAM_WINDOW / 2;
/// Credit is given back in portions of this size.
pub(super) const STREAM_GRANT: usize = STREAM_WINDOW / 4;
/// The overhead of a frame beside its bytes, so that empty ones are bounded too.
pub(super) const STREAM_FRAME_COST: usize = 64;

/// Bytes queued for one connection's writer.
pub(super) const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The overhead of a queued frame beside its bytes.
pub(super) const QUEUE_FRAME_COST: usize = 256;
/// Queued frames; the half of them that the bytes do not allow is for frames without cost.
pub(super) const QUEUE_FRAMES_MAX: usize = 2 * QUEUE_BYTES_MAX / QUEUE_FRAME_COST;
/// A payload from this size on is written from where it lies; smaller ones are gathered.
pub(super) const GATHER_BYTES_MAX: usize = 64 * 1024;
/// Bytes gathered for one write.
pub(super) const WRITE_BYTES: usize = 256 * 1024;
/// Bytes asked for by one read.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Connections that peers have opened to us, including those in the handshake.
pub(super) const INBOUND_MAX: usize = Channel::ALL.len() * limits::NODES_MAX + 64;
/// Callers that wait for one connection to be made.
pub(super) const WAITERS_MAX: usize = REQUESTS_MAX;
/// Notices kept while a connection is being made.
pub(super) const WAITING_NOTICES_MAX: usize = 1024;
/// Their bytes.
pub(super) const WAITING_NOTICE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of an upgrade request or answer.
pub(super) const HELLO_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the text of a refusal.
pub(super) const REFUSAL_BYTES_MAX: usize = 1024;
/// Longest making of a connection, upgrade included; also the longest wait of an opening.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// The same at the acceptor.
pub(super) const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// Pause before the second attempt to connect; it doubles from there.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause between attempts.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Pause after the system could not give us another socket.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Silence after which a peer is asked for a sign of life.
pub(super) const PING_AFTER: Duration = Duration::from_secs(1);
/// Silence after which it is dead.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(3);
/// Limits above this are treated as no limit.
pub(super) const LIMIT_MAX: Duration = Duration::from_secs(86_400);

const _: () = {
    assert!(QUEUE_BYTES_MAX > limits::FRAME_BYTES_MAX + QUEUE_FRAME_COST, "a frame can be queued");
    assert!(SERVED_BYTES_MAX > limits::FRAME_BYTES_MAX, "a request can be served");
    assert!(STREAM_COST_MAX + STREAM_GRANT < STREAM_WINDOW, "credit held back stops no frame");
    assert!(
        DEAD_AFTER.as_millis() > 2 * PING_AFTER.as_millis(),
        "one lost ping ends no connection"
    );
    assert!(QUEUE_BYTES_MAX < u32::MAX as usize, "room is counted in a semaphore");
};
