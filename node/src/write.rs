//! Writes: seal, propose at the leader wherever it is, wait as far as the caller requires, tell.
//!
//! Never answers 408 before the time is up, and never calls a write undone that may have happened.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::Located, query, succession},
    planted::{self, Bug},
    raft::{Danger, Freshness, Progress, Proposed, Scope},
    store::{StoreError, keys},
};
use concordat_proto::{
    command::{Command, Idempotency, Proposal, RequestDigest},
    consistency::{Position, Receipt, RequiredConsistency},
    header,
    id::{GroupId, KeyId, OrgId, WriteId},
    limits,
    movement::HomeRecord,
    org::OrgSettings,
    record::WriteRecord,
    refusal::Refusal,
    reply::Applied,
    time::LogTime,
};
use http::request::Parts;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use crate::{
    auth::{Authorised, OrgPrincipal, Principal},
    dialect::{
        Action, Answer, CommonHeaders, Operation,
        slashid::{self, render},
    },
    draft, entropy, freshness, locate, members, moves,
    node::Node,
    orgs, receipt, refuse,
    serve::Timing,
};

/// A write as it was asked for, beside what it is.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its name.
    pub(crate) write_id: WriteId,
    /// Its headers.
    pub(crate) common: CommonHeaders,
    /// What a repeat is known by.
    pub(crate) digest: RequestDigest,
    /// Its times.
    pub(crate) timing: Timing,
}

/// Where an organisation's writes are ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    /// The group.
    pub(crate) group: GroupId,
    /// The organisation's epoch there.
    pub(crate) epoch: u32,
}

impl Home {
    /// Of what belongs to no organisation.
    pub(crate) const SYSTEM: Self = Self { group: GroupId::SYSTEM, epoch: 0 };
}

/// Method, path, body and conditions: whether a repeated key repeats the request. The path may spell
/// its escapes in another way. What nodes of earlier versions made of a request without escapes and
/// without `If-None-Match` is the same.
pub(crate) fn request_digest(head: &Parts, body: &[u8]) -> RequestDigest {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(head.method.as_str().as_bytes());
    part(slashid::normalized(head.uri.path()).as_bytes());
    part(body);
    for value in head.headers.get_all(header::IF_MATCH) {
        part(value.as_bytes());
    }
    if head.headers.contains_key(header::IF_NONE_MATCH) {
        part(header::IF_NONE_MATCH.as_bytes());
    }
    for value in head.headers.get_all(header::IF_NONE_MATCH) {
        part(value.as_bytes());
    }
    digest.finalize().into()
}

/// Carries a write out, as far as it goes in the caller's time.
pub(crate) async fn answer(
    node: &Arc<Node>,
    request: Authorised<Action>,
    common: CommonHeaders,
    digest: RequestDigest,
    timing: Timing,
) -> Answer {
    if node.groups.waits_are_full() {
        return refuse::too_many_waits();
    }
    if !node.keyring_check.has_passed() {
        return refuse::keyring_unchecked();
    }
    let write_id = entropy::write_id(&*node.environment.clock, &*node.environment.entropy);
    let asked = Asked { write_id, common, digest, timing };
    let operation = request.operation();
    let (principal, action) = request.into_parts();
    let _place = match &principal {
        Principal::Operator { .. } => None,
        Principal::Org(org) => match node.writes.enter(org.id()) {
            Some(place) => Some(place),
            None => return refuse::too_many_waits(),
        },
    };
    match (principal, action) {
        (Principal::Operator { key }, Action::OrgCreate(draft)) => {
            orgs::create(node, key, draft, &asked).await
        }
        (Principal::Operator { .. }, Action::OrgMove(org, draft)) => {
            moves::change(node, org, draft, &asked).await
        }
        (Principal::Operator { .. }, Action::OrgPatch(org, settings)) => {
            match locate::now(node, org) {
                Ok(Some(_)) => {
                    let draft = Draft::Settings { org, settings };
                    of_org(node, operation, draft, asked).await
                }
                Ok(None) => moves::absent(node),
                Err(error) => refuse::broken("locating an organisation", &error),
            }
        }
        (Principal::Org(org), action) => {
            of_org(node, operation, Draft::Own { org, action }, asked).await
        }
        (Principal::Operator { key }, action) => {
            members::change(node, key, operation, action, &asked).await
        }
    }
}

