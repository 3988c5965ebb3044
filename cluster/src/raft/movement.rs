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

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

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

use super::{blocking, groups::Groups, sweep::Sweep, turns};
use crate::planted::{self, Bug};
use crate::{
    machine::{export, query},
    store::{Store, StoreError},
};

/// Between looks at what nothing was heard of.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// Parts that are read ahead of the one that is being committed.
const PARTS_AHEAD: usize = 2;
/// Organisations that cannot be written to now and are looked at in every look.
const FROZEN_MAX: usize = 64;

/// Takes steps until the node stops.
pub(crate) async fn run(groups: Groups) {
    let mut mover = Mover::default();
    loop {
        groups.turns().changed(LOOK_EVERY).await;
        if let Err(error) = mover.look(&groups).await {
            tracing::error!(%error, "looking for organisations that move");
        }
    }
}

/// What this node does about moves: for the groups that it leads.
#[derive(Default)]
struct Mover {
    adoptions: Adoptions,
    steps: Steps,
    sweep: Sweep,
    swept: Option<Instant>,
    /// The leads as of which everything was looked at.
    known: BTreeMap<GroupId, u64>,
    /// Organisations that wait for something here, and cannot be written to meanwhile.
    frozen: BTreeSet<OrgId>,
}

/// The home groups as of one look.
struct Homes {
    /// Those that are open.
    open: Vec<GroupId>,
    /// Those that this node leads: since which term, and of which region they are.
    led: BTreeMap<GroupId, (u64, Region)>,
}

impl Homes {
    fn of(groups: &Groups) -> Self {
        let all = groups.home_groups();
        let term = |group: GroupId| groups.replica(group)?.led_term();
        let led = all.iter().filter(|(group, _)| leads(groups, *group));
        let led = led.filter_map(|(group, region)| Some((*group, (term(*group)?, region.clone()))));
        let led = led.collect();
        let open = all.iter().map(|(group, _)| *group).filter(|group| !groups.is_closed(*group));
        Self { open: open.collect(), led }
    }
}

impl Mover {
    /// Looks at what has changed and at some of the rest, and does what is missing there.
    async fn look(&mut self, groups: &Groups) -> Result<(), StoreError> {
        let homes = Homes::of(groups);
        groups.turns().keep(|group| homes.led.contains_key(&group));
        self.known.retain(|group, term| homes.led.get(group).is_some_and(|led| led.0 == *term));
        let mut changed = groups.turns().take_news();
        if homes.led.is_empty() {
            self.frozen.clear();
            return Ok(());
        }
        if homes.led.keys().any(|group| !self.known.contains_key(group)) {
            self.look_at_all(groups, &homes).await?;
        }
        changed.append(&mut self.frozen);
        for org in changed {
            for from in &homes.open {
                self.consider(groups, &homes, *from, org)?;
            }
        }
        if self.swept.is_none_or(|swept| swept.elapsed() >= LOOK_EVERY) {
            self.swept = Some(Instant::now());
            for (from, org) in self.sweep.next(&**groups.slotted(), &homes.open)? {
                self.consider(groups, &homes, from, org)?;
            }
        }
        for (group, (term, _)) in &homes.led {
            groups.call_up(*group, *term)?;
        }
        Ok(())
    }

    /// Where this node has begun to lead: nothing that its predecessor heard of is known here. It lets
    /// others run in between: there may be very many whose old records are still kept.
    async fn look_at_all(&mut self, groups: &Groups, homes: &Homes) -> Result<(), StoreError> {
        for from in &homes.open {
            let mut after = None;
            loop {
                let limit = limits::MOVES_LOOKED_AT_MAX;
                let page = query::on_move_after(&**groups.slotted(), *from, after, limit)?;
                for org in &page {
                    self.consider(groups, homes, *from, *org)?;
                }
                if page.len() < limit {
                    break;
                }
                after = page.last().copied();
                tokio::task::yield_now().await;
            }
        }
        for (group, (term, _)) in &homes.led {
            self.known.insert(*group, *term);
            groups.turns().all_known(*group, *term);
        }
        Ok(())
    }

