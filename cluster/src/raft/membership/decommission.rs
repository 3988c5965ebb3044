//! Removes the nodes and regions that are leaving, once nothing needs them any more. It runs on the
//! system group's leader; the next leader continues the work.
//!
//! `placement/leaving.rs` decides when something is not needed. This file must never remove
//! anything on the word of another node.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId, OrgId},
    log::LogIndex,
    org::{NodeState, RegionState},
    region::Region,
};
use tokio::time::Instant;

use crate::{
    machine::{SystemView, home_orgs},
    placement::{self, Leaving},
    raft::{
        blocking,
        core::Core,
        membership::view,
        write::propose::{Proposed, propose_to_system},
    },
    store::StoreError,
};

/// How long a node or region must be unneeded. Longer than several reports between nodes, and than
/// the commit of a step that was planned before.
const UNNEEDED_FOR: Duration = Duration::from_secs(2);

/// What this leader has seen of them.
#[derive(Debug, Default)]
pub(crate) struct Decommissioning {
    /// The applied index of the system group at which each was first seen leaving.
    seen: BTreeMap<Leaving, LogIndex>,
    unneeded_since: BTreeMap<Leaving, Instant>,
}

impl Decommissioning {
    /// Checks all nodes and regions that are leaving, and removes the unneeded ones.
    pub(crate) async fn look(&mut self, core: &Core, system: &SystemView) {
        let leaving = placement::leaving(system);
        self.seen.retain(|target, _| leaving.contains_key(target));
        self.unneeded_since.retain(|target, _| leaving.contains_key(target));
        for (target, nodes) in leaving {
            let at =
                *self.seen.entry(target.clone()).or_insert_with(|| core.applied(GroupId::SYSTEM));
            let own_group = target.own_group(system);
            if !is_seen_by_all(core, at) || !votes_nowhere(core, system, &nodes, own_group) {
                self.unneeded_since.remove(&target);
                continue;
            }
            let since = *self.unneeded_since.entry(target.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= UNNEEDED_FOR {
                remove(core, target).await;
            }
        }
    }

    /// Forgets all: another node leads.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn is_seen_by_all(core: &Core, at: LogIndex) -> bool {
    let applied = |node| core.tracker().applied_of(GroupId::SYSTEM, node);
    placement::is_seen_by_all(core.tracker().live(core.node()), applied, at)
}

fn votes_nowhere(
    core: &Core,
    system: &SystemView,
    nodes: &BTreeSet<NodeId>,
    but: Option<GroupId>,
) -> bool {
    let replicas = core.replicas();
    let views = replicas.iter().map(|replica| view::observed(core, system, replica));
    placement::votes_nowhere(views, nodes, but)
}

async fn remove(core: &Core, target: Leaving) {
    let command = match &target {
        Leaving::Node(node) => Command::SetNodeState { node: *node, state: NodeState::Removed },
        Leaving::Region(region) => {
            match org_at_home(core, region).await {
                Ok(None) => {}
                Ok(Some(org)) => {
                    tracing::warn!(%region, %org, "the region is not removed yet: an organization has its home there");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%region, %error, "checking the region for organizations");
                    return;
                }
            }
            Command::SetRegionState { region: region.clone(), state: RegionState::Removed }
        }
    };
    match propose_to_system(core, command).await {
        Proposed::Committed { applied, .. } => {
            tracing::info!(?target, outcome = ?applied.outcome, "removed");
        }
        Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed => {
            tracing::info!(?target, "not removed yet: no answer from the system group");
        }
    }
}

/// Why it is not known yet whether an organization is at home in a region.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// One that has moved would be missed.
    #[error("this node is behind with group {0}")]
    Behind(GroupId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Waits until this node has what the leader of each home group had a moment ago: an organization
/// that has moved is looked for where it is now.
async fn catch_up(core: &Core) -> Result<(), LookError> {
    for (group, _) in core.home_groups() {
        let leader = core.leader_of(group);
        let applied = leader.and_then(|leader| core.tracker().applied_of(group, leader));
        let deadline = Instant::now() + UNNEEDED_FOR;
        if !core.wait_visible(group, applied.unwrap_or_default(), deadline).await {
            return Err(LookError::Behind(group));
        }
    }
    Ok(())
}

async fn org_at_home(core: &Core, region: &Region) -> Result<Option<OrgId>, LookError> {
    catch_up(core).await?;
    Ok(core.org_at_home(region).await?)
}

impl Core {
    /// An organization that is at home in a region, or was claimed for it and has not begun.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) async fn org_at_home(&self, region: &Region) -> Result<Option<OrgId>, StoreError> {
        let (store, system) = (Arc::clone(self.shadow_store()), self.system());
        let region = region.clone();
        // It may look at every claim: not on the thread that keeps the groups alive.
        let look = move || home_orgs::org_at_home(&*store, &system, &region);
        let found = blocking::run(self.shadow_store(), look).await;
        found.map_err(|error| StoreError::caused("looking for organizations", error))?
    }
}
