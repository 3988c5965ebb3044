//! The attached nodes, the links and the cuts: the one lock of the network.
//!
//! It never waits and never calls a service while it holds the lock.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use concordat_proto::{
    id::{ClusterId, NodeId},
    region::Region,
};
use tokio::runtime::Handle;

use super::{
    cuts::{Cuts, Location},
    delay::DelayMatrix,
    link::{Counter, Link},
    network_faults::NetworkFaults,
    notices::Notices,
    route::Route,
};
use crate::{
    locks::locked,
    raft::transport::{Peer, PeerService, TransportError},
};

/// One life of one node on the network; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life(u64);

/// A node's registration with the network.
struct Attachment {
    address: String,
    region: Region,
    identity: Option<(ClusterId, NodeId)>,
    service: Option<Arc<dyn PeerService>>,
    runtime: Handle,
    book: BTreeMap<NodeId, Peer>,
}

impl Attachment {
    fn location(&self) -> Location<'_> {
        Location { region: &self.region, node: self.identity.map(|(_, node)| node) }
    }
}

#[derive(Default)]
struct State {
    lives: u64,
    attached: BTreeMap<Life, Attachment>,
    listening: BTreeMap<String, Life>,
    /// Made at first use, by (from, to).
    links: BTreeMap<(Life, Life), (Arc<Link>, Arc<Notices>)>,
    cuts: Cuts,
    counters: BTreeMap<(Region, Region), Arc<Counter>>,
    requests_max: usize,
}

