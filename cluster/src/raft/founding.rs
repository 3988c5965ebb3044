//! Makes the first state of a closed group's successor, on the node that was named its founder: the
//! closed group's log is carried to its end, and what comes of it is written as the new group's.
//!
//! It must never leave a part of that state behind: the whole appears at once, or nothing.
//!
//! # Why `all_regions` means the same afterwards
//! The first state has the members of the closed group and their marks. So every region that counted
//! goes on counting, the lost one too, and a write has not reached all regions before each has it,
//! however long a region's nodes take to get the successor's state. Were the founder the only member,
//! a write would be acknowledged to all regions that the loss of its region would lose.

use std::{collections::BTreeMap, sync::Arc};

use concordat_proto::{
    failover::{ClosedGroup, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex, Term},
    record::{AppliedRecord, InheritedTerms},
    region::Region,
    wire::Wire,
};

use super::{
    blocking, convert,
    fault::Fault,
    groups::{Groups, SystemView},
    machine_store::{MachineStore, SyncedState, position_of, read_applied},
    types::{Member, Membership, StoredMembership},
};
use crate::planted::{self, Bug};
use crate::{
    consistency::inheritance,
    machine::succession::{self, Heir},
    store::{StoreError, keys, slots::SlottedStore},
};

/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// The feature level from which on a successor keeps the names of the writes that it begins with, and
/// the terms of the log that it is made from.
const NAMES_ARE_KEPT: u32 = 2;

/// Whether a successor may keep the names of the writes that it begins with: every member of the
/// cluster has to know records of that kind, and to propose no write under one name to two groups in
/// a line of successors. Where it may not, no write of the closed group is ever called lost.
fn keeps_names(system: &SystemView) -> bool {
    system.cluster.as_ref().is_some_and(|cluster| cluster.feature_level >= NAMES_ARE_KEPT)
}

/// Makes a successor's first state from this node's replica of the closed group, unless it is there.
pub(crate) async fn found(
    groups: &Groups,
    closed: &ClosedGroup,
    succession: Succession,
) -> Result<(), Fault> {
    if groups.has_state(succession.group) {
        return Ok(());
    }
    let (store, log) = (Arc::clone(groups.slotted()), groups.environment().log.clone());
    let heir = Heir {
        closed: closed.group,
        group: succession.group,
        certain: succession.certain,
        keeps_names: keeps_names(&groups.system()),
    };
    let member = (groups.node(), groups.region().clone());
    tracing::info!(closed = %closed.group, group = %heir.group, "founding a successor");
    let make = move || -> Result<(), Fault> {
        finish_log(&store, &log, (heir.closed, succession.last))?;
        let terms = heir.keeps_names.then(|| terms(&log, heir.closed, succession.last));
        inherit(&store, heir, terms.as_ref(), member)
    };
    let made = blocking::run(groups.slotted(), make).await;
    made.map_err(|error| Fault::caused("founding a successor", error))?
}

/// Applies what a closed group's log holds behind its state.
fn finish_log(
    store: &Arc<SlottedStore>,
    log: &crate::log::RaftLog,
    (group, last): (GroupId, LogId),
) -> Result<(), Fault> {
    let doing = || format!("carrying the log of closed group {group} to its end");
    let broken = |error: &dyn std::fmt::Display| Fault::caused(doing(), error.to_string());
    let synced = Arc::new(SyncedState::new(group, Arc::clone(store)));
    let machine = MachineStore::open(synced, Arc::new(drop));
    let mut machine = machine.map_err(|error| broken(&error))?;
    // A power failure may have taken the whole state, which begins with entry 0.
    while machine.next_index() <= last.index {
        let next = machine.next_index().0;
        let records = log.read(group.0, next, last.index.0.saturating_add(1), READ_BYTES_MAX);
        let records = records.map_err(|error| broken(&error))?;
        if records.is_empty() && last == LogId::default() {
            break; // No survivor has anything.
        }
        if records.is_empty() {
            return Err(broken(&"the log ends before the entry that was told"));
        }
        let entries = records.iter().map(convert::entry_of).collect::<Result<Vec<_>, _>>();
        machine.catch_up(entries.map_err(|error| broken(&error))?).map_err(|e| broken(&e))?;
    }
    Ok(())
}

