//! The network of a cluster that lives in one process: region-to-region delays, cuts, and nodes
//! that come and go. The demo and the tests run on it.
//!
//! It draws nothing by chance and reads only tokio's clock, so under paused time a run repeats. It
//! must never be kinder than sockets: what is cut is a black hole, and frames under way when a
//! link is cut are lost. Like sockets it bounds what is under way.
//!
//! What a sender meets:
//! - nobody listens at the address, or another node does: `Unreachable` at once;
//! - the way is cut when it sends: nothing until the limit, then `Unreachable`; a heal before that
//!   lets the request go;
//! - the way or the way back is cut later: `TimedOut`, for it may have been received;
//! - the peer detaches before it has answered: `Lost`;
//! - an open stream across a cut, in whichever direction: both ends get `Lost` after a second, or
//!   at the heal when that comes first.

mod cuts;
mod delay;
mod exchange;
mod hub;
mod lane;
mod link;
mod notices;
#[cfg(test)]
#[path = "in_process_test.rs"]
mod tests;
mod weather;

use std::{collections::BTreeMap, future, sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{ClusterId, NodeId},
    region::Region,
};
use futures::future::BoxFuture;
use tokio::runtime::Handle;

pub use self::{
    cuts::Place,
    delay::DelayMatrix,
    weather::{Fate, Message, Weather},
};
use self::{
    hub::{Hub, Life},
    notices::Notices,
};
use super::transport::{Channel, FrameStream, Peer, PeerService, PeerTransport, TransportError};

/// What one region has sent another; answers and stream openings count as frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The hub. Clones are the same network.
#[derive(Debug, Clone)]
pub struct InProcessNetwork {
    hub: Arc<Hub>,
}

impl InProcessNetwork {
    /// A network with these delays, nobody on it and nothing cut.
    #[must_use]
    pub fn new(delays: DelayMatrix) -> Self {
        Self { hub: Arc::new(Hub::new(delays, None)) }
    }

    /// The same, with somebody who draws what becomes of each message.
    #[must_use]
    pub fn with_weather(delays: DelayMatrix, weather: Arc<dyn Weather>) -> Self {
        Self { hub: Arc::new(Hub::new(delays, Some(weather))) }
    }

    /// Attaches a node at an address. Whoever was attached there is detached: a node is restarted
    /// by attaching it again. Its service runs on the tokio runtime this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn attach(&self, address: impl Into<String>, region: Region) -> Arc<InProcessTransport> {
        let life = self.hub.attach(address.into(), region, Handle::current());
        Arc::new(InProcessTransport { hub: Arc::clone(&self.hub), life })
    }

    /// Cuts a region off from all others; inside it everything goes on.
    pub fn cut_region(&self, region: &Region) {
        self.hub.change_cuts(|cuts| _ = cuts.regions.insert(region.clone()));
    }

    /// Undoes [`Self::cut_region`].
    pub fn heal_region(&self, region: &Region) {
        self.hub.change_cuts(|cuts| _ = cuts.regions.remove(region));
    }

    /// Cuts a node off from all others.
    pub fn cut_node(&self, node: NodeId) {
        self.hub.change_cuts(|cuts| _ = cuts.nodes.insert(node));
    }

    /// Undoes [`Self::cut_node`].
    pub fn heal_node(&self, node: NodeId) {
        self.hub.change_cuts(|cuts| _ = cuts.nodes.remove(&node));
    }

    /// Cuts one direction between two places, each a region or a node.
    pub fn cut_link(&self, from: impl Into<Place>, to: impl Into<Place>) {
        self.hub.change_cuts(|cuts| _ = cuts.links.insert((from.into(), to.into())));
    }

    /// Undoes [`Self::cut_link`].
    pub fn heal_link(&self, from: impl Into<Place>, to: impl Into<Place>) {
        self.hub.change_cuts(|cuts| _ = cuts.links.remove(&(from.into(), to.into())));
    }

    /// Makes the way between two places longer, there and back; zero makes it what it was.
    pub fn slow_link(&self, from: impl Into<Place>, to: impl Into<Place>, by: Duration) {
        let pair = (from.into(), to.into());
        self.hub.change_cuts(|cuts| _ = cuts.slow.insert(pair, by));
    }

    /// Undoes every cut and every slowness.
    pub fn heal_all(&self) {
        self.hub.change_cuts(|cuts| *cuts = cuts::Cuts::default());
    }

    /// What each region has sent to each so far, also what was lost on its way.
    #[must_use]
    pub fn traffic(&self) -> BTreeMap<(Region, Region), Traffic> {
        let read = |counter: &link::Counter| {
            let (frames, bytes) = counter.read();
            Traffic { frames, bytes }
        };
        self.hub.counters().into_iter().map(|(pair, counter)| (pair, read(&counter))).collect()
    }
}

/// One node's place on the network; dropping it detaches the node.
///
/// A service that owns its transport keeps it alive: such a node must [`Self::detach`].
#[derive(Debug)]
pub struct InProcessTransport {
    hub: Arc<Hub>,
    life: Life,
}

impl InProcessTransport {
    /// Lets peers in. Until then they find the node unreachable.
    pub fn serve(&self, service: Arc<dyn PeerService>) {
        self.hub.serve(self.life, service);
    }

    /// Leaves the network as a killed process does: its streams break, and peers find it
    /// unreachable at once. For good; the node comes back by attaching again.
    pub fn detach(&self) {
        self.hub.detach(self.life);
    }
}

impl Drop for InProcessTransport {
    fn drop(&mut self) {
        self.detach();
    }
}

impl PeerTransport for InProcessTransport {
    fn request(
        &self,
        to: NodeId,
        _channel: Channel,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        match self.hub.route(self.life, to) {
            Ok(route) => Box::pin(exchange::request(route, body, limit)),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn request_join(
        &self,
        address: String,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        match self.hub.route_join(self.life, &address) {
            Ok(route) => Box::pin(exchange::request(route, body, limit)),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn open(
        &self,
        to: NodeId,
        _channel: Channel,
        head: Bytes,
    ) -> BoxFuture<'static, Result<FrameStream, TransportError>> {
        match self.hub.route(self.life, to) {
            Ok(route) => Box::pin(exchange::open(route, head)),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn notify(&self, to: NodeId, body: Bytes) {
        if let Ok(route) = self.hub.route(self.life, to) {
            Notices::send(&route, body);
        }
    }

    fn set_identity(&self, cluster: ClusterId, node: NodeId) {
        self.hub.set_identity(self.life, (cluster, node));
    }

    fn set_peers(&self, peers: Vec<Peer>) {
        self.hub.set_peers(self.life, peers);
    }
}
