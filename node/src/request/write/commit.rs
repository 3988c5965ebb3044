//! The steps of every write: it gets an id, is proposed at the leader, and is answered when it has
//! reached the required consistency.
//!
//! Never answers 408 before the deadline, and never calls a write undone that may have happened.

use concordat_cluster::{
    machine::query,
    planted,
    raft::{Freshness, Progress, Proposed, StaleReaders},
    store::keys,
};
use concordat_proto::{
    command::{Command, Idempotency, Proposal, RequestDigest},
    consistency::{Position, Receipt},
    header,
    id::{GroupId, KeyId, WriteId},
    limits,
    movement::HomeRecord,
    policy::{DecidedFor, PolicyStamp},
    refusal::Refusal,
    reply::{Applied, Reply},
    time::LogTime,
};
use http::request::Parts;
use sha2::{Digest, Sha256};
use tokio::time::sleep_until;

use crate::{
    api::{
        outcome::{Answer, Outcome, Unavailable, Written},
        request::Terms,
    },
    auth::{Basis, Decision},
    entropy, hex,
    node::Node,
    percent::normalized,
    request::{
        freshness, policies, receipt,
        timing::Timing,
        unavailable::{broken, unavailable},
    },
};

/// A requested write, beside its command.
#[derive(Debug, Clone)]
pub(crate) struct WriteRequest {
    /// Its name.
    pub(crate) write_id: WriteId,
    /// The caller's requirements.
    pub(crate) terms: Terms,
    /// The digest that identifies a repeat.
    pub(crate) digest: RequestDigest,
    /// Its times.
    pub(crate) timing: Timing,
    /// Why it may be carried out.
    pub(crate) decision: Decision,
}

/// The group that orders an organization's writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    /// The group.
    pub(crate) group: GroupId,
    /// The organization's epoch there.
    pub(crate) epoch: u32,
}

impl Home {
    /// For writes that belong to no organization.
    pub(crate) const SYSTEM: Self = Self { group: GroupId::SYSTEM, epoch: 0 };
}

/// Method, path, body and conditions: whether a repeated key repeats the request. The path may have
/// differently spelled escapes. Nodes of earlier versions compute the same for a request without
/// escapes and without `If-None-Match`.
pub(crate) fn request_digest(head: &Parts, body: &[u8]) -> RequestDigest {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(head.method.as_str().as_bytes());
    part(normalized(head.uri.path()).as_bytes());
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

/// The proposal for the log, under the client's idempotency key if it has one.
pub(crate) fn proposal(
    node: &Node,
    request: &WriteRequest,
    authorized_by: Option<KeyId>,
    command: Command,
) -> Proposal {
    let now = node.now();
    let basis = policies::basis(node, &request.decision).cloned();
    let (policies, decided_for) = stamps(basis);
    let idempotency = request.terms.idempotency_key.clone().map(|key| Idempotency {
        key,
        digest: request.digest,
        lifetime: request.terms.idempotency_lifetime,
    });
    Proposal {
        write_id: request.write_id,
        stamped: now,
        // Counted in the time of the group that it is proposed to, when it is.
        not_after: now,
        origin: node.groups.node(),
        idempotency,
        authorized_by,
        policies,
        decided_for,
        command,
    }
}

fn stamps(basis: Option<Basis>) -> (Option<PolicyStamp>, Option<DecidedFor>) {
    basis.map_or((None, None), |basis| (Some(basis.stamp), basis.decided_for))
}

/// A proposal of the cluster itself, which needs no key: what it does follows from the state.
pub(super) fn of_cluster(node: &Node, group: GroupId, command: Command) -> Proposal {
    Proposal {
        write_id: entropy::write_id(&*node.environment.clock, &*node.environment.entropy),
        stamped: node.now(),
        not_after: node.groups.log_now(group).after(limits::NOT_AFTER),
        origin: node.groups.node(),
        idempotency: None,
        authorized_by: None,
        policies: None,
        decided_for: None,
        command,
    }
}

/// An operator's proposal to an organization's own group, where its key is among those of the
/// organization: under a name that none of its clients can use.
pub(crate) fn as_operator(mut proposal: Proposal) -> Proposal {
    if let Some(idempotency) = &mut proposal.idempotency {
        idempotency.key = operators_key(&idempotency.key);
    }
    proposal
}

/// The name of an operator's key among an organization's own.
pub(crate) fn operators_key(key: &str) -> String {
    let hash = hex::encode(&Sha256::digest(key.as_bytes()));
    format!("{}{hash}", header::OPERATORS_KEY_PREFIX)
}

/// The answer to a repeat under the client's own key, if this node's state has the first one's
/// outcome. Call it before every check that only the first one has to pass.
///
/// # Errors
/// The answer, when the key was another request's, or the state cannot be read.
pub(crate) fn repeated(
    node: &Node,
    group: GroupId,
    home: Option<&HomeRecord>,
    request: &WriteRequest,
) -> Result<Option<Committed>, Answer> {
    let Some(key) = &request.terms.idempotency_key else { return Ok(None) };
    let found = match home {
        None => query::remembered_key(node.state(), group, keys::NO_ORG, None, key),
        Some(home) => {
            let key = operators_key(key);
            query::remembered_key(node.state(), group, home.org.id, Some(home), &key)
        }
    };
    match found {
        Ok(Some(record)) if record.digest == request.digest => {
            let stale_readers = node.groups.stale_readers(group, record.applied.index);
            Ok(Some(Committed { applied: record.applied, stale_readers }))
        }
        Ok(Some(_)) => Err(Outcome::refused(Refusal::IdempotencyKeyReused).into()),
        Ok(None) => Ok(None),
        Err(error) => Err(broken("looking for an idempotency key", &error)),
    }
}

/// A rejection decided from local state. For a request with an idempotency key it is given only if this
/// node is provably fresh: another node may have executed the request already.
pub(crate) fn refused_here(outcome: Outcome, fresh: Freshness, request: &WriteRequest) -> Answer {
    let is_sure = request.terms.idempotency_key.is_none() || fresh == Freshness::Current;
    let not_current = Outcome::Unavailable(Unavailable::NotCurrent);
    freshness::mark(if is_sure { outcome } else { not_current }, fresh)
}

/// A proposal that is in the log for good, and who may still answer reads without it.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    /// Its result.
    pub(crate) applied: Applied,
    /// The stale readers of the entry.
    pub(crate) stale_readers: StaleReaders,
}

