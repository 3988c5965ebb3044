//! The writes that a replica of a closed group has and its successor lacks, and which of them can be called
//! lost.
//!
//! # When a write is called lost
//! Only where that holds for good, whatever is forgotten later. The node that has the write proves it,
//! from what does not change any more:
//! - its entry is not in the log from which the successor was made ([`Succession::lacks`]);
//! - no other copy of it was: the successor has kept the names of all writes that it began with
//!   (`succession.rs`), and the write was not over before that;
//! - it was proposed to no other group: an organization's write whose organization was at home in the
//!   closed group all the while. A write that is refused because its organization moves is proposed
//!   under its own name in the new home; one that a closed group may have is proposed elsewhere only
//!   under another name (`node`'s `org_write.rs`). So no copy of it is on its way to any group.
//!
//! Where one of these cannot be shown the answer is "unknown", never "lost". It must never depend on
//! a record that is forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use concordat_proto::{
    command::{Command, Proposal},
    failover::{ClosedGroup, DivergedWrite, Succession},
    id::{ClientId, GroupId, OrgId, WriteId},
    limits,
    log::{LogId, LogIndex},
    time::LogTime,
};

use super::succession::{self, Began};
use crate::{
    machine::query,
    planted,
    store::{Reader, StoreError, keys},
};

/// Writes in one answer about what diverged.
pub const PAGE_WRITES: usize = 500;

/// A write that a replica of a closed group has, and what of it can prove that it is lost.
#[derive(Debug)]
struct Kept {
    write: DivergedWrite,
    /// Of its proposal.
    not_after: LogTime,
    /// Whether it was proposed to the closed group only, as far as that can be shown.
    is_of_one_group: bool,
}

/// All of them, of one closed group.
#[derive(Debug)]
pub struct Rest {
    succession: Succession,
    /// In order of index.
    kept: Vec<Kept>,
    by_id: BTreeMap<WriteId, usize>,
    unlisted: u64,
}

/// A page of what diverged on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diverged {
    /// The writes, in order of index.
    pub writes: Vec<DivergedWrite>,
    /// After which index the next page begins; none at the end.
    pub next: Option<LogIndex>,
    /// Further entries, which the log does not hold any more or which are too many to list; of one write,
    /// 0 where it is lost for certain.
    pub unlisted: u64,
}

/// Reads a closed group's log, entry by entry in order.
pub struct RestReader<'a> {
    reader: &'a dyn Reader,
    group: GroupId,
    applied: LogIndex,
    /// What this log says of an organization's leaving. Where it is purged the state has it.
    released: BTreeSet<OrgId>,
    rest: Rest,
}

impl<'a> RestReader<'a> {
    /// Begins. `first`: the first index that the log still holds, where it holds any.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn new(
        reader: &'a dyn Reader,
        group: GroupId,
        succession: Succession,
        first: Option<u64>,
    ) -> Result<Self, StoreError> {
        let applied = query::applied(reader, group)?.log_id.unwrap_or_default().index;
        let first_lacked = succession.last.index.0.saturating_add(1);
        let unlisted = first.map_or(0, |first| first.saturating_sub(first_lacked));
        let rest = Rest { succession, kept: Vec::new(), by_id: BTreeMap::new(), unlisted };
        Ok(Self { reader, group, applied, released: BTreeSet::new(), rest })
    }

    /// The write of an entry, if the successor lacks it and an organization or an operator wanted it.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn take(&mut self, log_id: LogId, proposal: &Proposal) -> Result<(), StoreError> {
        let Some(org) = proposal.command.org() else { return Ok(()) };
        // That a write of an earlier group is lost is no write.
        if matches!(proposal.command, Command::NoteLost { .. }) {
            return Ok(());
        }
        if matches!(proposal.command, Command::MoveFreeze { .. }) {
            self.released.insert(org);
        }
        let rest = &mut self.rest;
        if !rest.succession.lacks(log_id) {
            return Ok(());
        }
        if rest.kept.len() >= limits::DIVERGED_WRITES_MAX {
            rest.unlisted += 1;
            return Ok(());
        }
        let is_at_home = !self.released.contains(&org)
            && query::home(self.reader, self.group, org)?.is_some_and(|home| home.is_open());
        rest.by_id.entry(proposal.write_id).or_insert(rest.kept.len());
        rest.kept.push(Kept {
            not_after: proposal.not_after,
            is_of_one_group: is_at_home && is_tried_at_home_only(&proposal.command),
            write: DivergedWrite {
                log_id,
                write_id: proposal.write_id,
                at: proposal.stamped,
                org: Some(org),
                operation: proposal.command.name().to_owned(),
                client_id: proposal.command.client_id().cloned(),
                committed: log_id.index <= self.applied,
            },
        });
        Ok(())
    }

    /// All that was taken.
    #[must_use]
    pub fn finish(self) -> Rest {
        self.rest
    }
}

