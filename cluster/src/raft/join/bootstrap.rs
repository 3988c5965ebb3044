//! Bootstrap: creates a cluster or joins one, opens the groups in the system group's state, and
//! creates the group of the node's region.
//!
//! A level-triggered reconciliation loop: interrupted work is found and done again, without an
//! operator. Nothing here ever initializes a group that has a log.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    command::Command,
    id::{ClusterId, GroupId},
    org::{ApiKey, ClusterRecord, NodeRecord, PartitionPolicyRecord, SurvivalGoal},
    region::Region,
    version,
    wire::{Wire, peer::PeerReply},
};
use tokio::time::Instant;

use crate::raft::{
    config::Bootstrap,
    core::Core,
    engine::types::Member,
    failover::successor,
    fault::Fault,
    join::{
        peer_discovery::Logged,
        register::{ask_to_join, register},
        removal_check,
    },
    membership::group_gc,
    replica::timing_profile,
    transport::TransportError,
    write::propose::Proposed,
};

/// Between attempts to join or to form.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// For the first entries of a cluster to be committed.
const FORM_LIMIT: Duration = Duration::from_secs(5);
/// The time before a node logs that its seeds are silent: at a first start they come up one after
/// another.
const COMPLAIN_AFTER: Duration = Duration::from_secs(3);
/// The interval between such log lines.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);
/// The interval of checks even if nothing seems to have changed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Makes the node a member and keeps its groups as the system group's state has them, until it is
/// stopped; returns a fault when it must stop.
pub(crate) async fn run(core: Core) -> Fault {
    if let Err(fault) = join_or_bootstrap(&core).await {
        return fault;
    }
    loop {
        if let Err(fault) = reconcile_groups(&core).await {
            return fault;
        }
        drop(tokio::time::timeout(CHECK_EVERY, core.system_changed().notified()).await);
        if let Err(fault) = removal_check::ask(&core).await {
            return fault;
        }
    }
}

/// Bootstraps or joins, unless the node belongs to a cluster already.
async fn join_or_bootstrap(core: &Core) -> Result<(), Fault> {
    core.reload_system()?;
    let logged = core.recall()?;
    if core.cluster().is_some() {
        require_log(core)?;
    }
    // The cluster's id is saved after the node's admission has come through its log: if the power
    // fails in between, state or log still have it.
    let formed = core.system().cluster.as_ref().map(|cluster| cluster.id);
    let (mut is_founder, mut complaint) = (false, Complaint::default());
    if let Some(cluster) = core.cluster().or(formed).or(logged.cluster) {
        is_founder = logged.is_founder;
        core.set_cluster(cluster);
    } else if let Some(bootstrap) = core.config().bootstrap.clone() {
        is_founder = logged.is_founder || may_bootstrap(core, &logged, &mut complaint).await?;
        if is_founder {
            core.set_cluster(bootstrap.cluster);
        }
    }
    if core.cluster().is_some() {
        core.set_peers();
        core.open(GroupId::SYSTEM).await?;
        core.reload_system()?;
    }
    if let Some(bootstrap) = core.config().bootstrap.clone()
        && is_founder
    {
        begin_cluster(core, &bootstrap).await?;
    }
    let is_in = || core.system().nodes.contains_key(&core.node());
    while !(core.cluster().is_some() && is_in()) {
        match join(core, &mut complaint).await? {
            Joining::Done => break,
            ended @ (Joining::NotNow | Joining::Silent | Joining::NoCluster) => {
                complaint.of(ended, false);
            }
        }
        tokio::time::sleep(RETRY_EVERY).await;
        core.reload_system()?;
    }
    Ok(())
}