/// Why a proposal is not known to be in the log for good.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, and a box costs more")]
pub(crate) enum NotCommitted {
    /// The answer shows how far it went.
    Answered(Answer),
    /// The group is closed: it may be proposed again, under the same name, to its successor.
    Closed,
}

impl NotCommitted {
    /// The answer, if it is not proposed again. A group that was closed meanwhile may have
    /// committed it: then the outcome is unknown, and answered as that at the deadline.
    pub(crate) async fn answer(
        self,
        node: &Node,
        group: GroupId,
        request: &WriteRequest,
    ) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Closed => {
                sleep_until(request.timing.deadline).await;
                pending(unknown(node, group, request.write_id, request))
            }
        }
    }
}

/// Until when a group may carry out a request, in its log's own time: so long after the request was
/// accepted, however late it is proposed.
pub(super) fn not_after(node: &Node, group: GroupId, request: &WriteRequest) -> LogTime {
    let left = limits::NOT_AFTER.saturating_sub(request.timing.accepted.elapsed());
    node.groups.log_now(group).after(left)
}

/// Gets a proposal committed before the caller's deadline, or returns how far that went.
pub(crate) async fn propose(
    node: &Node,
    group: GroupId,
    proposal: Proposal,
    request: &WriteRequest,
) -> Result<Committed, NotCommitted> {
    let proposal = Proposal { not_after: not_after(node, group, request), ..proposal };
    propose_until(node, group, proposal, request).await
}

/// The same, with its limit in the group's own time. A write whose policies have changed, or that names another
/// credential than they were asked about, is decided upon again, and proposed again under the same name: the
/// refused one has left no record.
pub(super) async fn propose_until(
    node: &Node,
    group: GroupId,
    mut proposal: Proposal,
    request: &WriteRequest,
) -> Result<Committed, NotCommitted> {
    let deadline = request.timing.deadline;
    for _ in 1..limits::POLICY_AUTHORIZATIONS_MAX {
        let committed = propose_once(node, group, proposal.clone(), request).await?;
        let Some(stamp) = proposal.policies.filter(|_| policies::is_stale(&committed.applied))
        else {
            return Ok(committed);
        };
        let refused = Basis { stamp, decided_for: proposal.decided_for.take() };
        let decided = policies::decide_again(node, &request.decision, &refused, deadline).await;
        let basis = decided.map_err(NotCommitted::Answered)?;
        if basis.is_none() {
            return Ok(committed);
        }
        (proposal.policies, proposal.decided_for) = stamps(basis);
    }
    propose_once(node, group, proposal, request).await
}

