//! Raises the cluster's feature level: the system group's leader asks every member which level its
//! build supports, and proposes the newest that all of them support.
//!
//! A command of a later level is never proposed before: a member of an earlier release cannot read
//! it and would stop, as would all others of that release. The question itself is safe to ask: they
//! refuse it, which shows that they support the first level only. A member that does not answer
//! keeps the level where it is, because it may return with an earlier build.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    id::NodeId,
    version,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future;
use tokio::time::Instant;

use crate::{
    machine::{SystemView, raised},
    raft::{
        core::Core,
        transport::Channel,
        write::propose::{Proposed, propose_to_system},
    },
};

/// Between two rounds of questions.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// For one member's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The state of the system group's leader between its checks.
#[derive(Debug, Default)]
pub(crate) struct Raising {
    asked: Option<Instant>,
    /// The members that prevented a raise in the last round, so that a change is logged once.
    behind: BTreeSet<NodeId>,
}

impl Raising {
    /// Raises the level if it is due. For the system group's leader.
    pub(crate) async fn look(&mut self, core: &Core, system: &SystemView) {
        let own = core.config().feature_level;
        let level = core.feature_level();
        let is_due = system.cluster.is_some() && level < own;
        if !is_due || self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        let known = ask(core, system).await;
        self.note(&known, own);
        let Some(raised) = raised(level, &known) else { return };
        let known_by = known.keys().copied().collect();
        match propose_to_system(core, Command::RaiseFeatureLevel { level: raised, known_by }).await
        {
            Proposed::Committed { applied, .. } => {
                tracing::info!(level = raised, outcome = ?applied.outcome, "raising the feature level");
            }
            Proposed::NotProposed
            | Proposed::Busy
            | Proposed::Queued { .. }
            | Proposed::Unknown
            | Proposed::Closed => {}
        }
    }

    fn note(&mut self, known: &BTreeMap<NodeId, u32>, own: u32) {
        let behind = known.iter().filter(|(_, level)| **level < own).map(|(node, _)| *node);
        let behind: BTreeSet<NodeId> = behind.collect();
        if behind != self.behind {
            for node in &behind {
                tracing::info!(%node, level = own, "the feature level is not raised: a node does not support it");
            }
            self.behind = behind;
        }
    }
}

/// The level that each member has reported; the first one for members that did not.
async fn ask(core: &Core, system: &SystemView) -> BTreeMap<NodeId, u32> {
    let members = system.nodes.values().filter(|node| node.is_there()).map(|node| node.id);
    let body = Bytes::from(PeerRequest::FeatureLevel.encode());
    let transport = &core.environment().transport;
    let answers = members.map(|member| {
        let body = body.clone();
        async move {
            if member == core.node() {
                return (member, core.config().feature_level);
            }
            let asked = transport.request(member, Channel::Control, body, ANSWER_LIMIT).await;
            let said = asked.ok().and_then(|bytes| match PeerReply::decode(&bytes) {
                Ok(PeerReply::FeatureLevel(level)) => Some(level),
                Ok(_) | Err(_) => None,
            });
            (member, said.unwrap_or(version::FEATURE_LEVEL_FIRST))
        }
    });
    future::join_all(answers).await.into_iter().collect()
}