/// A write of an organisation, in whichever group has it: where it is refused because the
/// organisation has moved, it is proposed again under the same name in its new home, as soon as this
/// node sees it there. Such a refusal leaves no trace, so the write happens at most once.
///
/// A group that is closed meanwhile may have taken it. What took its place shows whether it lives on
/// there; if it does not, it never will, and it is made anew under another name: so the closed group's
/// replicas, when they return, can say for good that what they have under the first one is lost.
async fn of_org(node: &Node, operation: Operation, draft: Draft, mut asked: Asked) -> Answer {
    let (org, deadline) = (draft.org(), asked.timing.deadline);
    let mut proposal = match draft.proposal(node, &asked) {
        Ok(proposal) => proposal,
        Err(answer) => return answer,
    };
    let mut epoch_min = 0;
    // The earliest time after which a copy of it under its present name was refused.
    let mut over_after: Option<LogTime> = None;
    // A closed group that may have taken it: from then on nobody may say that nothing was stored.
    let mut closed = None;
    loop {
        let at = match locate::settled(node, org, epoch_min, deadline).await {
            Ok(Some(at)) => at,
            Ok(None) => {
                let moving = || freshness::mark(refuse::moving(), freshness::of_absence(node));
                return closed.map_or_else(moving, |group| not_known(node, group, &asked));
            }
            Err(error) => return refuse::broken("locating an organisation", &error),
        };
        let home = Home { group: at.group, epoch: at.home.org.epoch };
        if let (Some(group), Some(limit)) = (closed, over_after) {
            match carried_over(node, at, asked.write_id, limit) {
                Ok(Some(CarriedOver::Yes(committed))) => {
                    return told(node, operation, home, *committed, &asked).await;
                }
                Ok(Some(CarriedOver::No)) => {
                    (closed, over_after) = (None, None);
                    asked.write_id = repeated_as(asked.write_id, group);
                    proposal = match draft.proposal(node, &asked) {
                        Ok(proposal) => proposal,
                        Err(answer) => return answer,
                    };
                }
                Ok(Some(CarriedOver::Forgotten)) => {
                    sleep_until(deadline).await;
                    return not_known(node, group, &asked);
                }
                // It has moved meanwhile.
                Ok(None) => continue,
                Err(error) => return refuse::broken("looking for a write", &error),
            }
        }
        let limit = not_after(node, home.group, &asked);
        over_after = Some(over_after.map_or(limit, |before| before.min(limit)));
        let proposal = Proposal { not_after: limit, ..proposal.clone() };
        let committed = match propose_until(node, home.group, proposal, &asked).await {
            Ok(committed) => committed,
            // Its successor has the write, if the closed group had it and it lives on.
            Err(NotCommitted::Closed) => {
                closed = Some(home.group);
                continue;
            }
            Err(NotCommitted::Answered(answer)) => {
                let says_no = answer.status == 503 && Instant::now() >= deadline;
                let maybe_done = closed.filter(|_| says_no);
                return maybe_done.map_or(answer, |group| not_known(node, group, &asked));
            }
        };
        match committed.applied.outcome {
            Err(Refusal::Moved { epoch, .. } | Refusal::Moving { epoch }) => epoch_min = epoch,
            Ok(_) | Err(_) => return told(node, operation, home, committed, &asked).await,
        }
    }
}

/// 408: a group that is closed may have taken it.
fn not_known(node: &Node, group: GroupId, asked: &Asked) -> Answer {
    render::timed_out(&unknown(node, group, asked.write_id, asked))
}

/// What is asked for of an organisation: made into a proposal under each name that it is tried by.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, and a box costs more")]
enum Draft {
    /// By the organisation's own key.
    Own { org: Box<OrgPrincipal>, action: Action },
    /// By an operator.
    Settings { org: OrgId, settings: OrgSettings },
}

impl Draft {
    fn org(&self) -> OrgId {
        match self {
            Self::Own { org, .. } => org.id(),
            Self::Settings { org, .. } => *org,
        }
    }

