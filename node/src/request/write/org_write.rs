//! A write of an organization, across its moves and failovers.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::Located, query, succession},
    planted,
    store::StoreError,
};
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, OrgId, WriteId},
    org::{Org, OrgSettings},
    record::WriteRecord,
    refusal::Refusal,
    resource::Administrator,
    time::LogTime,
};
use tokio::time::{Instant, sleep_until};

use super::{
    commit::{
        Committed, Home, NotCommitted, WriteRequest, as_operator, finish, not_after, pending,
        proposal, propose_until, unknown,
    },
    seal_command,
};
use crate::{
    api::{
        draft::KeyDraft,
        operation::CredentialWrite,
        outcome::{Answer, Unavailable},
    },
    auth::OrgPrincipal,
    node::Node,
    request::{
        freshness, locate,
        unavailable::{broken, unavailable},
    },
};

/// A write of an organization, in its present group: where it is refused because the organization
/// has moved, it is proposed again under the same name in its new home, as soon as this node sees
/// it there. Such a refusal leaves no record, so the write happens at most once.
///
/// A group that is closed meanwhile may have committed it. The successor's state shows whether it
/// was carried over; if not, it never will be, and it is proposed again under another name: so the
/// closed group's replicas, when they return, can prove for good that their entry under the first
/// name is lost.
pub(super) async fn answer(node: &Node, draft: Draft, mut request: WriteRequest) -> Answer {
    let (org, deadline) = (draft.org(), request.timing.deadline);
    let mut proposal = match draft.proposal(node, &request) {
        Ok(proposal) => proposal,
        Err(answer) => return answer,
    };
    let mut epoch_min = 0;
    // The earliest time after which a copy of it under its present name was refused.
    let mut over_after: Option<LogTime> = None;
    // A closed group that may have committed it: from then on no answer may say that nothing was
    // stored.
    let mut closed = None;
    loop {
        let at = match locate::wait_until_writable(node, org, epoch_min, deadline).await {
            Ok(Some(at)) => at,
            Ok(None) => {
                let moving = || {
                    let fresh = freshness::for_not_found(node);
                    freshness::mark(unavailable(Unavailable::Moving), fresh)
                };
                return closed.map_or_else(moving, |group| not_known(node, group, &request));
            }
            Err(error) => return broken("locating an organization", &error),
        };
        let home = Home { group: at.group, epoch: at.home.org.epoch };
        if let (Some(group), Some(limit)) = (closed, over_after) {
            match carried_over(node, at, request.write_id, limit) {
                Ok(Some(CarriedOver::Yes(committed))) => {
                    return finish(node, home, *committed, &request).await;
                }
                Ok(Some(CarriedOver::No)) => {
                    (closed, over_after) = (None, None);
                    request.write_id = repeated_as(request.write_id, group);
                    proposal = match draft.proposal(node, &request) {
                        Ok(proposal) => proposal,
                        Err(answer) => return answer,
                    };
                }
                Ok(Some(CarriedOver::Forgotten)) => {
                    sleep_until(deadline).await;
                    return not_known(node, group, &request);
                }
                // It has moved meanwhile.
                Ok(None) => continue,
                Err(error) => return broken("looking for a write", &error),
            }
        }
        let limit = not_after(node, home.group, &request);
        over_after = Some(over_after.map_or(limit, |before| before.min(limit)));
        let proposal = Proposal { not_after: limit, ..proposal.clone() };
        let committed = match propose_until(node, home.group, proposal, &request).await {
            Ok(committed) => committed,
            // Its successor has the write, if the closed group had it and it was carried over.
            Err(NotCommitted::Closed) => {
                closed = Some(home.group);
                continue;
            }
            Err(NotCommitted::Answered(answer)) => {
                let is_unavailable = answer.outcome.is_unavailable() && Instant::now() >= deadline;
                let maybe_done = closed.filter(|_| is_unavailable);
                return maybe_done.map_or(answer, |group| not_known(node, group, &request));
            }
        };
        match committed.applied.outcome {
            Err(Refusal::Moved { epoch, .. } | Refusal::Moving { epoch }) => epoch_min = epoch,
            Ok(_) | Err(_) => return finish(node, home, committed, &request).await,
        }
    }
}

/// 408: a group that is closed may have taken it.
fn not_known(node: &Node, group: GroupId, request: &WriteRequest) -> Answer {
    pending(unknown(node, group, request.write_id, request))
}

