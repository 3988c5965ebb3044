//! Carries moves of organisations out for the groups that this node leads, by level: it looks at its
//! own replicas, does what is missing, and looks again. Whatever a dead leader left undone is found
//! undone by the next one.
//!
//! The rules of a step are [`crate::machine`]'s. Here are the conditions that concern two groups, of
//! which no rule can see more than one. Each is read from this node's own replica of the other group,
//! and is a fact that never becomes false again:
//! - an adoption is begun and its parts are taken from a replica that has applied the release: nothing
//!   of the organisation changes there any more;
//! - it is ended only when the hand-over has been applied here, so that no restore can come before it,
//!   and when no replica can hold a lease of the old group from before the release
//!   ([`old_leases_are_over`]): from then on the new group may acknowledge writes;
//! - the old records are forgotten only when every node has reported the end of the adoption: until
//!   then they are what a replica that is behind answers from, marked as stale. (Where an organisation
//!   comes back before that, the beginning of the adoption drops them: a node that is behind with the
//!   other group then knows nothing of it for the seconds until the adoption's end.)
//!
//! Steps are appended here or not at all, never handed on to another leader: a leader that was deposed
//! must not work against its successor.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use concordat_proto::{
    command::{Command, RequestDigest},
    id::{GroupId, OrgId, WriteId},
    limits,
    log::LogIndex,
    movement::{HomeRecord, Release},
    region::Region,
    reply::{Applied, Reply},
    wire::peer::ProposeReply,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{blocking, groups::Groups};
use crate::planted::{self, Bug};
use crate::{
    machine::{export, query},
    store::{Store, StoreError},
};

/// Between looks at the groups this node leads.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// Parts that are read ahead of the one that is being committed.
const PARTS_AHEAD: usize = 2;

/// Takes steps until the node stops.
pub(crate) async fn run(groups: Groups) {
    let mut adoptions = Adoptions::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let home_groups = groups.home_groups();
        for (led, region) in &home_groups {
            if !leads(&groups, *led) {
                continue;
            }
            if let Err(error) = let_go(&groups, *led).await {
                tracing::error!(group = %led, %error, "looking for organisations that leave");
            }
            let others = home_groups.iter().filter(|(from, _)| from != led);
            for (from, _) in others.filter(|(from, _)| !groups.is_closed(*from)) {
                if let Err(error) = adoptions.look(&groups, *from, *led, region) {
                    tracing::error!(group = %led, %error, "looking for organisations that come");
                }
            }
        }
    }
}

fn leads(groups: &Groups, group: GroupId) -> bool {
    groups.leader_of(group) == Some(groups.node())
}

/// Appends a step here, if this node leads the group, and waits until it is applied.
async fn step(groups: &Groups, group: GroupId, command: Command) -> Option<Applied> {
    step_named(groups, group, groups.internal_write_id(), command).await
}

async fn step_named(
    groups: &Groups,
    group: GroupId,
    write_id: WriteId,
    command: Command,
) -> Option<Applied> {
    let proposal = groups.own_proposal(group, write_id, command);
    match tokio::time::timeout(STEP_LIMIT, groups.propose_here(group, proposal)).await {
        Ok(ProposeReply::Committed(applied) | ProposeReply::Done { applied, .. }) => Some(applied),
        // Found undone, or done, at the next look.
        Ok(ProposeReply::NotLeader { .. } | ProposeReply::Unknown) | Err(_) => None,
    }
}

// The old home's side, and the end of adoptions that came to nothing.

async fn let_go(groups: &Groups, led: GroupId) -> Result<(), StoreError> {
    for org in query::on_move(&**groups.slotted(), led)? {
        if let Some(command) = next_to_let_go(groups, led, org)? {
            tracing::info!(group = %led, %org, ?command, "a step of a move");
            step(groups, led, command).await;
        }
    }
    Ok(())
}