    fn proposal(&self, node: &Node, asked: &Asked) -> Result<Proposal, Answer> {
        match self {
            Self::Own { org, action } => {
                let command = draft::command(node, org, action.clone(), asked)?;
                Ok(proposal(node, asked, Some(org.key), command))
            }
            Self::Settings { org, settings } => {
                let command = Command::SetOrgSettings { org: *org, settings: *settings };
                Ok(operators(proposal(node, asked, None, command)))
            }
        }
    }
}

/// Whether a write that a closed group may have lives on where its organisation is at home now.
enum CarriedOver {
    /// It does.
    Yes(Box<Committed>),
    /// It does not, and never will: it was part of nothing that came here.
    No,
    /// It may have been forgotten.
    Forgotten,
}

/// Looks for it here, in a state that holds all that was carried over; nothing where the organisation
/// has left from here meanwhile. `over_after`: no copy of it was carried out later.
fn carried_over(
    node: &Node,
    at: Located,
    write_id: WriteId,
    over_after: LogTime,
) -> Result<Option<CarriedOver>, StoreError> {
    if planted::is(Bug::ClosedWriteRepeated) {
        return Ok(Some(CarriedOver::No));
    }
    let look = |at: &Located| {
        let record = query::remembered(node.state(), at.group, Some(&at.home), write_id)?;
        if let Some(WriteRecord { applied, .. }) = record {
            let danger = node.groups.danger(at.group, applied.index);
            return Ok(CarriedOver::Yes(Box::new(Committed { applied, danger })));
        }
        // Looked at after the record, which was there at least until then.
        let log_time = query::applied(node.state(), at.group)?.log_time;
        let floor = at.home.arrival.as_ref().map_or(log_time, |arrival| arrival.floor);
        let is_forgotten = over_after < log_time.max(floor);
        Ok(if is_forgotten { CarriedOver::Forgotten } else { CarriedOver::No })
    };
    let found = locate::reading(node, at, look)?;
    found.map(|(found, _)| found).transpose()
}

/// The name under which it is made anew.
fn repeated_as(write_id: WriteId, closed: GroupId) -> WriteId {
    if planted::is(Bug::ClosedWriteRepeated) {
        return write_id;
    }
    succession::repeated_as(write_id, closed)
}

/// What enters the log, under the client's own name for it if it has one.
pub(crate) fn proposal(
    node: &Node,
    asked: &Asked,
    authorised_by: Option<KeyId>,
    command: Command,
) -> Proposal {
    let now = node.now();
    let idempotency = asked.common.idempotency_key.clone().map(|key| Idempotency {
        key,
        digest: asked.digest,
        lifetime: asked.common.key_lifetime,
    });
    Proposal {
        write_id: asked.write_id,
        stamped: now,
        // Counted in the time of the group that it is proposed to, when it is.
        not_after: now,
        origin: node.groups.node(),
        idempotency,
        authorised_by,
        command,
    }
}

/// An operator's proposal to an organisation's own group, where its key stands among those of the
/// organisation: under a name that none of its clients can use.
pub(crate) fn operators(mut proposal: Proposal) -> Proposal {
    if let Some(idempotency) = &mut proposal.idempotency {
        idempotency.key = operators_key(&idempotency.key);
    }
    proposal
}

/// The name of an operator's key among an organisation's own.
pub(crate) fn operators_key(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hash}", header::OPERATORS_KEY_PREFIX)
}

/// What a repeat under the client's own name is answered with, as far as this node's state has the
/// first one's outcome. Asked before whatever only the first one has to pass.
///
/// # Errors
/// The answer, when the key was another request's, or the state cannot be read.
pub(crate) fn repeated(
    node: &Node,
    group: GroupId,
    home: Option<&HomeRecord>,
    asked: &Asked,
) -> Result<Option<Committed>, Answer> {
    let Some(key) = &asked.common.idempotency_key else { return Ok(None) };
    let found = match home {
        None => query::remembered_key(node.state(), group, keys::NO_ORG, None, key),
        Some(home) => {
            let key = operators_key(key);
            query::remembered_key(node.state(), group, home.org.id, Some(home), &key)
        }
    };
    match found {
        Ok(Some(record)) if record.digest == asked.digest => {
            let danger = node.groups.danger(group, record.applied.index);
            Ok(Some(Committed { applied: record.applied, danger }))
        }
        Ok(Some(_)) => Err(render::refused(&Refusal::IdempotencyKeyReused, None)),
        Ok(None) => Ok(None),
        Err(error) => Err(refuse::broken("looking for an idempotency key", &error)),
    }
}

