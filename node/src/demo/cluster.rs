//! The demo's nodes: each with a data directory, an API of its own, and a place on one network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use concordat_cluster::raft::{
    Retention,
    in_process::{DelayMatrix, InProcessNetwork, InProcessTransport},
};
use concordat_proto::{region::Region, version};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{args::Plan, control::Control, saved::Saved};
use crate::{
    boot::{
        assemble::{self, Kept, Parts},
        config::{HttpLimits, StorageSizes},
        failure::Failure,
        state::StateStores,
        supervise::Supervisor,
    },
    environment::Environment,
    node::Node,
    request::freshness,
};

/// Small, because there are many in one process.
const SIZES: StorageSizes = StorageSizes {
    cache_bytes: 32 << 20,
    write_buffer_bytes: 4 << 20,
    segment_bytes: 8 << 20,
    retention: Retention { bytes: 32 << 20, ..Retention::DEFAULT },
};
/// For all nodes to be full members.
const READY_TIME_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A node and where it is.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) node: Arc<Node>,
    pub(super) region: Region,
    pub(super) url: String,
    transport: Arc<InProcessTransport>,
}

/// All nodes, region by region in the order of the plan.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) members: Vec<Member>,
}

/// A node that has all but its replicas.
struct Prepared {
    name: String,
    parts: Parts,
    kept: Kept,
    listener: TcpListener,
    transport: Arc<InProcessTransport>,
}

/// Its region and its nodes' ids and URLs.
pub(super) type Addresses = Vec<(Region, Vec<(String, String)>)>;

impl Cluster {
    /// Starts all nodes. The first begins the cluster; the others ask it for admission.
    pub(super) async fn start(
        supervisor: &mut Supervisor,
        plan: &Plan,
        saved: &Saved,
        environment: &Environment,
        listen: SocketAddr,
    ) -> Result<Self, Failure> {
        let mut delays = DelayMatrix::new();
        for (one, other, round_trip) in plan.round_trips() {
            delays = delays.between(one, other, round_trip);
        }
        let network = InProcessNetwork::new(delays);
        let prepared = prepare(plan, saved, environment, listen, &network).await?;
        let control = Arc::new(Control {
            network,
            regions: plan.regions.iter().cloned().collect(),
            nodes: prepared.iter().map(|node| node.kept.identity.identity().node).collect(),
        });
        let mut members = Vec::new();
        for (place, mut node) in prepared.into_iter().enumerate() {
            if place == 0 {
                let key = || Ok(saved.operator_key_record(environment));
                assemble::bootstrap(&node.kept, environment, &node.parts.keyring, key)?;
            }
            node.parts.cuts = Some(Arc::clone(&control) as _);
            let (region, url) = (node.parts.region.clone(), node.parts.api_url.clone());
            let started = assemble::node(node.parts, node.kept).await?;
            node.transport.serve(started.groups.service());
            assemble::keep(supervisor, &node.name, &started, node.listener);
            members.push(Member { node: started, region, url, transport: node.transport });
        }
        Ok(Self { members })
    }

    /// Returns once every node is a full member, and has been current: so it may answer that an
    /// object does not exist.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_TIME_MAX;
        for member in &self.members {
            while let Err(reason) = ready(&member.node) {
                if Instant::now() > deadline {
                    let context = format!("waiting for {} in {}", member.url, member.region);
                    return Err(Failure::fault(context, reason));
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// The addresses of all nodes.
    pub(super) fn addresses(&self) -> Addresses {
        let mut addresses: Addresses = Vec::new();
        for member in &self.members {
            let node = (member.node.groups.node().to_string(), member.url.clone());
            match addresses.last_mut() {
                Some((region, nodes)) if *region == member.region => nodes.push(node),
                Some(_) | None => addresses.push((member.region.clone(), vec![node])),
            }
        }
        addresses
    }

    /// The first node of a region.
    pub(super) fn first_of(&self, region: &Region) -> &Arc<Node> {
        let of = self.members.iter().find(|member| member.region == *region);
        &of.expect("every region of the plan has nodes").node
    }

    /// Stops all nodes.
    pub(super) async fn close(&self) {
        for member in &self.members {
            assemble::close(&member.node).await;
            member.transport.detach();
        }
    }
}

async fn prepare(
    plan: &Plan,
    saved: &Saved,
    environment: &Environment,
    listen: SocketAddr,
    network: &InProcessNetwork,
) -> Result<Vec<Prepared>, Failure> {
    let keyring = Arc::new(saved.keyring(environment)?);
    let stores = if saved.is_kept { StateStores::on_disk(&SIZES)? } else { StateStores::Memory };
    let places = plan.regions.iter().flat_map(|region| {
        (1..=plan.nodes_per_region).map(move |number| (region, format!("{region}-{number}")))
    });
    let seed = format!("{}-1", plan.home());
    let mut prepared = Vec::new();
    for (place, (region, name)) in places.enumerate() {
        let (listener, url) = bind(listen, place).await?;
        let transport = network.attach(name.clone(), region.clone());
        let parts = Parts {
            environment: environment.clone(),
            data_dir: saved.directory.join(&name),
            region: region.clone(),
            regions: plan.regions.clone(),
            keyring: Arc::clone(&keyring),
            sizes: SIZES,
            http: HttpLimits::default(),
            api_url: url,
            peer_address: name.clone(),
            seeds: vec![seed.clone()],
            transport: Arc::clone(&transport) as _,
            cuts: None,
        };
        let kept = assemble::open(&parts, &stores)?;
        prepared.push(Prepared { name, parts, kept, listener, transport });
    }
    Ok(prepared)
}

/// The address of the node in that place, and its URL.
async fn bind(listen: SocketAddr, place: usize) -> Result<(TcpListener, String), Failure> {
    let mut address = listen;
    if listen.port() != 0 {
        let port = usize::from(listen.port()) + place;
        let port = u16::try_from(port)
            .map_err(|_| Failure::setting("listen: there are not enough ports after it"))?;
        address.set_port(port);
    }
    let context = || format!("listening on {address}");
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| Failure::bad_setting(context(), error))?;
    let bound = listener.local_addr().map_err(|error| Failure::fault(context(), error))?;
    Ok((listener, format!("http://{bound}")))
}

fn ready(node: &Node) -> Result<(), String> {
    node.ready()?;
    if !freshness::of_all(node).knows_absence() {
        return Err("it has not been current yet".to_owned());
    }
    // Until then the further dialects refuse writes, and no organization has a domain.
    let knows_all = node.groups.feature_level() >= version::FEATURE_LEVEL;
    if knows_all { Ok(()) } else { Err("the feature level is still to be raised".to_owned()) }
}
