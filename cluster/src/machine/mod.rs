//! The state machine: what each command does to the state, and what it answers.
//!
//! [`apply`] is a function of what it is given: the state, the entry's place and time, the
//! proposal. It never reads a clock, draws randomness, iterates in hash order or does IO of its own,
//! and no input makes it panic. A no is an answer ([`Refusal`]) that every replica computes alike;
//! an error means that the store is broken or holds what this build cannot read.
//!
//! A proposal has come out of its decoder, which checks every bound that records have: so whatever is
//! written here can be read again.
//!
//! # The order of checks
//! 1. A write id that is remembered is answered as it was answered first.
//! 2. After `not_after` it is refused as expired: certainly not done.
//! 3. A command that its group does not carry out is refused, and one under an id that means nobody;
//!    so is a write of an organisation that is on a move or has moved (`movement.rs`).
//! 4. An idempotency key that is remembered is answered from the first one's outcome, or refused
//!    when it named another request.
//! 5. The key that authorised it must still live.
//! 6. There must be room for its idempotency key.
//! 7. The command's own rule, one file per resource.

use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, OrgId},
    refusal::Refusal,
    reply::Applied,
};

mod changes;
mod cluster;
mod context;
pub mod digest;
pub mod export;
mod failover;
mod feature;
mod life;
pub mod locate;
mod movement;
mod naming;
mod oidc;
mod org;
pub mod query;
mod replica;
mod session;
pub mod succession;
mod turn;
mod view;

#[cfg(test)]
mod failover_test;
#[cfg(test)]
mod life_test;
#[cfg(test)]
mod machine_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod movement_model;
#[cfg(test)]
mod movement_test;
#[cfg(test)]
mod movement_world;
#[cfg(test)]
mod naming_test;
#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod succession_test;
#[cfg(test)]
mod testkit;

pub use changes::Changes;
pub use cluster::{ADDRESS_IS_NO_NAME, is_ended_by};
pub use context::ApplyContext;
pub use naming::refuse_unnamed;
pub use view::Overlay;

use crate::planted::{self, Bug};
use crate::store::{Reader, StoreError};
use turn::{Ruling, Turn};

/// Carries out one proposal: what it answers, and what it changes.
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
    let term = match &home {
        Some(_) => feature::named_term(view, context)?,
        None => None,
    };
    let turn = Turn::new(view, context.group, proposal.write_id, index, log_time);
    let mut turn = turn.about(home).of_term(term);
    let remembered = session::remembered_write(&turn)?;
    if log_time > context.log_time_before {
        session::forget(&mut turn)?;
    }
    let applied = match remembered {
        Some(applied) => applied,
        None => decide(&mut turn, proposal)?,
    };
    Ok((applied, turn.into_changes()))
}

fn decide(turn: &mut Turn<'_>, proposal: &Proposal) -> Result<Applied, StoreError> {
    // None of these leaves a record: the first three will be answered alike for ever, and what
    // was refused by an organisation's old home must be tried under the same name in its new one,
    // which may be this group again.
    if turn.log_time > proposal.not_after {
        return Ok(turn.answer(Err(Refusal::Expired)));
    }
    let refusal = refuse_misplaced(turn.group, &proposal.command);
    if let Some(refusal) = refusal.or_else(|| refuse_reserved(&proposal.command)) {
        return Ok(turn.answer(Err(refusal)));
    }
    if let Some(refusal) = movement::refuse_elsewhere(turn, proposal)? {
        return Ok(turn.answer(Err(refusal)));
    }
    if let Some(refusal) = failover::refuse_loss(turn, &proposal.command)? {
        return Ok(turn.answer(Err(refusal)));
    }
    if let Some(applied) = session::remembered_key(turn, proposal)? {
        session::remember_write(turn, proposal.command.asked_by(), proposal.not_after, &applied);
        return Ok(applied);
    }
    let outcome = turn.attempt(|turn| {
        session::require_alive(turn, proposal)?;
        session::require_room(turn, proposal)?;
        carry_out(turn, proposal)
    })?;
    let applied = turn.answer(outcome);
    session::remember(turn, proposal, &applied)?;
    Ok(applied)
}

