//! The address book of a transport, and the state that its tasks share.
//!
//! It has addresses and connections; the handshake decides who may connect.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use concordat_cluster::{
    locks::locked,
    raft::transport::{Channel, Peer, PeerService, TransportError},
};
use concordat_proto::id::NodeId;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{handshake::Identity, link::Link, wire::Reach};

/// A peer of the address book and its links, made at first use.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) peer: Peer,
    pub(super) links: BTreeMap<Channel, Arc<Link>>,
    pub(super) closed: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) identity: Option<Identity>,
    pub(super) peers: BTreeMap<NodeId, Entry>,
    /// The present connection of each peer to us.
    pub(super) inbound: BTreeMap<(NodeId, Channel), CancellationToken>,
}

impl Book {
    pub(super) fn close_inbound(&self, node: NodeId) {
        for channel in Channel::ALL {
            if let Some(closed) = self.inbound.get(&(node, channel)) {
                closed.cancel();
            }
        }
    }
}

/// The state that the tasks of a transport share. It does not own the transport, which closes when
/// it is dropped.
pub(super) struct Shared {
    pub(super) reach: Reach,
    pub(super) runtime: Handle,
    pub(super) closed: CancellationToken,
    pub(super) service: OnceLock<Arc<dyn PeerService>>,
    pub(super) book: Mutex<Book>,
}

impl Shared {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.book().identity
    }

    pub(super) fn service(&self) -> Option<Arc<dyn PeerService>> {
        self.service.get().map(Arc::clone)
    }

    /// Notes a peer's new connection to us and closes the one before: its last frames must not
    /// come after the first of this one.
    pub(super) fn note_inbound(&self, node: NodeId, channel: Channel, closed: CancellationToken) {
        if let Some(before) = self.book().inbound.insert((node, channel), closed) {
            before.cancel();
        }
    }

    /// The way to a peer.
    pub(super) fn link(&self, to: NodeId, channel: Channel) -> Result<Arc<Link>, TransportError> {
        let refuse = |reason: &str| TransportError::Unreachable {
            peer: to.to_string(),
            reason: reason.to_owned(),
        };
        if self.closed.is_cancelled() {
            return Err(refuse("this node is closing"));
        }
        let mut book = self.book();
        let identity = book.identity;
        let entry = book.peers.get_mut(&to).ok_or(TransportError::UnknownPeer(to))?;
        let from = identity.ok_or_else(|| refuse("this node has not joined a cluster"))?;
        let link = entry.links.entry(channel).or_insert_with(|| {
            let (runtime, closed) = (self.runtime.clone(), entry.closed.child_token());
            Arc::new(Link::new(from, entry.peer.clone(), channel, self.reach, runtime, closed))
        });
        Ok(Arc::clone(link))
    }
}