fn next_to_let_go(
    groups: &Groups,
    led: GroupId,
    org: OrgId,
) -> Result<Option<Command>, StoreError> {
    let reader = &**groups.slotted();
    if let Some(HomeRecord { release: Some(release), .. }) = query::home(reader, led, org)? {
        let epoch = release.epoch;
        if release.handed_over {
            let arrived = has_arrived_everywhere(groups, org, release)?;
            return Ok(arrived.then_some(Command::Forget { org, epoch }));
        }
        let to = groups.successor(release.to);
        let adoption = query::away(reader, to, org)?.and_then(|away| away.adoption);
        let is_whole = adoption.is_some_and(|it| it.is_whole && it.org.epoch == epoch);
        // Where this group took another's place, the other one may have handed it over already.
        let is_there = query::home(reader, to, org)?.is_some_and(|it| it.org.epoch >= epoch);
        let is_ready = is_whole || is_there;
        return Ok(is_ready.then_some(Command::HandOver { org, epoch }));
    }
    let adoption = query::away(reader, led, org)?.and_then(|away| away.adoption);
    let Some((adoption, from)) = adoption.and_then(|it| it.past.last().copied().map(|p| (it, p)))
    else {
        return Ok(None);
    };
    let epoch = adoption.org.epoch;
    let from = groups.successor(from.group);
    let taken_back = query::home(reader, from, org)?
        .is_some_and(|home| home.newest_epoch() > epoch)
        || query::away(reader, from, org)?.is_some_and(|away| away.epoch > epoch);
    Ok(taken_back.then_some(Command::Forget { org, epoch }))
}

/// Whether every node has reported that it sees the organisation in its new home.
fn has_arrived_everywhere(
    groups: &Groups,
    org: OrgId,
    release: Release,
) -> Result<bool, StoreError> {
    let reader = &**groups.slotted();
    let to = groups.successor(release.to);
    let there = query::home(reader, to, org)?;
    let arrival = there
        .filter(|home| home.org.epoch >= release.epoch)
        .and_then(|home| home.arrival.map(|arrival| arrival.index));
    let Some(index) = arrival else {
        // It has left again and was forgotten there, which took that every node had something newer.
        let left = query::away(reader, to, org)?;
        return Ok(left.is_some_and(|away| away.epoch > release.epoch));
    };
    let reached = |applied: Option<LogIndex>| applied.is_some_and(|applied| applied >= index);
    let own = reached(Some(groups.applied(to)));
    let applied_of = |node| groups.tracker().applied_of(to, node);
    Ok(own && groups.peers().into_iter().all(|node| reached(applied_of(node))))
}

// The new home's side.

/// The adoptions that this node carries out now; they end with it.
#[derive(Default)]
struct Adoptions {
    tasks: JoinSet<()>,
    by_org: BTreeMap<(GroupId, OrgId), AbortHandle>,
}

impl Adoptions {
    /// Begins what a group has released to the led one, unless it is under way.
    fn look(
        &mut self,
        groups: &Groups,
        from: GroupId,
        led: GroupId,
        region: &Region,
    ) -> Result<(), StoreError> {
        while self.tasks.try_join_next().is_some() {}
        self.by_org.retain(|_, task| !task.is_finished());
        let reader = &**groups.slotted();
        for org in query::on_move(reader, from)? {
            let is_full = self.by_org.len() >= limits::ADOPTIONS_MAX;
            if is_full || self.by_org.contains_key(&(led, org)) {
                continue;
            }
            let release = query::home(reader, from, org)?.and_then(|home| home.release);
            let is_here = |release: &Release| groups.successor(release.to) == led;
            let Some(release) = release.filter(is_here) else { continue };
            if knows(groups, led, org, release.epoch)? {
                continue;
            }
            let adopter = Adopter { groups: groups.clone(), from, to: led, org, release };
            let task = self.tasks.spawn(adopter.run(region.clone()));
            self.by_org.insert((led, org), task);
        }
        Ok(())
    }
}

/// Whether a group has, or has had, an organisation in this epoch.
fn knows(groups: &Groups, group: GroupId, org: OrgId, epoch: u32) -> Result<bool, StoreError> {
    if planted::is(Bug::LateAdoptAccepted) {
        return Ok(false);
    }
    let reader = &**groups.slotted();
    let here = query::home(reader, group, org)?.is_some_and(|home| home.newest_epoch() >= epoch);
    Ok(here || query::away(reader, group, org)?.is_some_and(|away| away.epoch >= epoch))
}

/// Brings one organisation over.
struct Adopter {
    groups: Groups,
    from: GroupId,
    to: GroupId,
    org: OrgId,
    release: Release,
}

/// What is read from the old home's state.
enum Exported {
    Head(Box<export::Head>),
    Part(export::Part),
}

/// Another attempt has taken this one's place, or this node leads no longer.
struct Interrupted;

