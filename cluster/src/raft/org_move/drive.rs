//! Drives moves of organizations in the groups that this node leads: a level-triggered
//! reconciliation loop over its own replicas. The next leader finishes what a dead leader left
//! undone.
//!
//! The rules of a step are [`crate::machine`]'s. This file checks the conditions that concern two
//! groups, because a rule sees only one. Each is read from this node's own replica of the other
//! group, and is a fact that never becomes false again:
//! - an import begins, and its parts are read, from a replica that has applied the freeze: nothing
//!   of the organization changes there any more;
//! - it ends only when the commit of the move has been applied here, so that no abort can come
//!   before it, and when no replica can hold a lease of the old group from before the freeze
//!   ([`old_leases_are_over`]): from then on the new group may acknowledge writes;
//! - the old records are removed only when every node has reported the end of the import: until
//!   then a replica that is behind answers from them, marked as stale. (If an organization returns
//!   before that, the beginning of the import drops them: a node that is behind with the other
//!   group then has none of its records for the seconds until the import's end.)
//!
//! Steps are appended here or not at all, never forwarded to another leader: a deposed leader must
//! not work against its successor.

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
    movement::Release,
    region::Region,
    reply::{Applied, Reply},
    wire::peer::ProposeReply,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    machine::{export, query, steps, sweep::Sweep},
    raft::{blocking, core::Core, planted},
    store::{Store, StoreError},
};

/// The interval between checks without news.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// Parts that are read ahead of the one that is being committed.
const PARTS_AHEAD: usize = 2;
/// Organizations that cannot be written to now and are looked at in every look.
const FROZEN_MAX: usize = 64;

/// Takes steps until the node stops.
pub(crate) async fn run(core: Core) {
    let mut mover = Mover::default();
    loop {
        core.turns().changed(LOOK_EVERY).await;
        if let Err(error) = mover.look(&core).await {
            tracing::error!(%error, "reading the moving organizations");
        }
    }
}

/// This node's work on moves: for the groups that it leads.
#[derive(Default)]
struct Mover {
    imports: Imports,
    steps: Steps,
    sweep: Sweep,
    swept: Option<Instant>,
    /// The terms of leadership for which everything was checked.
    known: BTreeMap<GroupId, u64>,
    /// Organizations that wait for something here, and cannot be written to meanwhile.
    frozen: BTreeSet<OrgId>,
}

/// The home groups as of one look.
struct Homes {
    /// Those that are open.
    open: Vec<GroupId>,
    /// The groups that this node leads: since which term, and their regions.
    led: BTreeMap<GroupId, (u64, Region)>,
}

impl Homes {
    fn of(core: &Core) -> Self {
        let all = core.home_groups();
        let term = |group: GroupId| core.replica(group)?.led_term();
        let led = all.iter().filter(|(group, _)| leads(core, *group));
        let led = led.filter_map(|(group, region)| Some((*group, (term(*group)?, region.clone()))));
        let led = led.collect();
        let open = all.iter().map(|(group, _)| *group).filter(|group| !core.is_closed(*group));
        Self { open: open.collect(), led }
    }
}

impl Mover {
    /// Checks the changed organizations and some of the others, and does the missing steps.
    async fn look(&mut self, core: &Core) -> Result<(), StoreError> {
        let homes = Homes::of(core);
        core.turns().keep(|group| homes.led.contains_key(&group));
        self.known.retain(|group, term| homes.led.get(group).is_some_and(|led| led.0 == *term));
        let mut changed = core.turns().take_news();
        if homes.led.is_empty() {
            self.frozen.clear();
            return Ok(());
        }
        if homes.led.keys().any(|group| !self.known.contains_key(group)) {
            self.look_at_all(core, &homes).await?;
        }
        changed.append(&mut self.frozen);
        for org in changed {
            for from in &homes.open {
                self.consider(core, &homes, *from, org)?;
            }
        }
        if self.swept.is_none_or(|swept| swept.elapsed() >= LOOK_EVERY) {
            self.swept = Some(Instant::now());
            for (from, org) in self.sweep.next(&**core.shadow_store(), &homes.open)? {
                self.consider(core, &homes, from, org)?;
            }
        }
        for (group, (term, _)) in &homes.led {
            core.call_up(*group, *term)?;
        }
        Ok(())
    }

