//! Renews read leases: asks the leaders for them.
//!
//! The rules are [`crate::consistency`]'s. The order on the granting side (`grant.rs`) must never
//! change: register, then prove, then answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::GroupId,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::Notify;

use crate::{
    consistency::{
        pace::Terms,
        read::renewal::{Question, Renewals, Wanted},
    },
    locks::locked,
    raft::{core::Core, planted, replica::Replica, transport::Channel},
};

/// Asks for leases until the node stops: a third of a lease after the last time, and at once of a
/// new leader.
pub(crate) async fn run(core: Core, news: Arc<Notify>) {
    let mut renewals = Renewals::default();
    let mut asking = FuturesUnordered::new();
    loop {
        let (questions, next) = what_is_due(&core, &mut renewals);
        asking.extend(questions.into_iter().map(|question| ask(&core, question)));
        let again = tokio::time::sleep(next);
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                () = news.notified() => break,
                Some(()) = asking.next() => {}
            }
        }
    }
}

/// What to ask now, and after how long to look again.
fn what_is_due(core: &Core, renewals: &mut Renewals) -> (Vec<Question>, Duration) {
    let now = core.environment().steady.now();
    let replicas = core.replicas();
    renewals.due(replicas.iter().map(|replica| (replica.group, wanted(core, replica, now))), now)
}

fn wanted(core: &Core, replica: &Replica, now: Duration) -> Wanted {
    let facts = core.tracker().group_config(replica.group);
    let home = core.system().voter_region_of(replica.group);
    let length = facts.length(core.node(), home.as_ref());
    let (Some(leader), Some(length)) = (replica.leader(), length) else { return Wanted::Nothing };
    let late = core.disk_late(replica);
    // With a late disk it would hold up each write by its lease: it lets it run out, and marks its reads.
    match locked(&replica.leasing.disk).look(late, &Terms::of_disk(length), now) {
        true => Wanted::Lease(leader, length),
        false => Wanted::RunOut(length),
    }
}

/// One request; a granted lease counts from before it was sent.
async fn ask(core: &Core, question: Question) {
    let Question { leader, groups, limit } = question;
    let asked = core.environment().steady.now();
    let asked_at = core.environment().clock.now();
    let of: Vec<GroupId> = groups.iter().copied().collect();
    let grants = if leader == core.node() {
        core.grant_leases(leader, &of).await
    } else {
        let body = Bytes::from(PeerRequest::Leases { groups: of }.encode());
        let transport = &core.environment().transport;
        match transport.request(leader, Channel::Control, body, limit).await {
            Ok(reply) => match PeerReply::decode(&reply) {
                Ok(PeerReply::Leases(grants)) => grants,
                Ok(_) | Err(_) => Vec::new(),
            },
            Err(_) => Vec::new(),
        }
    };
    for grant in grants.iter().filter(|grant| groups.contains(&grant.group)) {
        if let Some(replica) = core.replica(grant.group) {
            let asked = planted::on_lease_held(asked, || core.environment().steady.now());
            locked(&replica.leasing.held).add(grant, asked, asked_at);
        }
    }
}
