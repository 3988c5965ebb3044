//! Reports that reach a group's leader and not this node: a link that carries one way only.
//!
//! A write that begins here waits for the reports of replicas. Where one of them is alive, holds leases
//! of the leader, and cannot be heard from here, each write would wait for the end of its lease. So
//! this node asks the leader what that replica has reported there. A report stays true, whichever node
//! passes it on. It must never count as a sign of life: a node that is heard of only through another one
//! stays unheard, and the leader is asked on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    id::GroupId,
    wire::{
        Wire,
        peer::{NodeProgress, PeerReply, PeerRequest},
    },
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior};

use crate::raft::{core::Core, transport::Channel};

/// Between looks for waits that lack a report.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// For how long the leader is asked on after the last such wait, so that the next write need not wait
/// for a look.
const ASKED_FOR: Duration = Duration::from_secs(2);
/// How long an answer may take that has nothing to say.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Asks until the node stops.
pub(crate) async fn run(core: Core) {
    let mut wanted: BTreeMap<GroupId, Instant> = BTreeMap::new();
    let mut asked: BTreeSet<GroupId> = BTreeSet::new();
    let mut asking: FuturesUnordered<BoxFuture<'_, (GroupId, bool)>> = FuturesUnordered::new();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = tokio::select! {
            now = tick.tick() => {
                let until = now + ASKED_FOR;
                wanted.extend(core.tracker().groups_unheard().into_iter().map(|it| (it, until)));
                wanted.retain(|_, until| *until > now);
                now
            }
            Some((group, is_further)) = asking.next() => {
                asked.remove(&group);
                if !is_further {
                    // There is no leader, or nothing to learn from it: the next look is soon enough.
                    continue;
                }
                Instant::now()
            }
        };
        for (group, _) in wanted.iter().filter(|(_, until)| **until > now) {
            if asked.insert(*group) {
                asking.push(ask(&core, *group).boxed());
            }
        }
    }
}

/// Asks a group's leader once; whether there was news.
async fn ask(core: &Core, group: GroupId) -> (GroupId, bool) {
    let known = core.tracker().unheard(group);
    let leader = core.replica(group).and_then(|replica| replica.leader());
    let Some(leader) = leader.filter(|leader| *leader != core.node() && !known.is_empty()) else {
        return (group, false);
    };
    let asked: BTreeSet<_> = known.iter().map(|it| it.node).collect();
    let wait_ms = u32::try_from(ANSWER_WITHIN.as_millis()).unwrap_or(u32::MAX);
    let body = Bytes::from(PeerRequest::Progress { group, known, wait_ms }.encode());
    let transport = &core.environment().transport;
    let limit = 2 * ANSWER_WITHIN;
    let reply = transport.request(leader, Channel::Control, body, limit).await;
    let replicas = match reply.map(|reply| PeerReply::decode(&reply)) {
        Ok(Ok(PeerReply::Progress { replicas })) => replicas,
        Ok(Ok(_) | Err(_)) | Err(_) => Vec::new(),
    };
    let mut is_further = false;
    for replica in replicas.into_iter().filter(|it| asked.contains(&it.node)) {
        core.tracker().on_relayed(group, replica);
        is_further = true;
    }
    (group, is_further)
}

/// Answers a peer once a replica has reported more here than the peer knows, or after `wait`.
pub(crate) async fn answer(
    core: &Core,
    group: GroupId,
    known: &[NodeProgress],
    wait: Duration,
) -> PeerReply {
    let deadline = Instant::now() + wait.min(ANSWER_WITHIN);
    loop {
        // Begun before the look, so that no report is missed between the two.
        let mut reported = std::pin::pin!(core.tracker().reported());
        reported.as_mut().enable();
        let replicas = core.tracker().past(group, known);
        if !replicas.is_empty() || tokio::time::timeout_at(deadline, reported).await.is_err() {
            return PeerReply::Progress { replicas };
        }
    }
}