    /// Does what is missing of an organisation's move, as far as a group's state and the lead of this
    /// node go.
    fn consider(
        &mut self,
        groups: &Groups,
        homes: &Homes,
        from: GroupId,
        org: OrgId,
    ) -> Result<(), StoreError> {
        let reader = &**groups.slotted();
        let is_led = homes.led.contains_key(&from);
        let release = query::home(reader, from, org)?.and_then(|home| home.release);
        if let Some(release) = release {
            let to = groups.successor(release.to);
            let there = homes.led.get(&to).filter(|_| to != from);
            if !is_led && there.is_none() {
                return Ok(());
            }
            if !turns::has_come(reader, to, org, release.epoch)? {
                if is_led {
                    groups.turns().released(from, org);
                }
                if self.frozen.len() < FROZEN_MAX {
                    self.frozen.insert(org);
                }
            }
            if let Some((_, region)) = there
                && !knows(groups, to, org, release.epoch)?
            {
                let adopter = Adopter { groups: groups.clone(), from, to, org, release };
                self.adoptions.begin(adopter, region.clone());
            }
        }
        if is_led && let Some(command) = next_to_let_go(groups, from, org)? {
            self.steps.begin(groups, from, org, command);
        }
        Ok(())
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
        Ok(
            ProposeReply::NotLeader { .. } | ProposeReply::Unknown | ProposeReply::Queued { .. },
        )
        | Err(_) => None,
    }
}

/// Tasks about organisations, one for each in a group; they end with it.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    by_org: BTreeMap<(GroupId, OrgId), AbortHandle>,
}

impl Tasks {
    /// Forgets those that have ended, and says whether another one may begin.
    fn has_room(&mut self, group: GroupId, org: OrgId, max: usize) -> bool {
        while self.running.try_join_next().is_some() {}
        self.by_org.retain(|_, task| !task.is_finished());
        let of_group = self.by_org.keys().filter(|(of, _)| *of == group).count();
        of_group < max && !self.by_org.contains_key(&(group, org))
    }

    fn begin(
        &mut self,
        group: GroupId,
        org: OrgId,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.running.spawn(task);
        self.by_org.insert((group, org), task);
    }
}

// The old home's side, and the end of adoptions that came to nothing.

/// The steps that this node takes now. None waits for another one: that of a group which has no
/// quorum lasts until its time is over.
#[derive(Default)]
struct Steps(Tasks);

impl Steps {
    fn begin(&mut self, groups: &Groups, group: GroupId, org: OrgId, command: Command) {
        if !self.0.has_room(group, org, limits::MOVE_STEPS_MAX) {
            return;
        }
        tracing::info!(%group, %org, ?command, "a step of a move");
        let groups = groups.clone();
        self.0.begin(group, org, async move {
            step(&groups, group, command).await;
        });
    }
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

/// The adoptions that this node carries out now, by the old home: those of one that has lost its
/// quorum wait for their hand-over, and hold up none from another one.
#[derive(Default)]
struct Adoptions {
    by_homes: BTreeMap<(GroupId, GroupId), Tasks>,
}

impl Adoptions {
    /// Begins one, unless it is under way, or too many from the same home are.
    fn begin(&mut self, adopter: Adopter, region: Region) {
        let (from, to, org) = (adopter.from, adopter.to, adopter.org);
        let tasks = self.by_homes.entry((from, to)).or_default();
        if tasks.has_room(to, org, limits::MOVES_MAX) {
            tasks.begin(to, org, adopter.run(region));
        }
    }
}

/// Whether a group has, or has had, an organisation in this epoch.
fn knows(groups: &Groups, group: GroupId, org: OrgId, epoch: u32) -> Result<bool, StoreError> {
    if planted::is(Bug::LateAdoptAccepted) {
        return Ok(false);
    }
    turns::has_come(&**groups.slotted(), group, org, epoch)
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