/// Whether a node that is configured to create a cluster does so, after it has asked its seeds.
///
/// # Why every other seed must answer
/// A wiped node whose settings still say "bootstrap" must not create a second cluster beside the
/// one of its seeds. It cannot distinguish that from a first start by itself: both directories are
/// empty. A seed that is in a cluster answers so as soon as it runs, and one that answers that it
/// is in none knows of none; but a silent seed may be in the living cluster. A majority of answers
/// does not suffice: seeds that were wiped together with this node answer first. At a first start
/// all seeds come up within a moment; to begin with one node, leave its `seeds` empty.
///
/// A node that has entries in its log got them as a member of a cluster, and creates none.
async fn may_bootstrap(
    core: &Core,
    logged: &Logged,
    complaint: &mut Complaint,
) -> Result<bool, Fault> {
    loop {
        match join(core, complaint).await? {
            Joining::Done => return Ok(false),
            Joining::NoCluster if !logged.has_entries => return Ok(true),
            ended @ (Joining::NoCluster | Joining::Silent | Joining::NotNow) => {
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
    /// The last refusal, and when it was logged.
    refused: Option<(String, Instant)>,
}

impl Complaint {
    /// The result of asking; logged when it has lasted.
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
            tracing::warn!(%seed, reason, "not admitted to the cluster; this node keeps trying");
            self.refused = Some((reason, now));
        }
    }
}

/// A node that is known to belong to a cluster must have its log: without it a voter would have
/// forgotten entries that it acknowledged, and must be replaced by a new node. The cluster's id is
/// saved only after the log has entries ([`reconcile_groups`]), so an empty log beside a saved id
/// was lost.
fn require_log(core: &Core) -> Result<(), Fault> {
    let state = core.environment().log.state(GroupId::SYSTEM.0);
    if state.vote.is_none() && state.last.is_none() && state.purged.is_none() {
        let reason = "this node belongs to a cluster, but its log is empty: the log was lost; wipe \
                      the whole data directory, and the node comes back as a new one";
        return Err(Fault::caused("opening the log", reason));
    }
    Ok(())
}

/// Initializes the system group with this node alone, and writes the cluster's first entries.
async fn begin_cluster(core: &Core, bootstrap: &Bootstrap) -> Result<(), Fault> {
    if core.cluster() != Some(bootstrap.cluster) {
        return Ok(()); // It belongs to a cluster already: a second bootstrap does nothing.
    }
    initialize_alone(core, GroupId::SYSTEM).await?;
    // Checked again each time: a power failure may have taken the state back to nothing, and then
    // this node learns from the others' appends which cluster it has created, and its members.
    while core.system().cluster.is_none() {
        let cluster = ClusterRecord {
            id: bootstrap.cluster,
            feature_level: core.config().feature_level,
            survival_goal: SurvivalGoal::Node,
            partition_policy: PartitionPolicyRecord::default(),
        };
        let formed = propose(core, beginning(core, cluster, &bootstrap.operator_key)).await;
        if let Proposed::Committed { .. } = formed {
            // A refusal says that the cluster exists already: this node created it before it was
            // stopped.
            break;
        }
        tokio::time::sleep(RETRY_EVERY).await;
        core.reload_system()?;
    }
    while !core.system().nodes.contains_key(&core.node()) {
        if let Proposed::Committed { .. } = register(core, core.own_record()).await {
            break;
        }
        tokio::time::sleep(RETRY_EVERY).await;
        core.reload_system()?;
    }
    core.reload_system()
}

/// The first entry of a cluster: the names of its first regions are in it, so that none has a moment
/// without names. A node that passes for one of the first release knows of no names.
fn beginning(core: &Core, cluster: ClusterRecord, operator_key: &ApiKey) -> Command {
    let operator_key = operator_key.clone();
    if cluster.feature_level == version::FEATURE_LEVEL_FIRST {
        return Command::Form { cluster, operator_key };
    }
    let mut regions = core.config().regions.clone();
    if !regions.contains(core.region()) {
        regions.push(core.region().clone());
    }
    tracing::info!(
        regions = %listed(&regions),
        "the cluster is bootstrapped; nodes of any other region are refused until it is added (concordat region add)"
    );
    Command::FormWithRegions { cluster, operator_key, regions }
}

fn listed(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

async fn propose(core: &Core, command: Command) -> Proposed {
    let id = core.internal_write_id();
    let proposal = core.own_proposal(GroupId::SYSTEM, id, command);
    core.propose(GroupId::SYSTEM, proposal, Instant::now() + FORM_LIMIT).await
}

/// Makes this node the only voter of a group whose replica is empty.
async fn initialize_alone(core: &Core, group: GroupId) -> Result<(), Fault> {
    let Some(replica) = core.replica(group) else { return Ok(()) };
    let context = || format!("founding group {group}");
    let initialized = replica.raft.is_initialized().await;
    if initialized.map_err(|error| Fault::caused(context(), error))? {
        return Ok(());
    }
    let member = Member { region: core.region().to_string() };
    let members = BTreeMap::from([(core.node().0, member)]);
    replica.raft.initialize(members).await.map_err(|error| Fault::caused(context(), error))
}

/// The result of asking the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joining {
    /// The cluster knows this node.
    Done,
    /// There is a cluster, and it could not admit this node just now.
    NotNow,
    /// Some seed cannot be reached, and none that can belongs to a cluster.
    Silent,
    /// Every seed has answered that it belongs to no cluster; or there are no others.
    NoCluster,
}

impl Joining {
    /// The earlier result, unless that was no answer.
    fn or(self, now: Self) -> Self {
        if self == Self::NoCluster { now } else { self }
    }
}

/// Asks every seed once.
async fn join(core: &Core, complaint: &mut Complaint) -> Result<Joining, Fault> {
    let mut joining = Joining::NoCluster;
    for seed in &core.config().seeds {
        if *seed == core.config().peer_address {
            continue;
        }
        let reply = match ask_to_join(core, seed).await {
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
                joined(core, cluster, &nodes).await?;
                return Ok(Joining::Done);
            }
            Ok(PeerReply::NotLeader { .. }) => joining = Joining::NotNow,
            Ok(PeerReply::Removed { replaced_by }) => removal_check::require(false, replaced_by)?,
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

async fn joined(core: &Core, cluster: ClusterId, nodes: &[NodeRecord]) -> Result<(), Fault> {
    match core.cluster() {
        Some(own) if own != cluster => {
            let reason = format!("this node belongs to cluster {own}, the seeds to {cluster}");
            return Err(Fault::caused("joining", reason));
        }
        Some(_) => {}
        None => core.set_cluster(cluster),
    }
    core.on_relayed(nodes);
    core.open(GroupId::SYSTEM).await?;
    tracing::info!(%cluster, nodes = nodes.len(), "joined");
    Ok(())
}

/// Reconciles peers and groups with the system group's state.
async fn reconcile_groups(core: &Core) -> Result<(), Fault> {
    core.reload_system()?;
    let system = core.system();
    if let Some(own) = system.nodes.get(&core.node()) {
        core.save_cluster()?;
        removal_check::require(own.is_there(), own.replaced_by)?;
        if *own != core.own_record() {
            drop(register(core, core.own_record()).await); // Tried again at the next look.
        }
    }
    core.set_peers();
    group_gc::close_ended(core, &system).await?;
    for region in system.regions.values().filter(|record| !system.is_closed(record.group)) {
        let is_founder = region.founder == core.node();
        match system.predecessor(region.group) {
            Some((closed, succession)) if is_founder => {
                successor::found(core, closed, succession).await?;
                core.open(region.group).await?;
            }
            Some(_) => core.open(region.group).await?,
            None => {
                core.open(region.group).await?;
                if is_founder {
                    initialize_alone(core, region.group).await?;
                }
            }
        }
    }
    timing_profile::adjust(core, &system).await
}