impl Adopter {
    async fn run(self, region: Region) {
        let (org, to) = (self.org, self.to);
        tracing::info!(%org, group = %to, epoch = self.release.epoch, "adopting");
        let leases = old_leases_are_over(&self.groups, self.from, self.release.index);
        // The records can be taken over meanwhile: nobody sees them yet.
        let (copied, leases_are_over) = tokio::join!(self.copy(region), leases);
        let Some((attempt, digest)) = copied.filter(|_| leases_are_over) else {
            tracing::info!(%org, group = %to, "an adoption was interrupted");
            return;
        };
        if self.is_handed_over().await {
            let end = Command::AdoptEnd { org, attempt, digest };
            let ended = step(&self.groups, to, end).await;
            tracing::info!(%org, group = %to, ?ended, "an adoption ends");
        }
    }

    /// Copies all records in one attempt: its name and the hash over its parts.
    async fn copy(&self, region: Region) -> Option<(WriteId, RequestDigest)> {
        let (tx, mut rx) = mpsc::channel(PARTS_AHEAD);
        let store = Arc::clone(self.groups.slotted());
        let (from, org, epoch) = (self.from, self.org, self.release.epoch);
        let reading = blocking::pieces(store, tx, move |store, send| {
            store.read_snapshot(&mut |reader| {
                let head = export::head(reader, from, org, epoch, region.clone())?;
                let home = query::home(reader, from, org)?;
                let (Some(head), Some(home)) = (head, home) else { return Ok(()) };
                if !send(Exported::Head(Box::new(head))) {
                    return Ok(());
                }
                export::parts(reader, from, &home, &mut |part| match send(Exported::Part(part)) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })
        });
        let reading = tokio::spawn(reading);
        let attempt = self.groups.internal_write_id();
        let mut whole = None;
        while let Some(exported) = rx.recv().await {
            whole = self.take_over(attempt, exported).await.ok()?;
        }
        match reading.await {
            Ok(Ok(Ok(()))) => whole.map(|digest| (attempt, digest)),
            Ok(Ok(Err(error))) => {
                tracing::error!(%org, %error, "reading an organisation that moves");
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Commits what was exported; with the last part, says what the hash over all parts is.
    async fn take_over(
        &self,
        attempt: WriteId,
        exported: Exported,
    ) -> Result<Option<RequestDigest>, Interrupted> {
        let (write_id, command, whole) = match exported {
            Exported::Head(head) => {
                let export::Head { org, past, floor } = *head;
                (attempt, Command::AdoptBegin { org, past, floor }, None)
            }
            Exported::Part(part) => {
                let export::Part { sequence, belongings, is_last, digest } = part;
                let org = self.org;
                let command = Command::AdoptPart { org, attempt, sequence, belongings, is_last };
                (self.groups.internal_write_id(), command, is_last.then_some(digest))
            }
        };
        let applied = step_named(&self.groups, self.to, write_id, command).await;
        match applied.map(|applied| applied.outcome) {
            Some(Ok(Reply::Done)) => Ok(whole),
            Some(Ok(_) | Err(_)) | None => Err(Interrupted),
        }
    }

    /// Waits for the hand-over; false when it will not come, or not to this leader.
    async fn is_handed_over(&self) -> bool {
        if planted::is(Bug::AdoptBeforeFence) {
            return true;
        }
        while leads(&self.groups, self.to) && !self.groups.is_closed(self.from) {
            let seen = self.groups.applied(self.from);
            let home = query::home(&**self.groups.slotted(), self.from, self.org);
            let release = home.ok().flatten().and_then(|home| home.release);
            match release.filter(|release| release.epoch == self.release.epoch) {
                Some(release) if release.handed_over => return true,
                Some(_) => {}
                None => return false,
            }
            let deadline = Instant::now() + LOOK_EVERY;
            self.groups.wait_visible(self.from, LogIndex(seen.0 + 1), deadline).await;
        }
        false
    }
}

/// Returns true when no replica of a group can answer reads unmarked by a lease that was granted
/// before the release at this index.
///
/// This node has applied the release, so every lease that does not cover it was granted before now
/// ([`crate::consistency::Danger::untold`]), and is over when the longest one is.
pub(super) async fn old_leases_are_over(
    groups: &Groups,
    group: GroupId,
    release_index: LogIndex,
) -> bool {
    let deadline = Instant::now() + STEP_LIMIT;
    if !groups.wait_visible(group, release_index, deadline).await {
        return false;
    }
    let facts = groups.tracker().facts(group);
    tokio::time::sleep(facts.leases.stretched(facts.leases.longest)).await;
    true
}
