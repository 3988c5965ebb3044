//! The state machine: the effect of each command on the state, and its result.
//!
//! [`apply`] is a function of its arguments: the state, the entry's position and time, the
//! proposal. It never reads a clock, draws randomness, iterates in hash order or does IO of its
//! own, and no input makes it panic. A rejection is a result ([`Refusal`]) that every replica
//! computes alike; an error means that the store is broken or holds bytes that this build cannot
//! read.
//!
//! A proposal comes from its decoder, which checks every bound of the records: so every record that
//! is written here can be read again.
//!
//! # The order of checks
//! 1. A remembered write id returns its first result.
//! 2. After `not_after` a proposal is refused as expired: certainly not done.
//! 3. A command in the wrong group is refused, and one under a reserved id; so is a write of an
//!    organization that is moving or has moved (`movement/mod.rs`).
//! 4. A remembered idempotency key returns the first request's result, or a refusal when the
//!    requests differ.
//! 5. The policies that it was authorized under must still be the newest that the group knows.
//! 6. The key that authorized it must still be valid.
//! 7. There must be room for its idempotency key.
//! 8. The command's own rule, one file per resource.

use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, OrgId},
    refusal::Refusal,
    reply::Applied,
    version,
};

mod dedup;
pub mod digest;
mod entry;
mod failover;
pub mod home_orgs;
pub mod list;
pub mod locate;
mod membership;
mod movement;
mod oidc;
mod org;
pub mod policy;
pub mod query;
pub mod registered;
mod registration;
mod replica;
pub mod resource;
mod system_view;

#[cfg(test)]
mod machine_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod testkit;

pub use entry::{changes::Changes, context::ApplyContext, repeated::Repeated, view::Overlay};
pub use failover::{lost, succession};
pub use membership::{
    admission,
    cluster::{ADDRESS_IS_NO_NAME, is_ended_by},
    feature::{may_be_proposed, names_terms, raised},
    naming::refuse_unnamed,
};
pub use movement::{export, slots, steps, sweep};
pub use org::{end as org_end, keys as org_keys, suborganization};
pub use system_view::{SystemView, is_carried_over};

use crate::planted;
use crate::store::{Reader, StoreError};
use entry::txn::{ApplyResult, ApplyTxn};
use failover::set_voter_region;
use membership::{
    cluster, feature,
    lifecycle::{self, refound_region, set_region_state},
    naming,
};
use movement::import_finish;
use registration::bind;

/// Applies one proposal: its result, and its changes.
///
/// # Errors
/// When the store is broken or holds bytes that cannot be read.
pub fn apply(
    view: &dyn Reader,
    context: &ApplyContext,
    proposal: &Proposal,
) -> Result<(Applied, Changes), StoreError> {
    let log_time = context.log_time(proposal);
    let index = context.log_id.index;
    let org = proposal.command.org().filter(|_| context.group != GroupId::SYSTEM);
    let home = match org {
        Some(org) => query::home(view, context.group, org)?,
        None => None,
    };
    let level = match &home {
        Some(_) => query::feature_level(view, context.group)?,
        None => version::FEATURE_LEVEL_FIRST,
    };
    let term = names_terms(level).then_some(context.log_id.term);
    let txn = ApplyTxn::new(view, context.group, proposal.write_id, index, log_time);
    let mut txn = txn.about(home).of_level(level, term);
    let remembered = dedup::remembered_write(&txn)?;
    if log_time > context.log_time_before {
        dedup::forget(&mut txn)?;
    }
    let applied = match remembered {
        Some(applied) => applied,
        None => decide(&mut txn, proposal)?,
    };
    Ok((applied, txn.into_changes()))
}

fn decide(txn: &mut ApplyTxn<'_>, proposal: &Proposal) -> Result<Applied, StoreError> {
    // None of these leaves a record: the first three always get the same result, and a write that
    // an organization's old home has refused must be retried under the same name in its new one,
    // which may be this group again.
    if txn.log_time > proposal.not_after {
        return Ok(txn.answer(Err(Refusal::Expired)));
    }
    let refusal = refuse_misplaced(txn.group, &proposal.command);
    if let Some(refusal) = refusal.or_else(|| refuse_reserved(&proposal.command)) {
        return Ok(txn.answer(Err(refusal)));
    }
    if let Some(refusal) = movement::refuse_elsewhere(txn, proposal)? {
        return Ok(txn.answer(Err(refusal)));
    }
    if let Some(refusal) = failover::refuse_loss(txn, &proposal.command)? {
        return Ok(txn.answer(Err(refusal)));
    }
    if let Some(applied) = dedup::remembered_key(txn, proposal)? {
        dedup::remember_write(txn, proposal.command.asked_by(), proposal.not_after, &applied);
        return Ok(applied);
    }
    // Leaves no record either: the write is authorized again, under the same name.
    if let Some(refusal) = policy::refuse_stale(txn, proposal)? {
        return Ok(txn.answer(Err(refusal)));
    }
    let outcome = txn.attempt(|txn| {
        dedup::require_alive(txn, proposal)?;
        dedup::require_room(txn, proposal)?;
        if txn.home.as_ref().is_some_and(|home| home.is_ended()) {
            return after_end(txn, &proposal.command);
        }
        carry_out(txn, proposal)
    })?;
    let applied = txn.answer(outcome);
    dedup::remember(txn, proposal, &applied)?;
    Ok(applied)
}