    /// For a new leader: it has none of its predecessor's news. It yields in between, because the
    /// old records of very many organizations may still be kept.
    async fn look_at_all(&mut self, core: &Core, homes: &Homes) -> Result<(), StoreError> {
        for from in &homes.open {
            let mut after = None;
            loop {
                let limit = limits::MOVES_LOOKED_AT_MAX;
                let page = query::on_move_after(&**core.shadow_store(), *from, after, limit)?;
                for org in &page {
                    self.consider(core, homes, *from, *org)?;
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
            core.turns().all_known(*group, *term);
        }
        Ok(())
    }

    /// Does the missing step of an organization's move, as far as one group's state and this node's
    /// leadership allow.
    fn consider(
        &mut self,
        core: &Core,
        homes: &Homes,
        from: GroupId,
        org: OrgId,
    ) -> Result<(), StoreError> {
        let reader = &**core.shadow_store();
        let is_led = homes.led.contains_key(&from);
        let release = query::home(reader, from, org)?.and_then(|home| home.release);
        if let Some(release) = release {
            let to = core.successor(release.to);
            let there = homes.led.get(&to).filter(|_| to != from);
            if !is_led && there.is_none() {
                return Ok(());
            }
            if !steps::has_come(reader, to, org, release.epoch)? {
                if is_led {
                    core.turns().released(from, org);
                }
                if self.frozen.len() < FROZEN_MAX {
                    self.frozen.insert(org);
                }
            }
            if let Some((_, region)) = there
                && !knows(core, to, org, release.epoch)?
            {
                let importer = Importer { core: core.clone(), from, to, org, release };
                self.imports.begin(importer, region.clone());
            }
        }
        if is_led && let Some(command) = next_outgoing_step(core, from, org)? {
            self.steps.begin(core, from, org, command);
        }
        Ok(())
    }
}

fn leads(core: &Core, group: GroupId) -> bool {
    core.leader_of(group) == Some(core.node())
}

/// Appends a step here, if this node leads the group, and waits until it is applied.
async fn step(core: &Core, group: GroupId, command: Command) -> Option<Applied> {
    step_named(core, group, core.internal_write_id(), command).await
}

async fn step_named(
    core: &Core,
    group: GroupId,
    write_id: WriteId,
    command: Command,
) -> Option<Applied> {
    let proposal = core.own_proposal(group, write_id, command);
    match tokio::time::timeout(STEP_LIMIT, core.propose_here(group, proposal)).await {
        Ok(ProposeReply::Committed(applied) | ProposeReply::Done { applied, .. }) => Some(applied),
        // Found undone, or done, at the next look.
        Ok(
            ProposeReply::NotLeader { .. }
            | ProposeReply::Unknown
            | ProposeReply::Busy
            | ProposeReply::Queued { .. },
        )
        | Err(_) => None,
    }
}

/// Tasks about organizations, one for each in a group; they end with it.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    by_org: BTreeMap<(GroupId, OrgId), AbortHandle>,
}

impl Tasks {
    /// Drops finished ones, and returns whether another one may begin.
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
    fn begin(&mut self, core: &Core, group: GroupId, org: OrgId, command: Command) {
        if !self.0.has_room(group, org, limits::MOVE_STEPS_MAX) {
            return;
        }
        tracing::info!(%group, %org, ?command, "a step of a move");
        let core = core.clone();
        self.0.begin(group, org, async move {
            step(&core, group, command).await;
        });
    }
}

/// What is missing of an organization's move in a group that this node leads.
fn next_outgoing_step(
    core: &Core,
    led: GroupId,
    org: OrgId,
) -> Result<Option<Command>, StoreError> {
    let is_everywhere = |group, index| {
        let reached = |applied: Option<LogIndex>| applied.is_some_and(|applied| applied >= index);
        let applied_of = |node| core.tracker().applied_of(group, node);
        let own = reached(Some(core.applied(group)));
        own && core.peers().into_iter().all(|node| reached(applied_of(node)))
    };
    steps::next_outgoing_step(&**core.shadow_store(), &core.system(), led, org, is_everywhere)
}

// The new home's side.

/// The imports that this node runs now, by the old home: those from a home without a quorum wait
/// for its commit, and block none from another home.
#[derive(Default)]
struct Imports {
    by_homes: BTreeMap<(GroupId, GroupId), Tasks>,
}

impl Imports {
    /// Begins one, unless it is under way, or too many from the same home are.
    fn begin(&mut self, importer: Importer, region: Region) {
        let (from, to, org) = (importer.from, importer.to, importer.org);
        let tasks = self.by_homes.entry((from, to)).or_default();
        if tasks.has_room(to, org, limits::MOVES_MAX) {
            tasks.begin(to, org, importer.run(region));
        }
    }
}

/// Whether a group has, or has had, an organization in this epoch.
fn knows(core: &Core, group: GroupId, org: OrgId, epoch: u32) -> Result<bool, StoreError> {
    steps::has_come(&**core.shadow_store(), group, org, epoch).map(planted::on_epoch_known)
}

/// Brings one organization over.
struct Importer {
    core: Core,
    from: GroupId,
    to: GroupId,
    org: OrgId,
    release: Release,
}

/// A piece of the old home's state.
enum Exported {
    Head(Box<export::Head>),
    Part(export::Part),
}

/// Another attempt has taken this one's place, or this node leads no longer.
struct Superseded;

impl Importer {
    async fn run(self, region: Region) {
        let (org, to) = (self.org, self.to);
        tracing::info!(%org, group = %to, epoch = self.release.epoch, "importing an organization");
        let leases = old_leases_are_over(&self.core, self.from, self.release.index);
        // The records can be imported meanwhile: they are invisible.
        let (copied, leases_are_over) = tokio::join!(self.copy(region), leases);
        let Some((attempt, digest)) = copied.filter(|_| leases_are_over) else {
            tracing::info!(%org, group = %to, "the import of an organization was interrupted");
            return;
        };
        if planted::skips_hand_over() || self.is_move_committed().await {
            let end = Command::ImportFinish { org, attempt, digest };
            let ended = step(&self.core, to, end).await;
            tracing::info!(%org, group = %to, ?ended, "the import of an organization ended");
        }
    }