async fn propose_once(
    node: &Node,
    group: GroupId,
    proposal: Proposal,
    request: &WriteRequest,
) -> Result<Committed, NotCommitted> {
    let write_id = proposal.write_id;
    match node.groups.propose(group, proposal, request.timing.deadline).await {
        Proposed::Committed { applied, stale_readers } => Ok(Committed { applied, stale_readers }),
        Proposed::Closed => Err(NotCommitted::Closed),
        Proposed::NotProposed if node.groups.is_fenced(group) => {
            Err(NotCommitted::Answered(unavailable(Unavailable::Fenced)))
        }
        Proposed::NotProposed => Err(NotCommitted::Answered(unavailable(Unavailable::NoLeader))),
        Proposed::Busy => Err(NotCommitted::Answered(unavailable(Unavailable::LeaderBusy))),
        Proposed::Queued { ahead } => {
            Err(NotCommitted::Answered(unavailable(Unavailable::NotItsTurn { ahead })))
        }
        // The leader's answer may be lost and the entry be applied here all the same.
        Proposed::Unknown => match query::write(node.state(), group, write_id) {
            Ok(Some(record)) => {
                let stale_readers = node.groups.stale_readers(group, record.applied.index);
                Ok(Committed { applied: record.applied, stale_readers })
            }
            Ok(None) => {
                let receipt = unknown(node, group, write_id, request);
                Err(NotCommitted::Answered(pending(receipt)))
            }
            Err(error) => Err(NotCommitted::Answered(broken("looking for a write", &error))),
        },
    }
}

/// Waits until the outcome has reached the required consistency: a refusal like a success. A
/// failover voids outcomes that it does not carry over, and an earlier copy of a refused write,
/// which only a survivor has, may then be executed: only a refusal that has reached all regions
/// holds for ever.
pub(crate) async fn finish(
    node: &Node,
    home: Home,
    committed: Committed,
    request: &WriteRequest,
) -> Answer {
    let waits = planted::awaits_outcome(committed.applied.outcome.is_ok());
    let receipt = if waits {
        replicated(node, home, &committed, request).await
    } else {
        let Committed { applied, stale_readers } = &committed;
        let scope = receipt::scope(node, request.terms.required);
        let mut progress =
            node.groups.progress(home.group, applied.index, &scope, stale_readers.clone());
        progress.reached = true;
        receipt_of(home, applied, progress, request)
    };
    freshness::mark(outcome(committed.applied.outcome, receipt), Freshness::Current)
}

/// The outcome of a decided write, by its receipt.
fn outcome(decided: Result<Reply, Refusal>, receipt: Receipt) -> Outcome {
    match decided {
        Err(refusal) if receipt.achieved => Outcome::Refused { refusal, receipt: Some(receipt) },
        Err(refusal) => Outcome::Pending { receipt, refusal: Some(refusal) },
        Ok(_) if !receipt.achieved => Outcome::Pending { receipt, refusal: None },
        Ok(reply) => {
            let value = match reply {
                Reply::Org(org) => Written::Organization(org),
                Reply::Version(version) => Written::Version(version),
                Reply::Registered { version, stamp } => Written::Registered(version, stamp),
                Reply::Resource { name, version } => Written::Resource(name, version),
                Reply::Key(new) => Written::Key(new, None),
                Reply::Done | Reply::NodeRegistered { .. } | Reply::ImportDropped => Written::Done,
            };
            Outcome::Written { value, follows: false, receipt }
        }
    }
}

/// The answer to a write whose success is only the beginning of the requested operation.
pub(crate) fn followed(mut answer: Answer) -> Answer {
    if let Outcome::Written { follows, .. } = &mut answer.outcome {
        *follows = true;
    }
    answer
}

/// The answer to a write that has not reached the required consistency.
pub(crate) fn pending(receipt: Receipt) -> Answer {
    Outcome::Pending { receipt, refusal: None }.into()
}

/// The receipt after the wait for the required consistency.
pub(crate) async fn replicated(
    node: &Node,
    home: Home,
    committed: &Committed,
    request: &WriteRequest,
) -> Receipt {
    let Committed { applied, stale_readers } = committed;
    let scope = receipt::scope(node, request.terms.required);
    let deadline = request.timing.deadline;
    let progress =
        node.groups.wait(home.group, applied.index, &scope, stale_readers.clone(), deadline).await;
    receipt_of(home, applied, progress, request)
}

fn receipt_of(
    home: Home,
    applied: &Applied,
    progress: Progress,
    request: &WriteRequest,
) -> Receipt {
    let here = Position { epoch: home.epoch, group: home.group, index: applied.index, term: None };
    let position = applied.position.unwrap_or(here);
    let (required, accepted) = (request.terms.required, request.timing.accepted);
    receipt::decided(required, applied, position, progress, accepted)
}

/// The receipt of a write with an unknown outcome.
pub(crate) fn unknown(
    node: &Node,
    group: GroupId,
    write_id: WriteId,
    request: &WriteRequest,
) -> Receipt {
    let regions = node.groups.member_regions(group);
    receipt::unknown(request.terms.required, write_id, regions, request.timing.accepted)
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
        assert_eq!(
            hex::encode(&digest),
            "e7e535acf5cff6d50c0d3a3e15036b3916c675b598b1cf0f77489f3f6046165a"
        );
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
