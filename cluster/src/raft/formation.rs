//! How a node comes to belong: beginning a cluster, joining one, opening the groups that the system
//! group's state names, founding the group of its region.
//!
//! Driven by level: whatever was interrupted is found undone and done again. No hand is needed, and
//! nothing here ever initialises a group that has a log.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    id::{ClusterId, GroupId, NodeId},
    org::{ApiKey, ClusterRecord, Isolation, NodeRecord, Survive},
    region::Region,
    version,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use tokio::time::Instant;

use super::{
    acquaintance::Logged,
    closing,
    config::Bootstrap,
    fault::Fault,
    founding,
    groups::Groups,
    propose::Proposed,
    retime,
    service::register,
    standing,
    transport::{Peer, TransportError},
    types::Member,
};

/// Between attempts to join or to form.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// For one seed's answer to a request to join.
const JOIN_LIMIT: Duration = Duration::from_secs(6);
/// For the first entries of a cluster to be committed.
const FORM_LIMIT: Duration = Duration::from_secs(5);
/// Before a node says that its seeds are silent: at a first start they come up one after another.
const COMPLAIN_AFTER: Duration = Duration::from_secs(3);
/// Between two times that it says so.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);
/// How often the level is looked at even if nothing seems to have changed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Makes the node a member and keeps its groups as the system group's state has them, until it is
/// stopped; returns a fault when it must stop.
pub(crate) async fn run(groups: Groups) -> Fault {
    if let Err(fault) = belong(&groups).await {
        return fault;
    }
    loop {
        if let Err(fault) = settle(&groups).await {
            return fault;
        }
        drop(tokio::time::timeout(CHECK_EVERY, groups.system_changed().notified()).await);
        if let Err(fault) = standing::ask(&groups).await {
            return fault;
        }
    }
}

/// Bootstraps or joins, unless the node belongs to a cluster already.
async fn belong(groups: &Groups) -> Result<(), Fault> {
    groups.reload_system()?;
    let logged = groups.recall()?;
    if groups.cluster().is_some() {
        require_log(groups)?;
    }
    // The cluster's id is saved after the node's admission has come through its log: when the power
    // fails in between, state or log still have it.
    let formed = groups.system().cluster.as_ref().map(|cluster| cluster.id);
    let (mut is_founder, mut complaint) = (false, Complaint::default());
    if let Some(cluster) = groups.cluster().or(formed).or(logged.cluster) {
        is_founder = logged.is_founder;
        groups.set_cluster(cluster);
    } else if let Some(bootstrap) = groups.config().bootstrap.clone() {
        is_founder = logged.is_founder || may_found(groups, &logged, &mut complaint).await?;
        if is_founder {
            groups.set_cluster(bootstrap.cluster);
        }
    }
    if groups.cluster().is_some() {
        groups.set_peers();
        groups.open(GroupId::SYSTEM).await?;
        groups.reload_system()?;
    }
    if let Some(bootstrap) = groups.config().bootstrap.clone()
        && is_founder
    {
        form(groups, &bootstrap).await?;
    }
    let is_in = || groups.system().nodes.contains_key(&groups.node());
    while !(groups.cluster().is_some() && is_in()) {
        match join(groups, &mut complaint).await? {
            Joining::Done => break,
            ended => complaint.of(ended, false),
        }
        tokio::time::sleep(RETRY_EVERY).await;
        groups.reload_system()?;
    }
    Ok(())
}

