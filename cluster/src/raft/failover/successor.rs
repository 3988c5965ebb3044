//! Makes the first state of a closed group's successor, on the node that was named its founder: the
//! closed group's log is applied to its end, and the result is written as the new group's state.
//!
//! It must never leave a part of that state behind: all of it appears atomically, or nothing.
//!
//! # Why `all_regions` means the same afterwards
//! The first state has the members of the closed group and their marks. So every region that
//! counted continues to count, the lost one too, and a write has not reached all regions before
//! each has it, however long a region's nodes take to get the successor's state. If the founder
//! were the only member, a write would be acknowledged for all regions and the loss of the
//! founder's region would lose it.

use std::{collections::BTreeMap, sync::Arc};

use concordat_proto::{
    failover::{ClosedGroup, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex, Term},
    record::{AppliedRecord, InheritedTerms},
    region::Region,
    wire::Wire,
};

use crate::{
    consistency::inheritance,
    machine::succession::{self, SuccessorSpec},
    raft::{
        blocking,
        core::Core,
        engine::{
            applied::{position_of, read_applied},
            convert,
            machine_store::{MachineStore, SyncedState},
            types::{Member, Membership, StoredMembership},
        },
        fault::Fault,
        planted,
    },
    store::{StoreError, keys, shadow::ShadowStore},
};

/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// Makes a successor's first state from this node's replica of the closed group, unless it is there.
pub(crate) async fn found(
    core: &Core,
    closed: &ClosedGroup,
    succession: Succession,
) -> Result<(), Fault> {
    if core.has_state(succession.group) {
        return Ok(());
    }
    let (store, log) = (Arc::clone(core.shadow_store()), core.environment().log.clone());
    let spec = SuccessorSpec {
        closed: closed.group,
        group: succession.group,
        safe_index: succession.safe_index,
        keeps_names: succession::keeps_names(core.feature_level()),
    };
    let member = (core.node(), core.region().clone());
    tracing::info!(closed = %closed.group, group = %spec.group, "creating a successor");
    let make = move || -> Result<(), Fault> {
        finish_log(&store, &log, (spec.closed, succession.last))?;
        let terms = spec.keeps_names.then(|| terms(&log, spec.closed, succession.last));
        build_state(&store, spec, terms.as_ref(), member)
    };
    let made = blocking::run(core.shadow_store(), make).await;
    made.map_err(|error| Fault::caused("creating a successor", error))?
}

/// Applies the entries of a closed group's log beyond its state.
fn finish_log(
    store: &Arc<ShadowStore>,
    log: &crate::log::RaftLog,
    (group, last): (GroupId, LogId),
) -> Result<(), Fault> {
    let context = || format!("carrying the log of closed group {group} to its end");
    let broken = |error: &dyn std::fmt::Display| Fault::caused(context(), error.to_string());
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
            return Err(broken(&"the log ends before the reported entry"));
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
fn build_state(
    store: &ShadowStore,
    spec: SuccessorSpec,
    terms: Option<&InheritedTerms>,
    (founder, region): (NodeId, Region),
) -> Result<(), Fault> {
    let context = || format!("making the first state of group {}", spec.group);
    let write = || -> Result<(), StoreError> {
        store.clear_shadow(spec.group)?;
        succession::build_successor_state(store, spec, &mut |pairs| {
            store.write_shadow(spec.group, pairs)
        })?;
        if let Some(terms) = terms {
            let key = keys::inherited_terms(spec.group, spec.closed);
            store.write_shadow(spec.group, vec![(key, terms.encode())])?;
        }
        let first = LogId { term: Term(0), index: succession::FIRST_INDEX };
        let applied = read_applied(store, spec.closed)
            .map_err(|error| StoreError::caused("reading a closed group's position", error))?;
        let members = specs(&applied, (founder, region))?;
        let voters = vec![std::iter::once(founder.0).collect()];
        let membership = Membership::new(voters, members)
            .map_err(|error| StoreError::caused("a membership of one", error))?;
        let membership = StoredMembership::new(Some(convert::raft_log_id(first)), membership);
        let record = AppliedRecord {
            log_id: Some(first),
            log_time: applied.log_time,
            membership: convert::encode(&membership).to_vec(),
        };
        store.write_shadow(spec.group, vec![(keys::applied(spec.group), record.encode())])?;
        store.swap(spec.group)
    };
    write().map_err(|error| Fault::caused(context(), error))
}

/// The successor's first members: those of the closed group, and its founder. All but the founder
/// begin as learners and keep their marks: so each region that counted continues to count, the lost
/// one too, until an operator removes it.
fn specs(
    closed: &AppliedRecord,
    (founder, region): (NodeId, Region),
) -> Result<BTreeMap<u64, Member>, StoreError> {
    let own = Member { region: region.to_string() };
    let mut members = BTreeMap::new();
    if planted::inherits_members() {
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
        raft::engine::types::{Entry, RaftLogId},
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
        let store = ShadowStore::open(Arc::new(MemoryStore::default())).expect("a new store");
        let store = Arc::new(store);
        let last = LogId { term: Term(1), index: LogIndex(5) };
        finish_log(&store, &log, (CLOSED, last)).expect("the log is whole");
        let applied = read_applied(&*store, CLOSED).expect("it reads");
        assert_eq!(applied.log_id, Some(last));
        let known = terms(&log, CLOSED, last);
        assert_eq!((known.committed, &known.runs[..]), (LogIndex(0), &[last][..]));
        // The closed group has no entries: nothing is carried over.
        finish_log(&store, &log, (GroupId(8), LogId::default())).expect("nothing to do");
    }
}