/// The rule of a command. A note that a write is lost is remembered like any other no: under that
/// write's id nothing is carried out from here on.
fn carry_out(txn: &mut ApplyTxn<'_>, proposal: &Proposal) -> ApplyResult {
    match &proposal.command {
        Command::Form { cluster, operator_key } => cluster::form(txn, cluster, operator_key, &[]),
        Command::FormWithRegions { cluster, operator_key, regions } => {
            cluster::form(txn, cluster, operator_key, regions)
        }
        Command::RegisterNode(node) => cluster::register_node(txn, node),
        Command::ClaimOrg(org) => org::claim(txn, org),
        Command::CreateOrg(org) => org::create(txn, org),
        Command::CreateOidc { org, credential } => oidc::create(txn, *org, credential),
        Command::PatchOidc { org, client_id, patch, precondition } => {
            oidc::patch(txn, *org, client_id, patch, precondition.as_ref())
        }
        Command::DeleteOidc { org, client_id, precondition } => {
            oidc::delete(txn, *org, client_id, precondition.as_ref())
        }
        Command::MarkReplicas { marks } => replica::mark(txn, marks),
        Command::SetLeases(terms) => replica::set_leases(txn, *terms),
        Command::SetNodeState { node, state } => lifecycle::set_node_state(txn, *node, *state),
        Command::SetRegionState { region, state } => set_region_state(txn, region, *state),
        Command::RefoundRegion { region, founder } => refound_region(txn, region, *founder),
        Command::SetSurvivalGoal(goal) => lifecycle::set_survival_goal(txn, *goal),
        Command::MoveFreeze { org, to, epoch } => movement::freeze(txn, *org, *to, *epoch),
        Command::MoveCommit { epoch, .. } => movement::commit(txn, *epoch),
        Command::MoveAbort { org, epoch } => movement::abort(txn, *org, *epoch),
        Command::ImportBegin { org, past, dedup_horizon } => {
            movement::import_begin(txn, org, past, *dedup_horizon)
        }
        Command::ImportChunk { org, attempt, sequence, moved_records, is_last } => {
            movement::import_chunk(txn, *org, *attempt, (*sequence, *is_last), moved_records)
        }
        Command::ImportFinish { org, attempt: of, digest } => import_finish(txn, *org, *of, digest),
        Command::MoveCleanup { org, epoch } => movement::clean_up(txn, *org, *epoch),
        Command::SetOrgSettings { org, settings } => org::set_settings(txn, *org, settings),
        Command::SetPartitionPolicy(when) => failover::set_partition_policy(txn, *when),
        Command::NotePartitionPolicy(policy) => failover::note_partition_policy(txn, *policy),
        Command::SetVoterRegion { region, voter_region: to } => set_voter_region(txn, region, to),
        Command::CloseGroup { region, to, basis, absent } => {
            failover::close_group(txn, region, to, *basis, absent)
        }
        Command::FoundSuccessor { closed, founder, last, safe_index } => {
            failover::found_successor(txn, *closed, *founder, *last, *safe_index)
        }
        Command::RaiseFeatureLevel { level, known_by } => feature::raise(txn, *level, known_by),
        Command::NoteFeatureLevel(level) => feature::note(txn, *level),
        Command::AddRegion(region) => naming::add(txn, region),
        Command::ChangeCredential { org, target, change, precondition } => {
            registration::change(txn, *org, target, change, precondition.as_ref())
        }
        Command::RemoveCredential { org, target, precondition } => {
            registration::remove(txn, *org, target, precondition.as_ref())
        }
        Command::BindCredential { org, binding, client_id } => bind(txn, *org, binding, client_id),
        Command::ChangeResource { org, change, precondition } => {
            resource::change(txn, *org, change, precondition.as_ref())
        }
        Command::ChangeKeys { org, change } => org_keys::change(txn, *org, change),
        Command::ClaimDomain { org, domain } => org::claim_domain(txn, *org, domain),
        Command::SetPolicies { text, precondition } => policy::replace(txn, text, precondition),
        Command::NotePolicies(revision) => policy::note(txn, *revision),
        Command::CreateSuborganization { parent, child, admins } => {
            suborganization::create(txn, *parent, child, admins)
        }
        Command::EndOrg { org, .. } => org_end::end(txn, *org, proposal.authorized_by),
        Command::EndClaim(org) => org_end::end_claim(txn, *org),
        Command::SettleEnd(_) => Err(Refusal::OrgNotFound.into()),
        Command::NoteLost { .. } => Err(Refusal::Lost.into()),
    }
}