/// Whether a node that is to begin a cluster begins one, after it has asked its seeds.
///
/// # Why every other seed must answer
/// A wiped node whose settings still say "bootstrap" must not begin a second cluster beside the one
/// that its seeds belong to. It cannot tell that from a first start by itself: both directories are
/// empty. A seed that belongs to a cluster says so from the moment on it runs, and one that says that
/// it belongs to none knows of none; but one that is silent may be in the cluster that lives. A majority
/// of answers would not do: the seeds that were wiped together with this node answer first. At a first
/// start all seeds come up within a moment; who wants to begin with one node leaves its `seeds` empty.
///
/// One that has anything in its log got that as a member of a cluster, and begins none.
async fn may_found(
    groups: &Groups,
    logged: &Logged,
    complaint: &mut Complaint,
) -> Result<bool, Fault> {
    loop {
        match join(groups, complaint).await? {
            Joining::Done => return Ok(false),
            Joining::Nobody if !logged.has_entries => return Ok(true),
            ended @ (Joining::Nobody | Joining::Silent | Joining::NotNow) => {
                complaint.of(ended, true);
                tokio::time::sleep(RETRY_EVERY).await;
            }
        }
    }
}

/// Says now and then that a node waits for its seeds, or why they refuse it.
#[derive(Debug, Default)]
struct Complaint {
    since: Option<Instant>,
    said: Option<Instant>,
    /// Why it was refused, as it was said last, and when.
    refused: Option<(String, Instant)>,
}

impl Complaint {
    /// What asking came to; said aloud when that has lasted.
    fn of(&mut self, ended: Joining, is_to_found: bool) {
        if ended != Joining::Silent {
            (self.since, self.said) = (None, None);
            return;
        }
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let is_new = self.said.is_none_or(|said| now - said >= COMPLAIN_EVERY);
        if now - since < COMPLAIN_AFTER || !is_new {
            return;
        }
        self.said = Some(now);
        if is_to_found {
            tracing::warn!(
                "no cluster is begun yet: not every seed has answered, and one that is silent may \
                 belong to a cluster; this node waits for it (a node without other seeds begins alone)"
            );
        } else {
            tracing::warn!("this node belongs to no cluster, and not all of its seeds answer");
        }
    }

    /// A seed has refused this node. It is asked again: an operator may have seen to the reason meanwhile.
    fn of_refusal(&mut self, seed: &str, reason: String) {
        let now = Instant::now();
        let is_new = self.refused.as_ref().is_none_or(|(said, when)| {
            let least = if *said == reason { COMPLAIN_EVERY } else { COMPLAIN_AFTER };
            now - *when >= least
        });
        if is_new {
            tracing::warn!(%seed, reason, "not admitted to the cluster; this node goes on asking");
            self.refused = Some((reason, now));
        }
    }
}

/// A node that is known to belong to a cluster must have its log: without it a voter would have
/// forgotten what it acknowledged, and must come back as a new node. The cluster's id is saved only
/// after the log has something in it ([`settle`]), so an empty log beside a saved id was lost.
fn require_log(groups: &Groups) -> Result<(), Fault> {
    let state = groups.environment().log.state(GroupId::SYSTEM.0);
    if state.vote.is_none() && state.last.is_none() && state.purged.is_none() {
        let reason = "this node belongs to a cluster, but its log is empty: the log was lost; wipe \
                      the whole data directory, and the node comes back as a new one";
        return Err(Fault::caused("opening the log", reason));
    }
    Ok(())
}

/// Initialises the system group with this node alone, and writes the cluster's first entries.
async fn form(groups: &Groups, bootstrap: &Bootstrap) -> Result<(), Fault> {
    if groups.cluster() != Some(bootstrap.cluster) {
        return Ok(()); // It belongs to a cluster already: a second bootstrap does nothing.
    }
    initialize_alone(groups, GroupId::SYSTEM).await?;
    // Looked at again each time: a power failure may have taken the state back to nothing, and then
    // this node learns from the others' appends what it has begun, and who they are.
    while groups.system().cluster.is_none() {
        let cluster = ClusterRecord {
            id: bootstrap.cluster,
            feature_level: groups.config().feature_level,
            survive: Survive::Node,
            isolation: Isolation::default(),
        };
        let formed = propose(groups, beginning(groups, cluster, &bootstrap.operator_key)).await;
        if let Proposed::Committed { .. } = formed {
            // A refusal says that it is formed already: by this node, before it was stopped.
            break;
        }
        tokio::time::sleep(RETRY_EVERY).await;
        groups.reload_system()?;
    }
    while !groups.system().nodes.contains_key(&groups.node()) {
        if let Proposed::Committed { .. } = register(groups, groups.own_record()).await {
            break;
        }
        tokio::time::sleep(RETRY_EVERY).await;
        groups.reload_system()?;
    }
    groups.reload_system()
}

