//! The network of a cluster in one process: region-to-region delays, cuts, and nodes that attach
//! and detach. The demo and the tests run on it.
//!
//! It has no randomness and reads only tokio's clock, so under paused time a run repeats. It must
//! never be more reliable than sockets: a cut is a black hole, and frames in transit when a link is
//! cut are lost. Like sockets it bounds the frames in transit.
//!
//! Results for a sender:
//! - no node listens at the address, or another one does: `Unreachable` at once;
//! - the link is cut when it sends: nothing until the limit, then `Unreachable`; a heal before that
//!   delivers the request;
//! - the link or the way back is cut later: `TimedOut`, because it may have been received;
//! - the peer detaches before it has answered: `Lost`;
//! - an open stream across a cut, in whichever direction: both ends get `Lost` after a second, or
//!   at the heal when that comes first.

mod cuts;
mod delay;
mod exchange;
mod hub;
mod lane;
mod link;
mod network_faults;
mod notices;
mod route;
#[cfg(test)]
#[path = "in_process_test.rs"]
mod tests;

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
    network_faults::{Fate, Message, NetworkFaults},
};
use self::{
    hub::{Hub, Life},
    link::REQUESTS_MAX,
};
use crate::raft::transport::{
    Channel, FrameStream, Peer, PeerService, PeerTransport, TransportError,
};

/// The traffic from one region to another; answers and stream openings count as frames.
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
    /// A network with these delays, without nodes and cuts.
    #[must_use]
    pub fn new(delays: DelayMatrix) -> Self {
        Self { hub: Arc::new(Hub::new(delays, None, REQUESTS_MAX)) }
    }

    /// The same, with injected network faults; `requests_max` of one node on one channel may wait for another's
    /// answers.
    #[must_use]
    pub fn with_weather(
        delays: DelayMatrix,
        network_faults: Arc<dyn NetworkFaults>,
        requests_max: usize,
    ) -> Self {
        Self { hub: Arc::new(Hub::new(delays, Some(network_faults), requests_max)) }
    }

    /// Attaches a node at an address. A node that was attached there is detached: a node is
    /// restarted by attaching it again. Its service runs on the tokio runtime this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn attach(&self, address: impl Into<String>, region: Region) -> Arc<InProcessTransport> {
        let life = self.hub.attach(address.into(), region, Handle::current());
        Arc::new(InProcessTransport { hub: Arc::clone(&self.hub), life })
    }

    /// Cuts a region off from all others; inside it everything continues.
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

    /// Adds a delay between two places, in both directions; zero removes it.
    pub fn slow_link(&self, from: impl Into<Place>, to: impl Into<Place>, by: Duration) {
        let pair = (from.into(), to.into());
        self.hub.change_cuts(|cuts| _ = cuts.slow.insert(pair, by));
    }

    /// Undoes every cut and every slowness.
    pub fn heal_all(&self) {
        self.hub.change_cuts(|cuts| *cuts = cuts::Cuts::default());
    }

    /// Whether no cut keeps frames from passing from one node to another.
    #[must_use]
    pub fn passes(&self, from: (&Region, NodeId), to: (&Region, NodeId)) -> bool {
        let at = |(region, node)| cuts::Location { region, node: Some(node) };
        self.hub.read_cuts(|cuts| cuts.passable(at(from), at(to)))
    }

    /// The traffic between all regions so far, including lost frames.
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
        channel: Channel,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        match self.hub.route(self.life, to) {
            Ok(route) => Box::pin(exchange::request(route, channel, body, limit)),
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
            Ok(route) => Box::pin(exchange::request(route, Channel::Control, body, limit)),
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
            route.notify(body);
        }
    }

    fn set_identity(&self, cluster: ClusterId, node: NodeId) {
        self.hub.set_identity(self.life, (cluster, node));
    }

    fn set_peers(&self, peers: Vec<Peer>) {
        self.hub.set_peers(self.life, peers);
    }
}