/// A no that this node gives by itself, from its own state: marked, and of a request with a key only
/// if nothing can have been answered to that elsewhere that this node does not know yet.
pub(crate) fn refused_here(answer: Answer, fresh: Freshness, asked: &Asked) -> Answer {
    let is_sure = asked.common.idempotency_key.is_none() || fresh == Freshness::Current;
    freshness::mark(if is_sure { answer } else { refuse::not_current() }, fresh)
}

/// A proposal that is in the log for good, and who may still answer reads without it.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    /// What became of it.
    pub(crate) applied: Applied,
    /// Who may still answer without it.
    pub(crate) danger: Danger,
}

/// Why a proposal is not known to be in the log for good.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// The caller is told how far it went.
    Answered(Answer),
    /// The group is closed: it may be proposed again, under the same name, to its successor.
    Closed,
}

impl NotCommitted {
    /// The answer, where it is not proposed again. A group that was closed meanwhile may have taken
    /// it: that is not known, and said when the time is up.
    pub(crate) async fn answer(self, node: &Node, group: GroupId, asked: &Asked) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Closed => {
                sleep_until(asked.timing.deadline).await;
                render::timed_out(&unknown(node, group, asked.write_id, asked))
            }
        }
    }
}

/// Until when a group may carry out a request, in its log's own time: so long after the request was
/// accepted, however late it is proposed.
fn not_after(node: &Node, group: GroupId, asked: &Asked) -> LogTime {
    let left = limits::NOT_AFTER.saturating_sub(asked.timing.accepted.elapsed());
    node.groups.log_now(group).after(left)
}

/// Gets a proposal committed in the caller's time, or says how far that went.
pub(crate) async fn propose(
    node: &Node,
    group: GroupId,
    proposal: Proposal,
    asked: &Asked,
) -> Result<Committed, NotCommitted> {
    let proposal = Proposal { not_after: not_after(node, group, asked), ..proposal };
    propose_until(node, group, proposal, asked).await
}

/// The same, with its limit in the group's own time.
async fn propose_until(
    node: &Node,
    group: GroupId,
    proposal: Proposal,
    asked: &Asked,
) -> Result<Committed, NotCommitted> {
    let write_id = proposal.write_id;
    match node.groups.propose(group, proposal, asked.timing.deadline).await {
        Proposed::Committed { applied, danger } => Ok(Committed { applied, danger }),
        Proposed::Closed => Err(NotCommitted::Closed),
        Proposed::NotProposed if node.groups.is_fenced(group) => {
            Err(NotCommitted::Answered(refuse::fenced()))
        }
        Proposed::NotProposed => Err(NotCommitted::Answered(refuse::no_leader())),
        Proposed::Queued { ahead } => Err(NotCommitted::Answered(refuse::not_its_turn(ahead))),
        // The leader's answer may be lost and the entry be applied here all the same.
        Proposed::Unknown => match query::write(node.state(), group, write_id) {
            Ok(Some(record)) => {
                let danger = node.groups.danger(group, record.applied.index);
                Ok(Committed { applied: record.applied, danger })
            }
            Ok(None) => {
                let receipt = unknown(node, group, write_id, asked);
                Err(NotCommitted::Answered(render::timed_out(&receipt)))
            }
            Err(error) => {
                Err(NotCommitted::Answered(refuse::broken("looking for a write", &error)))
            }
        },
    }
}