/// The terms of a closed group's log, as it is here.
fn terms(log: &crate::log::RaftLog, group: GroupId, last: LogId) -> InheritedTerms {
    let first = LogIndex(log.state(group.0).first_index);
    let runs = log.runs(group.0).into_iter();
    let runs = runs.map(|run| LogId { term: Term(run.term), index: LogIndex(run.index) });
    inheritance::terms(last, first, runs.collect())
}

/// Writes the successor's first state, whole or not at all.
fn inherit(
    store: &SlottedStore,
    heir: Heir,
    terms: Option<&InheritedTerms>,
    (founder, region): (NodeId, Region),
) -> Result<(), Fault> {
    let doing = || format!("making the first state of group {}", heir.group);
    let write = || -> Result<(), StoreError> {
        store.clear_spare(heir.group)?;
        succession::inherit(store, heir, &mut |pairs| store.write_spare(heir.group, pairs))?;
        if let Some(terms) = terms {
            let key = keys::inherited_terms(heir.group, heir.closed);
            store.write_spare(heir.group, vec![(key, terms.encode())])?;
        }
        let first = LogId { term: Term(0), index: succession::FIRST_INDEX };
        let applied = read_applied(store, heir.closed)
            .map_err(|error| StoreError::caused("reading a closed group's position", error))?;
        let members = heirs(&applied, (founder, region))?;
        let voters = vec![std::iter::once(founder.0).collect()];
        let membership = Membership::new(voters, members)
            .map_err(|error| StoreError::caused("a membership of one", error))?;
        let membership = StoredMembership::new(Some(convert::raft_log_id(first)), membership);
        let record = AppliedRecord {
            log_id: Some(first),
            log_time: applied.log_time,
            membership: convert::encode(&membership).to_vec(),
        };
        store.write_spare(heir.group, vec![(keys::applied(heir.group), record.encode())])?;
        store.swap(heir.group)
    };
    write().map_err(|error| Fault::caused(doing(), error))
}

/// The successor's first members: those of the closed group, with its founder. All but the founder
/// begin as learners, and keep the marks that they had: so each region that counted goes on counting,
/// the lost one too, until an operator removes it.
fn heirs(
    closed: &AppliedRecord,
    (founder, region): (NodeId, Region),
) -> Result<BTreeMap<u64, Member>, StoreError> {
    let own = Member { region: region.to_string() };
    let mut members = BTreeMap::new();
    if !planted::is(Bug::RegionsNotInherited) {
        let (_, membership) = position_of(closed)
            .map_err(|error| StoreError::caused("reading a closed group's members", error))?;
        members.extend(membership.nodes().map(|(id, member)| (*id, member.clone())));
    }
    members.entry(founder.0).or_insert(own);
    Ok(members)
}

#[cfg(test)]
mod tests {
    use concordat_proto::log::LogIndex;
    use openraft::entry::RaftEntry;

    use super::*;
    use crate::{
        log::{LogOptions, RaftLog, SimFiles},
        raft::types::{Entry, RaftLogId},
        store::memory::MemoryStore,
    };

    const CLOSED: GroupId = GroupId(7);

    /// Found by the simulation: the founder had lost its power, its state was gone and its log was
    /// whole. It looked for the entry after the first one, and stopped.
    #[test]
    fn a_founder_whose_state_is_gone_begins_with_the_first_entry() {
        let log = RaftLog::open(Arc::new(SimFiles::new()), LogOptions::default());
        let log = log.expect("a new log");
        let entry = |index| Entry::new_blank(RaftLogId::new_term_index(1, index));
        let records = (0..=5).map(|index| convert::record_of(&entry(index))).collect();
        assert!(log.append(CLOSED.0, records, Box::new(drop)).is_none());
        let store = SlottedStore::open(Arc::new(MemoryStore::default())).expect("a new store");
        let store = Arc::new(store);
        let last = LogId { term: Term(1), index: LogIndex(5) };
        finish_log(&store, &log, (CLOSED, last)).expect("the log is whole");
        let applied = read_applied(&*store, CLOSED).expect("it reads");
        assert_eq!(applied.log_id, Some(last));
        let known = terms(&log, CLOSED, last);
        assert_eq!((known.committed, &known.runs[..]), (LogIndex(0), &[last][..]));
        // Nobody has anything: there is nothing to be carried on.
        finish_log(&store, &log, (GroupId(8), LogId::default())).expect("nothing to do");
    }
}