/// The answer to a command about an organization that has ended here.
fn after_end(txn: &mut ApplyTxn<'_>, command: &Command) -> ApplyResult {
    if let Command::SettleEnd(org) = command {
        return org_end::settle(txn, *org);
    }
    // Under that write's id nothing is carried out, whatever has become of the organization.
    if matches!(command, Command::NoteLost { .. }) {
        return Err(Refusal::Lost.into());
    }
    let creates = matches!(command, Command::CreateOrg(_) | Command::ImportBegin { .. });
    Err(if creates { Refusal::OrgExists } else { Refusal::OrgNotFound }.into())
}

/// Why a command is in the wrong group: the cluster's own commands belong to the system group,
/// those of organizations to home groups, and marks of a group's own replicas to any. Only a bug of
/// the proposing node sends one to the wrong group.
fn refuse_misplaced(group: GroupId, command: &Command) -> Option<Refusal> {
    let (of_system, refusal) = match command {
        Command::Form { .. } | Command::FormWithRegions { .. } => (true, Refusal::AlreadyFormed),
        Command::RegisterNode(_) => (true, Refusal::NodeRefused),
        Command::SetNodeState { .. } => (true, Refusal::NodeNotFound),
        Command::ClaimDomain { .. } | Command::EndClaim(_) => (true, Refusal::OrgNotFound),
        Command::ClaimOrg(_)
        | Command::SetRegionState { .. }
        | Command::RefoundRegion { .. }
        | Command::SetSurvivalGoal(_)
        | Command::SetPartitionPolicy(_)
        | Command::SetVoterRegion { .. }
        | Command::CloseGroup { .. }
        | Command::FoundSuccessor { .. }
        | Command::RaiseFeatureLevel { .. }
        | Command::SetPolicies { .. }
        | Command::AddRegion(_) => (true, Refusal::RegionNotFound),
        Command::NotePartitionPolicy(_)
        | Command::NoteFeatureLevel(_)
        | Command::NotePolicies(_) => (false, Refusal::RegionNotFound),
        Command::CreateOrg(_)
        | Command::CreateOidc { .. }
        | Command::PatchOidc { .. }
        | Command::DeleteOidc { .. }
        | Command::MoveFreeze { .. }
        | Command::MoveCommit { .. }
        | Command::MoveAbort { .. }
        | Command::ImportBegin { .. }
        | Command::ImportChunk { .. }
        | Command::ImportFinish { .. }
        | Command::MoveCleanup { .. }
        | Command::ChangeCredential { .. }
        | Command::RemoveCredential { .. }
        | Command::BindCredential { .. }
        | Command::ChangeResource { .. }
        | Command::ChangeKeys { .. }
        | Command::CreateSuborganization { .. }
        | Command::EndOrg { .. }
        | Command::SettleEnd(_)
        | Command::SetOrgSettings { .. } => (false, Refusal::OrgNotFound),
        Command::MarkReplicas { .. } | Command::SetLeases(_) | Command::NoteLost { .. } => {
            return None;
        }
    };
    (of_system != (group == GroupId::SYSTEM)).then_some(refusal)
}

/// Why a reserved id is refused: under the nil organization the store keeps records without an
/// organization, the group's remembered writes among them, and a move would clear them. The API
/// accepts no such id; this check stops one that another node lets through.
fn refuse_reserved(command: &Command) -> Option<Refusal> {
    let mut is_reserved = command.org().is_some_and(OrgId::is_reserved);
    if let Command::CreateSuborganization { child, .. } = command {
        is_reserved |= child.id.is_reserved();
    }
    if !planted::on_reserved(is_reserved) {
        return None;
    }
    let creates = matches!(
        command,
        Command::ClaimOrg(_)
            | Command::CreateOrg(_)
            | Command::ImportBegin { .. }
            | Command::CreateSuborganization { .. }
    );
    Some(if creates { Refusal::OrgExists } else { Refusal::OrgNotFound })
}