impl Rest {
    /// Whether it was read as of this succession.
    #[must_use]
    pub fn is_of(&self, succession: &Succession) -> bool {
        self.succession == *succession
    }

    /// What is here of one write.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn of_one(&self, spec: &HeirState<'_>, write: WriteId) -> Result<Diverged, StoreError> {
        let Some(kept) = self.by_id.get(&write).and_then(|place| self.kept.get(*place)) else {
            return Ok(Diverged { writes: Vec::new(), next: None, unlisted: 0 });
        };
        let unlisted = u64::from(!spec.never_had(kept)?);
        Ok(Diverged { writes: vec![kept.write.clone()], next: None, unlisted })
    }

    /// A page of those that the successor is not known to have, after an index.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn page(&self, spec: &HeirState<'_>, after: LogIndex) -> Result<Diverged, StoreError> {
        let unlisted = if after == LogIndex(0) { self.unlisted } else { 0 };
        let mut page = Diverged { writes: Vec::new(), next: None, unlisted };
        let begin = self.kept.partition_point(|kept| kept.write.log_id.index <= after);
        for kept in &self.kept[begin..] {
            if !spec.is_known_to_have(&kept.write)? {
                page.writes.push(kept.write.clone());
            }
            if page.writes.len() >= PAGE_WRITES {
                page.next = Some(kept.write.log_id.index);
                break;
            }
        }
        Ok(page)
    }
}

impl fmt::Debug for RestReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestReader({}, {:?})", self.group, self.rest)
    }
}

impl fmt::Debug for HeirState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeirState({} for {})", self.group, self.closed)
    }
}

/// Whether a write is never proposed to any other group under its own name, as long as its
/// organization stays. The making of an organization is: to the system group, and wherever its home is.
fn is_tried_at_home_only(command: &Command) -> bool {
    matches!(
        command,
        Command::CreateOidc { .. }
            | Command::PatchOidc { .. }
            | Command::DeleteOidc { .. }
            | Command::SetOrgSettings { .. }
    )
}

/// The last group in a closed one's line of successors whose state is here.
///
/// # Errors
/// When the store is broken.
pub fn local_successor(
    reader: &dyn Reader,
    closed: &BTreeMap<GroupId, ClosedGroup>,
    succession: &Succession,
) -> Result<Option<GroupId>, StoreError> {
    let (mut next, mut found) = (Some(*succession), None);
    while let Some(succession) = next {
        let state = reader.get(&keys::applied(succession.group))?;
        found = state.map(|_| succession.group).or(found);
        next = closed.get(&succession.group).and_then(|closed| closed.succession);
    }
    Ok(found)
}

/// What a node has of a closed group's line of successors.
pub struct HeirState<'a> {
    reader: &'a dyn Reader,
    closed: GroupId,
    /// The last one in the line whose state is here.
    group: GroupId,
}

impl<'a> HeirState<'a> {
    /// The last one in the line whose state is here; none where no state is.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn find(
        reader: &'a dyn Reader,
        closed_groups: &BTreeMap<GroupId, ClosedGroup>,
        closed: GroupId,
        succession: &Succession,
    ) -> Result<Option<Self>, StoreError> {
        let group = local_successor(reader, closed_groups, succession)?;
        Ok(group.map(|group| Self { reader, closed, group }))
    }

    /// Whether the successor had nothing of a write when it began, and no node proposed it there since.
    fn never_had(&self, kept: &Kept) -> Result<bool, StoreError> {
        let began = succession::began(self.reader, self.group, self.closed, kept.write.write_id)?;
        Ok(planted::on_loss_proved(match began {
            Began::Without { log_time } => kept.is_of_one_group && kept.not_after >= log_time,
            Began::With | Began::NotKept => false,
        }))
    }

    /// Whether the successor has carried a write out: another copy of it, or its repeat under another
    /// name. The latter is known for as long as it is remembered, or its credential shows it.
    fn is_known_to_have(&self, write: &DivergedWrite) -> Result<bool, StoreError> {
        let (reader, group, id) = (self.reader, self.group, write.write_id);
        if succession::began(reader, group, self.closed, id)? == Began::With {
            return Ok(true);
        }
        let Some(org) = write.org else { return Ok(false) };
        let home = query::home(reader, group, org)?;
        let repeat = succession::repeated_as(id, self.closed);
        for name in [id, repeat] {
            if query::remembered(reader, group, home.as_ref(), name)?.is_some() {
                return Ok(true);
            }
        }
        let shows = |client_id: &ClientId| query::oidc(reader, group, org, client_id);
        let shown = write.client_id.as_ref().map(shows).transpose()?.flatten();
        Ok(shown.is_some_and(|credential| credential.version == repeat))
    }
}

#[cfg(test)]
#[path = "lost_test.rs"]
mod tests;