fn carry_out(turn: &mut Turn<'_>, proposal: &Proposal) -> Ruling {
    match &proposal.command {
        Command::Form { cluster, operator_key } => cluster::form(turn, cluster, operator_key, &[]),
        Command::FormWithRegions { cluster, operator_key, regions } => {
            cluster::form(turn, cluster, operator_key, regions)
        }
        Command::RegisterNode(node) => cluster::register_node(turn, node),
        Command::ClaimOrg(org) => org::claim(turn, org),
        Command::CreateOrg(org) => org::create(turn, org),
        Command::CreateOidc { org, credential } => oidc::create(turn, *org, credential),
        Command::PatchOidc { org, client_id, patch, precondition } => {
            oidc::patch(turn, *org, client_id, patch, precondition.as_ref())
        }
        Command::DeleteOidc { org, client_id, precondition } => {
            oidc::delete(turn, *org, client_id, precondition.as_ref())
        }
        Command::MarkReplicas { marks } => replica::mark(turn, marks),
        Command::SetLeases(terms) => replica::set_leases(turn, *terms),
        Command::SetNodeState { node, state } => life::set_node_state(turn, *node, *state),
        Command::SetRegionState { region, state } => life::set_region_state(turn, region, *state),
        Command::RefoundRegion { region, founder } => life::refound_region(turn, region, *founder),
        Command::SetSurvive(survive) => life::set_survive(turn, *survive),
        Command::Release { org, to, epoch } => movement::release(turn, *org, *to, *epoch),
        Command::HandOver { epoch, .. } => movement::hand_over(turn, *epoch),
        Command::Restore { org, epoch } => movement::restore(turn, *org, *epoch),
        Command::AdoptBegin { org, past, floor } => movement::adopt_begin(turn, org, past, *floor),
        Command::AdoptPart { org, attempt, sequence, belongings, is_last } => {
            let part = movement::Part { sequence: *sequence, belongings, is_last: *is_last };
            movement::adopt_part(turn, *org, *attempt, &part)
        }
        Command::AdoptEnd { org, attempt, digest } => {
            movement::adopt_end(turn, *org, *attempt, digest)
        }
        Command::Forget { org, epoch } => movement::forget(turn, *org, *epoch),
        Command::SetOrgSettings { org, settings } => org::set_settings(turn, *org, settings),
        Command::SetIsolation(when) => failover::set_isolation(turn, *when),
        Command::NoteIsolation(isolation) => failover::note_isolation(turn, *isolation),
        Command::SetSeat { region, seat } => failover::set_seat(turn, region, seat),
        Command::CloseGroup { region, to, basis, absent } => {
            failover::close_group(turn, region, to, *basis, absent)
        }
        Command::FoundSuccessor { closed, founder, last, certain } => {
            failover::found_successor(turn, *closed, *founder, *last, *certain)
        }
        Command::RaiseFeatureLevel { level, known_by } => feature::raise(turn, *level, known_by),
        Command::NoteFeatureLevel(level) => feature::note(turn, *level),
        Command::AddRegion(region) => naming::add(turn, region),
        // Remembered like any other no: under its id nothing is carried out from here on.
        Command::NoteLost { .. } => Err(Refusal::Lost.into()),
    }
}

/// Why a group does not carry a command out: the cluster's own belong to the system group, those of
/// organisations to home groups; what a log says of its group's own replicas belongs to any. Only a fault of the proposing node brings one to the wrong group.
fn refuse_misplaced(group: GroupId, command: &Command) -> Option<Refusal> {
    let (of_system, refusal) = match command {
        Command::Form { .. } | Command::FormWithRegions { .. } => (true, Refusal::AlreadyFormed),
        Command::RegisterNode(_) => (true, Refusal::NodeRefused),
        Command::SetNodeState { .. } => (true, Refusal::NodeNotFound),
        Command::ClaimOrg(_)
        | Command::SetRegionState { .. }
        | Command::RefoundRegion { .. }
        | Command::SetSurvive(_)
        | Command::SetIsolation(_)
        | Command::SetSeat { .. }
        | Command::CloseGroup { .. }
        | Command::FoundSuccessor { .. }
        | Command::RaiseFeatureLevel { .. }
        | Command::AddRegion(_) => (true, Refusal::RegionNotFound),
        Command::NoteIsolation(_) | Command::NoteFeatureLevel(_) => {
            (false, Refusal::RegionNotFound)
        }
        Command::CreateOrg(_)
        | Command::CreateOidc { .. }
        | Command::PatchOidc { .. }
        | Command::DeleteOidc { .. }
        | Command::Release { .. }
        | Command::HandOver { .. }
        | Command::Restore { .. }
        | Command::AdoptBegin { .. }
        | Command::AdoptPart { .. }
        | Command::AdoptEnd { .. }
        | Command::Forget { .. }
        | Command::SetOrgSettings { .. } => (false, Refusal::OrgNotFound),
        Command::MarkReplicas { .. } | Command::SetLeases(_) | Command::NoteLost { .. } => {
            return None;
        }
    };
    (of_system != (group == GroupId::SYSTEM)).then_some(refusal)
}

/// Why nothing is carried out under an id that means nobody: under the nil organization the store keeps
/// what belongs to none, the group's remembered writes among it, and a move would clear that. The API
/// takes no such id; what another node lets through ends here.
fn refuse_reserved(command: &Command) -> Option<Refusal> {
    let is_reserved = command.org().is_some_and(OrgId::is_reserved);
    if !is_reserved || planted::is(Bug::NilOrganisation) {
        return None;
    }
    Some(match command {
        Command::ClaimOrg(_) | Command::CreateOrg(_) | Command::AdoptBegin { .. } => {
            Refusal::OrgExists
        }
        _ => Refusal::OrgNotFound,
    })
}