/// The first entry of a cluster: the names of its first regions are in it, so that none has a moment
/// without names. A node that passes for one of the first release knows of no names.
fn beginning(groups: &Groups, cluster: ClusterRecord, operator_key: &ApiKey) -> Command {
    let operator_key = operator_key.clone();
    if cluster.feature_level == version::FEATURE_LEVEL_FIRST {
        return Command::Form { cluster, operator_key };
    }
    let mut regions = groups.config().regions.clone();
    if !regions.contains(groups.region()) {
        regions.push(groups.region().clone());
    }
    tracing::info!(
        regions = %listed(&regions),
        "a cluster is begun; nodes of any other region are refused until it is added (concordat region add)"
    );
    Command::FormWithRegions { cluster, operator_key, regions }
}

fn listed(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

async fn propose(groups: &Groups, command: Command) -> Proposed {
    let id = groups.internal_write_id();
    let proposal = groups.own_proposal(GroupId::SYSTEM, id, command);
    groups.propose(GroupId::SYSTEM, proposal, Instant::now() + FORM_LIMIT).await
}

/// Makes this node the only voter of a group whose replica has nothing in it.
async fn initialize_alone(groups: &Groups, group: GroupId) -> Result<(), Fault> {
    let Some(replica) = groups.replica(group) else { return Ok(()) };
    let doing = || format!("founding group {group}");
    let initialized = replica.raft.is_initialized().await;
    if initialized.map_err(|error| Fault::caused(doing(), error))? {
        return Ok(());
    }
    let member = Member { region: groups.region().to_string() };
    let members = BTreeMap::from([(groups.node().0, member)]);
    replica.raft.initialize(members).await.map_err(|error| Fault::caused(doing(), error))
}

/// How asking the seeds ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joining {
    /// The cluster knows this node.
    Done,
    /// There is a cluster, and it could not admit this node just now.
    NotNow,
    /// Some seed cannot be reached, and none that can belongs to a cluster.
    Silent,
    /// Every seed has answered that it belongs to no cluster; or there are no others.
    Nobody,
}

impl Joining {
    /// What was found before, unless that was nobody.
    fn or(self, now: Self) -> Self {
        if self == Self::Nobody { now } else { self }
    }
}

/// Asks every seed once.
async fn join(groups: &Groups, complaint: &mut Complaint) -> Result<Joining, Fault> {
    let mut joining = Joining::Nobody;
    for seed in &groups.config().seeds {
        if *seed == groups.config().peer_address {
            continue;
        }
        let reply = match ask_to_join(groups, seed).await {
            Ok(bytes) => PeerReply::decode(&bytes),
            Err(error @ (TransportError::Unreachable { .. } | TransportError::UnknownPeer(_))) => {
                tracing::debug!(%seed, %error, "a seed cannot be reached");
                joining = joining.or(Joining::Silent);
                continue;
            }
            Err(error @ (TransportError::TimedOut | TransportError::Lost)) => {
                tracing::info!(%seed, %error, "a seed did not answer");
                joining = Joining::NotNow;
                continue;
            }
        };
        match reply {
            Ok(PeerReply::Joined { cluster, nodes }) => {
                joined(groups, cluster, &nodes).await?;
                return Ok(Joining::Done);
            }
            Ok(PeerReply::NotLeader { .. }) => joining = Joining::NotNow,
            Ok(PeerReply::Removed { replaced_by }) => standing::require(false, replaced_by)?,
            Ok(PeerReply::NoCluster) => tracing::debug!(%seed, "a seed belongs to no cluster yet"),
            Ok(PeerReply::Refused(reason)) => {
                complaint.of_refusal(seed, reason);
                joining = Joining::NotNow;
            }
            Ok(other) => {
                tracing::warn!(%seed, ?other, "an unexpected answer to a join");
                joining = joining.or(Joining::Silent);
            }
            Err(error) => {
                tracing::warn!(%seed, %error, "a malformed answer to a join");
                joining = joining.or(Joining::Silent);
            }
        }
    }
    Ok(joining)
}