/// Waits for what the caller requires, and renders the outcome: a refusal like a success. What a
/// failover does not carry over is void, and an earlier copy of a refused write, which only a survivor
/// has, may then be carried out: only a refusal that has reached all regions holds for ever.
pub(crate) async fn told(
    node: &Node,
    operation: Operation,
    home: Home,
    committed: Committed,
    asked: &Asked,
) -> Answer {
    let waits = committed.applied.outcome.is_ok() || !planted::is(Bug::RefusalDoesNotWait);
    let receipt = if waits {
        travelled(node, home, &committed, asked).await
    } else {
        let Committed { applied, danger } = &committed;
        let scope = scope(node, asked.common.required);
        let mut progress = node.groups.progress(home.group, applied.index, &scope, danger.clone());
        progress.reached = true;
        receipt_of(home, applied, progress, asked)
    };
    let answer = render::write(operation, &committed.applied.outcome, &receipt);
    freshness::mark(answer, Freshness::Current)
}

/// The receipt after the wait for what the caller requires.
pub(crate) async fn travelled(
    node: &Node,
    home: Home,
    committed: &Committed,
    asked: &Asked,
) -> Receipt {
    let Committed { applied, danger } = committed;
    let scope = scope(node, asked.common.required);
    let deadline = asked.timing.deadline;
    let progress =
        node.groups.wait(home.group, applied.index, &scope, danger.clone(), deadline).await;
    receipt_of(home, applied, progress, asked)
}

fn receipt_of(home: Home, applied: &Applied, progress: Progress, asked: &Asked) -> Receipt {
    let here = Position { epoch: home.epoch, group: home.group, index: applied.index };
    let position = applied.position.unwrap_or(here);
    let (required, accepted) = (asked.common.required, asked.timing.accepted);
    receipt::decided(required, applied, position, progress, accepted)
}

/// The receipt of a write whose outcome is not known.
pub(crate) fn unknown(node: &Node, group: GroupId, write_id: WriteId, asked: &Asked) -> Receipt {
    let regions = node.groups.member_regions(group);
    receipt::unknown(asked.common.required, write_id, regions, asked.timing.accepted)
}

/// Where a write must have been applied, for who asks here.
pub(crate) fn scope(node: &Node, required: RequiredConsistency) -> Scope {
    match required {
        RequiredConsistency::LocalRegion => Scope::Region(node.groups.region().clone()),
        RequiredConsistency::AllRegions => Scope::All,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn digest(method: &str, uri: &str, if_match: &[&str], body: &[u8]) -> RequestDigest {
        let mut request = Request::builder().method(method).uri(uri);
        for value in if_match {
            request = request.header("if-match", *value);
        }
        request_digest(&request.body(()).unwrap().into_parts().0, body)
    }

    #[test]
    fn a_repeat_is_the_same_method_path_body_and_precondition() {
        let first = digest("PATCH", "/a?x=1", &["\"v\""], b"{}");
        assert_eq!(first, digest("PATCH", "/a?x=2", &["\"v\""], b"{}"));
        for other in [
            digest("POST", "/a", &["\"v\""], b"{}"),
            digest("PATCH", "/b", &["\"v\""], b"{}"),
            digest("PATCH", "/a", &[], b"{}"),
            digest("PATCH", "/a", &["\"w\""], b"{}"),
            digest("PATCH", "/a", &["\"v\""], b"{} "),
            digest("PATCH", "/a{}", &["\"v\""], b""),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_repeat_may_spell_its_path_in_another_way() {
        let of = |uri: &str| digest("PATCH", uri, &[], b"{}");
        assert_eq!(of("/a%2fb%3Ac"), of("/a%2Fb:c"));
        assert_ne!(of("/a%2Fb"), of("/a/b"));
        assert_ne!(of("/a%252Fb"), of("/a%2Fb"));
    }

    #[test]
    fn a_digest_is_what_earlier_nodes_made_of_the_request() {
        // They remember it for a day: method, path, body and If-Match, each after its length.
        let digest = digest("PATCH", "/a%2Fb", &["\"v\""], b"{}");
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "e7e535acf5cff6d50c0d3a3e15036b3916c675b598b1cf0f77489f3f6046165a");
    }

    #[test]
    fn if_none_match_is_part_of_the_request() {
        let of = |name: &str| {
            let request = Request::builder().method("PATCH").uri("/a").header(name, "\"v\"");
            request_digest(&request.body(()).unwrap().into_parts().0, b"{}")
        };
        assert_ne!(of("if-none-match"), of("if-match"));
        assert_ne!(of("if-none-match"), of("x"));
    }
}
