//! The transport interface between replicas: implemented by sockets, by the in-process network with
//! its delays and cuts, and by the simulator.
//!
//! A transport moves frames and never inspects them. It may lose everything at any time, but frames
//! that it delivers on one stream or as notices of one sender arrive whole, once and in order.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod in_process;

use std::{fmt, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{ClusterId, NodeId},
    region::Region,
};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// The channels to a peer, each with its own bounds: neither a slow snapshot nor a leader's backlog of writes must
/// delay a vote or a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Votes, leases, reports, and what the cluster itself proposes.
    Control,
    /// Forwarded writes of organizations (feature level 3): any number of them may wait for their leader.
    Propose,
    /// Log entries of all groups.
    Append,
    /// Snapshots.
    Bulk,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 4] = [Self::Control, Self::Propose, Self::Append, Self::Bulk];
}

/// Why a frame or an answer did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No address is known for the node.
    #[error("node {0} is not known here")]
    UnknownPeer(NodeId),
    /// Nothing was sent: no connection could be had.
    #[error("cannot connect to {peer}: {reason}")]
    Unreachable {
        /// Node or address.
        peer: String,
        /// Why.
        reason: String,
    },
    /// It may have been received: the connection broke before the answer.
    #[error("connection lost")]
    Lost,
    /// It may have been received: no answer came in time.
    #[error("no answer in time")]
    TimedOut,
}

/// A peer's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub id: NodeId,
    /// Its region.
    pub region: Region,
    /// `host:port` of its peer listener.
    pub address: String,
}

/// A stream's sending half; dropping it ends the stream cleanly. Bounded: `send` waits for room.
pub type FrameSender = mpsc::Sender<Bytes>;
/// A stream's receiving half: `None` after a clean end, `Some(Err)` once when it broke.
pub type FrameReceiver = mpsc::Receiver<Result<Bytes, TransportError>>;

/// Both halves of an ordered stream of frames.
#[derive(Debug)]
pub struct FrameStream {
    /// To the peer.
    pub tx: FrameSender,
    /// From the peer.
    pub rx: FrameReceiver,
}

/// Sends to peers.
pub trait PeerTransport: fmt::Debug + Send + Sync + 'static {
    /// One request, one answer. Fails with [`TransportError::Unreachable`] or
    /// [`TransportError::UnknownPeer`] only when the peer certainly did not receive it.
    fn request(
        &self,
        to: NodeId,
        channel: Channel,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>>;

    /// One request to an address instead of a node: how a node that belongs to no cluster yet asks
    /// to join one, and how a member looks for the others. It reaches [`PeerService::on_join`], unless
    /// both belong to clusters and these differ.
    fn request_join(
        &self,
        address: String,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>>;

    /// Opens a stream; `head` is delivered with its opening.
    fn open(
        &self,
        to: NodeId,
        channel: Channel,
        head: Bytes,
    ) -> BoxFuture<'static, Result<FrameStream, TransportError>>;

    /// Sends without an answer, on the control channel. Dropped when the peer cannot be reached or
    /// its queue is full.
    fn notify(&self, to: NodeId, body: Bytes);

    /// Tells this node's own name once it has one, and the cluster's: before that only
    /// [`PeerTransport::request_join`] works.
    fn set_identity(&self, cluster: ClusterId, node: NodeId);

    /// Replaces the address book. Connections to nodes that are no longer in it are closed.
    fn set_peers(&self, peers: Vec<Peer>);
}

/// Receives from peers.
pub trait PeerService: Send + Sync + 'static {
    /// A request.
    fn on_request(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes>;
    /// A request of a node that is no member.
    fn on_join(&self, body: Bytes) -> BoxFuture<'static, Bytes>;
    /// A stream was opened; the transport runs the future as a task of its own.
    fn on_stream(&self, from: NodeId, head: Bytes, stream: FrameStream) -> BoxFuture<'static, ()>;
    /// A notice. Must not block.
    fn on_notice(&self, from: NodeId, body: Bytes);
}