/// The network: who is attached, who listens where, and the links between them.
pub(super) struct Hub {
    delays: DelayMatrix,
    network_faults: Option<Arc<dyn NetworkFaults>>,
    state: Mutex<State>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Hub")
            .field("listening", &state.listening)
            .field("cuts", &state.cuts)
            .finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(
        delays: DelayMatrix,
        network_faults: Option<Arc<dyn NetworkFaults>>,
        requests_max: usize,
    ) -> Self {
        let state = Mutex::new(State { requests_max, ..State::default() });
        Self { delays, network_faults, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(super) fn attach(&self, address: String, region: Region, runtime: Handle) -> Life {
        let mut state = self.lock();
        state.lives += 1;
        let life = Life(state.lives);
        let before = state.listening.insert(address.clone(), life);
        let service = before.and_then(|before| state.remove(before));
        let attachment = Attachment {
            address,
            region,
            identity: None,
            service: None,
            runtime,
            book: BTreeMap::new(),
        };
        state.attached.insert(life, attachment);
        drop(state);
        drop(service); // After the lock: a service may own its transport.
        life
    }

    pub(super) fn detach(&self, life: Life) {
        let service = self.lock().remove(life);
        drop(service); // After the lock, as in `attach`.
    }

    pub(super) fn serve(&self, life: Life, service: Arc<dyn PeerService>) {
        let before =
            self.lock().attached.get_mut(&life).and_then(|node| node.service.replace(service));
        drop(before);
    }

    pub(super) fn set_identity(&self, life: Life, identity: (ClusterId, NodeId)) {
        let mut state = self.lock();
        if let Some(node) = state.attached.get_mut(&life) {
            node.identity = Some(identity);
        }
        state.follow_cuts();
    }

    pub(super) fn set_peers(&self, life: Life, peers: Vec<Peer>) {
        let mut state = self.lock();
        let Some(node) = state.attached.get_mut(&life) else { return };
        let book: BTreeMap<NodeId, Peer> = peers.into_iter().map(|peer| (peer.id, peer)).collect();
        let before = std::mem::replace(&mut node.book, book);
        let closed: Vec<(NodeId, String, bool)> = before
            .into_iter()
            .filter(|(id, peer)| node.book.get(id).is_none_or(|now| now.address != peer.address))
            .map(|(id, peer)| (id, peer.address, !node.book.contains_key(&id)))
            .collect();
        for (id, address, is_gone) in closed {
            state.end_links(life, (id, &address), is_gone);
        }
    }

    /// Changes the cuts.
    pub(super) fn change_cuts(&self, change: impl FnOnce(&mut Cuts)) {
        let mut state = self.lock();
        change(&mut state.cuts);
        state.follow_cuts();
    }

    pub(super) fn read_cuts<T>(&self, read: impl FnOnce(&Cuts) -> T) -> T {
        read(&self.lock().cuts)
    }

    pub(super) fn counters(&self) -> BTreeMap<(Region, Region), Arc<Counter>> {
        self.lock().counters.clone()
    }

    /// The way to a node of the address book.
    pub(super) fn route(&self, from: Life, to: NodeId) -> Result<Route, TransportError> {
        let mut state = self.lock();
        let refuse = |reason| TransportError::Unreachable { peer: to.to_string(), reason };
        let sender = state.attached.get(&from).ok_or_else(|| refuse("detached".into()))?;
        let (cluster, name) =
            sender.identity.ok_or_else(|| refuse("this node has not joined a cluster".into()))?;
        let peer = sender.book.get(&to).ok_or(TransportError::UnknownPeer(to))?;
        let (life, receiver) = state
            .listening
            .get(&peer.address)
            .and_then(|life| Some((*life, state.attached.get(life)?)))
            .ok_or_else(|| refuse(format!("no node listens at {}", peer.address)))?;
        match receiver.identity {
            None => return Err(refuse("it has not joined a cluster".into())),
            Some((other, _)) if other != cluster => {
                return Err(refuse(format!("it belongs to cluster {other}")));
            }
            Some((_, other)) if other != to => {
                return Err(refuse(format!("that address belongs to node {other}")));
            }
            Some(_) => {}
        }
        state.connect(&self.delays, &self.network_faults, (from, life), Some(name))
    }

    /// The way to an address, for one that has no name yet.
    pub(super) fn route_join(&self, from: Life, address: &str) -> Result<Route, TransportError> {
        let mut state = self.lock();
        let life =
            state.listening.get(address).copied().ok_or_else(|| TransportError::Unreachable {
                peer: address.to_owned(),
                reason: "no node listens there".into(),
            })?;
        let cluster = |life| state.attached.get(life).and_then(|node| node.identity).map(|it| it.0);
        if let (Some(own), Some(theirs)) = (cluster(&from), cluster(&life))
            && own != theirs
        {
            let reason = format!("it belongs to cluster {theirs}");
            return Err(TransportError::Unreachable { peer: address.to_owned(), reason });
        }
        state.connect(&self.delays, &self.network_faults, (from, life), None)
    }
}

impl State {
    fn remove(&mut self, life: Life) -> Option<Arc<dyn PeerService>> {
        let node = self.attached.remove(&life)?;
        if self.listening.get(&node.address) == Some(&life) {
            self.listening.remove(&node.address);
        }
        self.links.retain(|(from, to), (link, _)| {
            let stays = *from != life && *to != life;
            if !stays {
                link.end();
            }
            stays
        });
        node.service
    }

    /// Ends the links from one node to another's address that left its book; and those from the other
    /// node, if that has left it altogether.
    fn end_links(&mut self, life: Life, (peer, address): (NodeId, &str), is_gone: bool) {
        let Self { attached, links, listening, .. } = self;
        let there = listening.get(address).copied();
        links.retain(|(from, to), (link, _)| {
            let named = |end: &Life| {
                let node = attached.get(end).and_then(|node| node.identity);
                node.is_some_and(|(_, node)| node == peer)
            };
            let ends = (*from == life && (Some(*to) == there || named(to)))
                || (is_gone && *to == life && named(from));
            if ends {
                link.end();
            }
            !ends
        });
    }

    fn follow_cuts(&self) {
        for ((from, to), (link, _)) in &self.links {
            if let (Some(from), Some(to)) = (self.attached.get(from), self.attached.get(to)) {
                let (from, to) = (from.location(), to.location());
                link.follow(self.cuts.passable(from, to), self.cuts.passable(to, from));
                link.slow(self.cuts.extra(from, to));
            }
        }
    }

    fn connect(
        &mut self,
        delays: &DelayMatrix,
        network_faults: &Option<Arc<dyn NetworkFaults>>,
        (from, to): (Life, Life),
        name: Option<NodeId>,
    ) -> Result<Route, TransportError> {
        let Self { attached, links, cuts, counters, requests_max, .. } = self;
        let refuse = |peer: &str, reason: &str| TransportError::Unreachable {
            peer: peer.to_owned(),
            reason: reason.to_owned(),
        };
        let sender = attached.get(&from).ok_or_else(|| refuse("network", "detached"))?;
        let receiver = attached.get(&to).ok_or_else(|| refuse("network", "peer detached"))?;
        let service = receiver
            .service
            .clone()
            .ok_or_else(|| refuse(&receiver.address, "it does not serve yet"))?;
        let (link, notices) = links.entry((from, to)).or_insert_with(|| {
            let (a, b) = (sender.location(), receiver.location());
            let mut counter = |from: &Region, to: &Region| {
                Arc::clone(counters.entry((from.clone(), to.clone())).or_default())
            };
            let counters = (counter(a.region, b.region), counter(b.region, a.region));
            let delay = delays.one_way(a.region, b.region);
            let passable = (cuts.passable(a, b), cuts.passable(b, a));
            let link = Link::new(delay, counters, passable, *requests_max);
            link.slow(cuts.extra(a, b));
            (Arc::new(link), Arc::new(Notices::default()))
        });
        Ok(Route {
            link: Arc::clone(link),
            notices: Arc::clone(notices),
            service,
            from: name,
            here: sender.runtime.clone(),
            there: receiver.runtime.clone(),
            address: receiver.address.clone(),
            sender: sender.region.clone(),
            network_faults: network_faults.clone(),
        })
    }
}
