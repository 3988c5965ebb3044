//! Raising the cluster's feature level: the system group's leader asks every member which level its
//! build knows, and proposes the newest that all of them know.
//!
//! A command of a later level is never proposed before: a member of an earlier release cannot read it,
//! and would end, as would all others of that release. The question itself is safe to ask of them: they
//! refuse it, which says that they know the first level only. A member that does not answer holds the
//! level where it is, for it may come back with an earlier build.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    version,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future;
use tokio::time::Instant;

use super::{
    groups::{Groups, SystemView},
    operate,
    propose::Proposed,
    transport::Channel,
};
use crate::planted::{self, Bug};

/// Between two rounds of questions.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// For one member's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

impl Groups {
    /// The cluster's feature level, as far as this node has applied it: what may be proposed.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        let system = self.system();
        system.cluster.as_ref().map_or(version::FEATURE_LEVEL_FIRST, |it| it.feature_level)
    }

    /// Whether every member has said that it knows a command.
    pub(crate) fn may_propose(&self, command: &Command) -> bool {
        // The first entry of a cluster, and the first of the system group that is beyond the level:
        // their rules see to it themselves.
        let sees_to_it = matches!(
            command,
            Command::Form { .. }
                | Command::FormWithRegions { .. }
                | Command::RaiseFeatureLevel { .. }
        );
        sees_to_it
            || command.feature_level() <= self.feature_level()
            || planted::is(Bug::NewCommandTooEarly)
    }
}

/// What the system group's leader keeps between its looks.
#[derive(Debug, Default)]
pub(crate) struct Raising {
    asked: Option<Instant>,
    /// Who held the level back in the last round, so that a change is logged once.
    behind: BTreeSet<NodeId>,
}

impl Raising {
    /// Raises the level if it is due. For the system group's leader.
    pub(crate) async fn look(&mut self, groups: &Groups, system: &SystemView) {
        let own = groups.config().feature_level;
        let level = groups.feature_level();
        let is_due = system.cluster.is_some() && level < own;
        if !is_due || self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        let known = ask(groups, system).await;
        // A later round asks for more, once those that are behind have been upgraded.
        let least = known.values().copied().min().unwrap_or(level);
        self.note(&known, own);
        if least <= level && !planted::is(Bug::NewCommandTooEarly) {
            return;
        }
        let known_by = known.keys().copied().collect();
        let raised = Command::RaiseFeatureLevel { level: least.max(level + 1), known_by };
        match operate::propose(groups, raised).await {
            Proposed::Committed { applied, .. } => {
                tracing::info!(level = least, outcome = ?applied.outcome, "raising the feature level");
            }
            Proposed::NotProposed
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
                tracing::info!(%node, level = own, "the feature level waits for a node");
            }
            self.behind = behind;
        }
    }
}

/// The level that each member has said that it knows; the first one of who did not say.
async fn ask(groups: &Groups, system: &SystemView) -> BTreeMap<NodeId, u32> {
    let members = system.nodes.values().filter(|node| node.is_there()).map(|node| node.id);
    let body = Bytes::from(PeerRequest::FeatureLevel.encode());
    let transport = &groups.environment().transport;
    let answers = members.map(|member| {
        let body = body.clone();
        async move {
            if member == groups.node() {
                return (member, groups.config().feature_level);
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

/// What a group's log is still to note of the level: nothing in the system group, whose state has it.
pub(crate) fn due(groups: &Groups, group: GroupId, noted: u32) -> Option<Command> {
    let level = groups.feature_level();
    (group != GroupId::SYSTEM && noted < level && level > version::FEATURE_LEVEL_FIRST)
        .then_some(Command::NoteFeatureLevel(level))
}