/// Asks one seed, in the words of the first release where it knows no others.
async fn ask_to_join(groups: &Groups, seed: &str) -> Result<Bytes, TransportError> {
    let (node, feature_level) = (groups.own_record(), groups.config().feature_level);
    let ask = |request: PeerRequest| {
        let body = Bytes::from(request.encode());
        groups.environment().transport.request_join(seed.to_owned(), body, JOIN_LIMIT)
    };
    if feature_level == version::FEATURE_LEVEL_FIRST {
        return ask(PeerRequest::Join(node)).await;
    }
    let reply = ask(PeerRequest::JoinAt { node: node.clone(), feature_level }).await?;
    if !matches!(PeerReply::decode(&reply), Ok(PeerReply::Refused(_))) {
        return Ok(reply);
    }
    // A seed of the first release refuses what it cannot read. One of this release that refuses both has
    // given its reason the first time.
    let again = ask(PeerRequest::Join(node)).await?;
    let is_refused = matches!(PeerReply::decode(&again), Ok(PeerReply::Refused(_)));
    Ok(if is_refused { reply } else { again })
}

async fn joined(groups: &Groups, cluster: ClusterId, nodes: &[NodeRecord]) -> Result<(), Fault> {
    match groups.cluster() {
        Some(own) if own != cluster => {
            let reason = format!("this node belongs to cluster {own}, the seeds to {cluster}");
            return Err(Fault::caused("joining", reason));
        }
        Some(_) => {}
        None => groups.set_cluster(cluster),
    }
    groups.be_told(nodes);
    groups.open(GroupId::SYSTEM).await?;
    tracing::info!(%cluster, nodes = nodes.len(), "joined");
    Ok(())
}

/// Brings peers and groups to what the system group's state says.
async fn settle(groups: &Groups) -> Result<(), Fault> {
    groups.reload_system()?;
    let system = groups.system();
    if let Some(own) = system.nodes.get(&groups.node()) {
        groups.save_cluster()?;
        standing::require(own.is_there(), own.replaced_by)?;
        if *own != groups.own_record() {
            drop(register(groups, groups.own_record()).await); // Tried again at the next look.
        }
    }
    groups.set_peers();
    closing::close_gone(groups, &system).await?;
    for region in system.regions.values().filter(|record| !system.is_closed(record.group)) {
        let is_founder = region.founder == groups.node();
        match system.predecessor(region.group) {
            Some((closed, succession)) if is_founder => {
                founding::found(groups, closed, succession).await?;
                groups.open(region.group).await?;
            }
            Some(_) => groups.open(region.group).await?,
            None => {
                groups.open(region.group).await?;
                if is_founder {
                    initialize_alone(groups, region.group).await?;
                }
            }
        }
    }
    retime::settle(groups, &system).await
}

/// The nodes that are still there, as the transport's address book.
pub(crate) fn peers<'a>(nodes: impl Iterator<Item = &'a NodeRecord>, own: NodeId) -> Vec<Peer> {
    nodes
        .filter(|node| node.id != own && node.is_there())
        .map(|node| Peer {
            id: node.id,
            region: node.region.clone(),
            address: node.peer_address.clone(),
        })
        .collect()
}