    /// Copies all records in one attempt: its name and the hash over its parts.
    async fn copy(&self, region: Region) -> Option<(WriteId, RequestDigest)> {
        let (tx, mut rx) = mpsc::channel(PARTS_AHEAD);
        let store = Arc::clone(self.core.shadow_store());
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
        let attempt = self.core.internal_write_id();
        let mut whole = None;
        while let Some(exported) = rx.recv().await {
            whole = self.take_over(attempt, exported).await.ok()?;
        }
        match reading.await {
            Ok(Ok(Ok(()))) => whole.map(|digest| (attempt, digest)),
            Ok(Ok(Err(error))) => {
                tracing::error!(%org, %error, "reading an organization that moves");
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Commits exported parts; with the last one, returns the hash over all parts.
    async fn take_over(
        &self,
        attempt: WriteId,
        exported: Exported,
    ) -> Result<Option<RequestDigest>, Superseded> {
        let (write_id, command, whole) = match exported {
            Exported::Head(head) => {
                let export::Head { org, past, dedup_horizon } = *head;
                (attempt, Command::ImportBegin { org, past, dedup_horizon }, None)
            }
            Exported::Part(part) => {
                let export::Part { sequence, moved_records, is_last, digest } = part;
                let org = self.org;
                let command =
                    Command::ImportChunk { org, attempt, sequence, moved_records, is_last };
                (self.core.internal_write_id(), command, is_last.then_some(digest))
            }
        };
        let applied = step_named(&self.core, self.to, write_id, command).await;
        match applied.map(|applied| applied.outcome) {
            Some(Ok(Reply::Done)) => Ok(whole),
            Some(Ok(_) | Err(_)) | None => Err(Superseded),
        }
    }

    /// Waits for the move's commit; false when it will not come, or not to this leader.
    async fn is_move_committed(&self) -> bool {
        while leads(&self.core, self.to) && !self.core.is_closed(self.from) {
            let seen = self.core.applied(self.from);
            let home = query::home(&**self.core.shadow_store(), self.from, self.org);
            let release = home.ok().flatten().and_then(|home| home.release);
            match release.filter(|release| release.epoch == self.release.epoch) {
                Some(release) if release.handed_over => return true,
                Some(_) => {}
                None => return false,
            }
            let deadline = Instant::now() + LOOK_EVERY;
            self.core.wait_visible(self.from, LogIndex(seen.0 + 1), deadline).await;
        }
        false
    }
}

/// Returns true when no replica of a group can answer fresh reads under a lease from before the
/// freeze at this index.
///
/// This node has applied the freeze, so every lease that does not cover it was granted before now
/// ([`crate::consistency::StaleReaders::conservative`]), and expires with the longest one.
pub(crate) async fn old_leases_are_over(
    core: &Core,
    group: GroupId,
    release_index: LogIndex,
) -> bool {
    let deadline = Instant::now() + STEP_LIMIT;
    if !core.wait_visible(group, release_index, deadline).await {
        return false;
    }
    let facts = core.tracker().group_config(group);
    tokio::time::sleep(facts.longest_lease()).await;
    true
}