/// The requested change of an organization: made into a proposal under each name that it is tried
/// with.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, and a box costs more")]
pub(super) enum Draft {
    /// By the organization's own key.
    Own { org: Arc<OrgPrincipal>, write: CredentialWrite },
    /// Of its keys, by one of them.
    Keys { org: Arc<OrgPrincipal>, draft: KeyDraft },
    /// Of its suborganizations, by one of its keys.
    Suborganization { org: Arc<OrgPrincipal>, child: Box<Org>, admins: Vec<Administrator> },
    /// Its end, by one of its keys.
    End { org: Arc<OrgPrincipal> },
    /// Its end, by an operator.
    EndByOperator { org: OrgId },
    /// By an operator.
    Settings { org: OrgId, settings: OrgSettings },
}

impl Draft {
    fn org(&self) -> OrgId {
        match self {
            Self::Own { org, .. }
            | Self::Keys { org, .. }
            | Self::Suborganization { org, .. }
            | Self::End { org } => org.id(),
            Self::EndByOperator { org } | Self::Settings { org, .. } => *org,
        }
    }

    fn proposal(&self, node: &Node, request: &WriteRequest) -> Result<Proposal, Answer> {
        match self {
            Self::Own { org, write } => {
                let command = seal_command::command(node, org, write.clone(), request)?;
                Ok(proposal(node, request, org.authorized_by(), command))
            }
            Self::Keys { org, draft } => {
                let command = seal_command::keys(node, org, draft, request)?;
                Ok(proposal(node, request, org.authorized_by(), command))
            }
            Self::Suborganization { org, child, admins } => {
                let (parent, child, admins) = (org.id(), child.clone(), admins.clone());
                let command = Command::CreateSuborganization { parent, child, admins };
                Ok(proposal(node, request, org.authorized_by(), command))
            }
            Self::End { org } => {
                let command = Command::EndOrg { org: org.id(), by_operator: false };
                Ok(proposal(node, request, org.authorized_by(), command))
            }
            Self::EndByOperator { org } => {
                let command = Command::EndOrg { org: *org, by_operator: true };
                Ok(as_operator(proposal(node, request, None, command)))
            }
            Self::Settings { org, settings } => {
                let command = Command::SetOrgSettings { org: *org, settings: *settings };
                Ok(as_operator(proposal(node, request, None, command)))
            }
        }
    }
}

/// Whether a write that a closed group may have was carried over to its organization's present
/// home.
enum CarriedOver {
    /// It does.
    Yes(Box<Committed>),
    /// It does not, and never will: it was part of nothing that came here.
    No,
    /// It may have been forgotten.
    Forgotten,
}

/// Looks for it here, in a state that holds all that was carried over; nothing where the organization
/// has left from here meanwhile. `over_after`: no copy of it was carried out later.
fn carried_over(
    node: &Node,
    at: Located,
    write_id: WriteId,
    over_after: LogTime,
) -> Result<Option<CarriedOver>, StoreError> {
    if planted::is_never_carried_over() {
        return Ok(Some(CarriedOver::No));
    }
    let look = |at: &Located| {
        let record = query::remembered(node.state(), at.group, Some(&at.home), write_id)?;
        // A caller that asked was answered that it is lost.
        if record.as_ref().is_some_and(|it| it.applied.outcome == Err(Refusal::Lost)) {
            return Ok(CarriedOver::No);
        }
        if let Some(WriteRecord { applied, .. }) = record {
            let stale_readers = node.groups.stale_readers(at.group, applied.index);
            return Ok(CarriedOver::Yes(Box::new(Committed { applied, stale_readers })));
        }
        // Looked at after the record, which was there at least until then.
        let log_time = query::applied(node.state(), at.group)?.log_time;
        let dedup_horizon =
            at.home.arrival.as_ref().map_or(log_time, |arrival| arrival.dedup_horizon);
        let is_forgotten = over_after < log_time.max(dedup_horizon);
        Ok(if is_forgotten { CarriedOver::Forgotten } else { CarriedOver::No })
    };
    let found = locate::read_consistently(node, at, look)?;
    found.map(|(found, _)| found).transpose()
}

/// The name under which it is made anew.
fn repeated_as(write_id: WriteId, closed: GroupId) -> WriteId {
    planted::on_repeated_name(succession::repeated_as(write_id, closed), write_id)
}
