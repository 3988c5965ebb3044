//! The sockets between nodes: [`SocketTransport`] is `PeerTransport` over TCP.
//!
//! A connection begins as an HTTP/1.1 upgrade (`handshake.rs`), in which both ends check cluster
//! and node, and continues as checksummed frames (`connection/frame.rs`). There is one per (peer,
//! channel) and direction of requests, so that a snapshot never delays a vote; each has many
//! requests and streams at once. A stream has its own credit (`connection/streams.rs`), so that a
//! slow reader delays only its own sender.
//!
//! Connections are made on demand and again after a pause (`link.rs`). A peer that is silent for a
//! second is pinged, after three it is dead (`connection/reader.rs`). Everything is bounded
//! (`bounds.rs`). A malformed frame ends its connection and nothing else.
//!
//! # Why loopback only
//! Nodes have no certificates yet, so a name in the upgrade is only a claim. Until there is TLS
//! between TCP and HTTP (`wire.rs` is the place) this module refuses to listen at or connect to any
//! address that another machine can reach. For a network that contains only the nodes, such as one
//! of containers, the operator may lift that ([`Reach`]); it is never lifted automatically.
//!
//! hyper is not used outside this folder for peers, and nothing here inspects a payload or reads
//! the wall clock.

mod book;
mod bounds;
mod client;
mod connection;
mod handshake;
mod link;
mod server;
#[cfg(test)]
#[path = "peer_test.rs"]
mod tests;
mod wire;

use std::{
    collections::BTreeMap,
    fmt, future,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use concordat_cluster::{
    locks::locked,
    raft::transport::{Channel, FrameStream, Peer, PeerService, PeerTransport, TransportError},
};
use concordat_proto::id::{ClusterId, NodeId};
use futures::future::BoxFuture;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::wire::may_listen;
pub use self::wire::{BindError, Reach};
use self::{
    book::{Entry, Shared},
    bounds::{CONNECT_LIMIT, LIMIT_MAX},
    connection::session,
    handshake::Hello,
};

/// Reaches peers over TCP; dropping it closes everything.
///
/// A service that owns its transport keeps it alive: such a node must [`Self::close`].
pub struct SocketTransport {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Until the service is known.
    listener: Mutex<Option<TcpListener>>,
}

impl fmt::Debug for SocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketTransport")
            .field("address", &self.address)
            .field("identity", &self.shared.identity())
            .finish_non_exhaustive()
    }
}

impl SocketTransport {
    /// Listens for peers; port zero takes a free one. Its tasks run on the tokio runtime this is
    /// called in. Peers wait until [`Self::serve`].
    ///
    /// # Errors
    /// When the address is beyond the reach, or cannot be had.
    pub async fn bind(listen: SocketAddr, reach: Reach) -> Result<Arc<Self>, BindError> {
        let listener = wire::listen(listen, reach).await?;
        let address = listener
            .local_addr()
            .map_err(|source| BindError::Listen { address: listen, source })?;
        let shared = Shared {
            reach,
            runtime: Handle::current(),
            closed: CancellationToken::new(),
            service: OnceLock::new(),
            book: Mutex::default(),
        };
        let listener = Mutex::new(Some(listener));
        Ok(Arc::new(Self { shared: Arc::new(shared), address, listener }))
    }

    /// The address at which peers find this node.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets peers in. Only the first call counts.
    pub fn serve(&self, service: Arc<dyn PeerService>) {
        let listener = locked(&self.listener).take();
        if let Some(listener) = listener {
            // The listener was there, so no service was.
            drop(self.shared.service.set(service));
            let accept = server::accept(Arc::clone(&self.shared), listener);
            drop(self.shared.runtime.spawn(accept));
        }
    }

    /// Stops listening and breaks every connection, for good.
    pub fn close(&self) {
        self.shared.closed.cancel();
        drop(locked(&self.listener).take());
    }
}

impl Drop for SocketTransport {
    fn drop(&mut self) {
        self.close();
    }
}

impl PeerTransport for SocketTransport {
    fn request(
        &self,
        to: NodeId,
        channel: Channel,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let deadline = Instant::now() + limit.min(LIMIT_MAX);
        match self.shared.link(to, channel) {
            Ok(link) => {
                Box::pin(
                    async move { link.connected(deadline).await?.request(body, deadline).await },
                )
            }
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn request_join(
        &self,
        address: String,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let deadline = Instant::now() + limit.min(LIMIT_MAX);
        let (closed, reach) = (self.shared.closed.child_token(), self.shared.reach);
        let hello = Hello::Join { cluster: self.shared.identity().map(|(cluster, _)| cluster) };
        Box::pin(async move {
            let unreachable =
                |reason| TransportError::Unreachable { peer: address.clone(), reason };
            let io = timeout_at(deadline, dial_within_limit(&address, hello, reach))
                .await
                .map_err(|_| unreachable("no connection in time".to_owned()))?
                .map_err(unreachable)?;
            // Closes the connection also when the caller gives up.
            let _close = closed.clone().drop_guard();
            let (connection, run) = session::start(address.clone(), io, None, closed);
            drop(tokio::spawn(run));
            connection.request(body, deadline).await
        })
    }

    fn open(
        &self,
        to: NodeId,
        channel: Channel,
        head: Bytes,
    ) -> BoxFuture<'static, Result<FrameStream, TransportError>> {
        let deadline = Instant::now() + CONNECT_LIMIT;
        match self.shared.link(to, channel) {
            Ok(link) => Box::pin(async move {
                session::open(&link.connected(deadline).await?, head, deadline).await
            }),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn notify(&self, to: NodeId, body: Bytes) {
        if let Ok(link) = self.shared.link(to, Channel::Control) {
            link.notify(body);
        }
    }

    fn set_identity(&self, cluster: ClusterId, node: NodeId) {
        self.shared.book().identity = Some((cluster, node));
    }

    fn set_peers(&self, peers: Vec<Peer>) {
        let mut book = self.shared.book();
        let mut before = std::mem::take(&mut book.peers);
        for peer in peers {
            let same = before.get(&peer.id).is_some_and(|entry| entry.peer.address == peer.address);
            let kept = if same { before.remove(&peer.id) } else { None };
            let entry = kept.unwrap_or_else(|| Entry {
                peer,
                links: BTreeMap::new(),
                closed: self.shared.closed.child_token(),
            });
            book.peers.insert(entry.peer.id, entry);
        }
        for (id, entry) in before {
            entry.closed.cancel();
            // One with another address in the book continues to send requests to us.
            if !book.peers.contains_key(&id) {
                book.close_inbound(id);
            }
        }
        // Connections that ended by themselves.
        book.inbound.retain(|_, closed| !closed.is_cancelled());
    }
}

async fn dial_within_limit(
    address: &str,
    hello: Hello,
    reach: Reach,
) -> Result<hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>, String> {
    tokio::time::timeout(CONNECT_LIMIT, client::dial(address, hello, reach))
        .await
        .unwrap_or_else(|_| Err("no answer".to_owned()))
}
