//! For the tests of dialects with bodies of their own: what is stored and what a write has done, and a response as
//! its caller reads it. Every failure of the interface is in [`failures`], so that no dialect forgets one.

use std::time::Duration;

use concordat_cluster::machine::registered::Entry;
use concordat_proto::{
    consistency::{Outcome as WriteOutcome, Receipt, RequiredConsistency},
    id::{ClientId, GroupId, OrgId, WriteId},
    oidc::{GenericOptions, OidcCredential, OidcOptions, Provider, ProviderOptions},
    refusal::Refusal,
    registration::{Number, Registration, RegistrationStamp},
    secret::{Sealed, Secret},
    time::LogTime,
};
use futures::FutureExt;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use serde_json::Value as Json;

use super::traits::ResponseBody;
use crate::api::outcome::{
    Blocked, EntryView, EntryWritten, Malformed, OrgFacts, Outcome, Unavailable, Value, What,
    Written,
};

/// A response as its caller reads it.
pub(super) struct Read {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// `null` where the body is empty.
    pub(super) body: Json,
}

/// Reads a response, whose body must be JSON or nothing.
pub(super) fn read(response: Response<ResponseBody>) -> Read {
    let (head, body) = response.into_parts();
    let body = body.collect().now_or_never().expect("it is whole").expect("it is read").to_bytes();
    let is_json = head.headers.get("content-type").is_some_and(|it| it == "application/json");
    assert_eq!(is_json, !body.is_empty());
    let body = if is_json { serde_json::from_slice(&body).expect("JSON") } else { Json::Null };
    Read { status: head.status.as_u16(), headers: head.headers, body }
}

/// The version of all that is stored here.
pub(super) fn version() -> WriteId {
    WriteId::from_bytes([1; 16])
}

/// A credential of provider `oidc`, as it is read.
pub(super) fn stored(options: GenericOptions, tail: &str) -> EntryView {
    let sealed = Sealed { sealed_by: version(), bytes: b"sealed".to_vec() };
    let specific = ProviderOptions::Oidc(options);
    let scopes = vec!["openid".to_owned(), "email".to_owned()];
    let credential = OidcCredential {
        client_id: ClientId::new("client").expect("a client id"),
        provider: Provider::Oidc,
        client_secret: sealed,
        label: None,
        external_cred_id: None,
        enable_in_authz_server: None,
        options: OidcOptions { provider: Provider::Oidc, scopes, specific },
        version: version(),
    };
    let stamp = stamp();
    let registration = Registration {
        number: stamp.number,
        created_at: stamp.created_at,
        changed_at: stamp.changed_at,
        sequence: stamp.sequence,
        ..Registration::of_earlier(version())
    };
    let secret_tail = (!tail.is_empty()).then(|| Secret::new(tail.to_owned()));
    EntryView { entry: Entry { credential, registration }, org: facts(), secret_tail }
}

fn stamp() -> RegistrationStamp {
    RegistrationStamp {
        number: Number(7),
        created_at: LogTime(1_600_000_000_000),
        changed_at: LogTime(1_600_000_000_120),
        sequence: 3,
    }
}

/// The organization of what is stored.
pub(super) fn facts() -> OrgFacts {
    OrgFacts {
        id: OrgId::from_bytes([2; 16]),
        number: Number(42),
        sequence: 9,
        domain: Some("acme.example".to_owned()),
        as_of: LogTime(1_600_000_000_500),
    }
}

/// A read that has found it.
pub(super) fn found(view: EntryView) -> Outcome {
    Outcome::Found(Value::Entry(Box::new(view)))
}

/// A write that has made it so; with nothing to show where it is gone again.
pub(super) fn written(now: Option<EntryView>) -> Outcome {
    let entry = EntryWritten { version: version(), stamp: stamp(), org: facts(), now };
    done(Written::Entry(Box::new(entry)))
}

/// A write that has reached the required consistency.
pub(super) fn done(value: Written) -> Outcome {
    Outcome::Written { value, follows: false, receipt: receipt(true) }
}

fn receipt(achieved: bool) -> Receipt {
    Receipt {
        required: RequiredConsistency::AllRegions,
        achieved,
        outcome: WriteOutcome::Committed,
        write_id: version(),
        position: None,
        elapsed: Duration::ZERO,
        regions: Vec::new(),
    }
}

/// A failure of every kind that all dialects have, its status, and how its text begins in most of them.
#[rustfmt::skip]
pub(super) fn failures() -> Vec<(Outcome, u16, &'static str)> {
    let malformed = Outcome::Malformed;
    let refused = Outcome::refused;
    let unavailable = Outcome::Unavailable;
    let media = Malformed::MediaType("content-type must be application/json".to_owned());
    let committed = Outcome::Pending { receipt: receipt(false), refusal: None };
    let late = Outcome::Pending { receipt: receipt(false), refusal: Some(Refusal::VersionMismatch) };
    vec![
        (malformed(Malformed::Syntax("it is wrong".to_owned())), 400, "it is wrong"),
        (malformed(Malformed::ForeignPosition), 400, "the position to read from"),
        (malformed(Malformed::BodyTooSlow), 400, "the body did not arrive in time"),
        (malformed(Malformed::BodyBroken), 400, "the body could not be read"),
        (malformed(Malformed::Head("a field is wrong")), 400, "a field is wrong"),
        (malformed(Malformed::NoHttp), 400, "the request is malformed HTTP"),
        (committed, 408, "the required consistency was not reached"),
        (late, 408, "the write was refused"),
        (Outcome::PositionPending, 408, "the position of Concordat-At-Least"),
        (Outcome::Blocked(Blocked::PoliciesNotEvaluated), 409, "the policies cannot be evaluated"),
        (refused(Refusal::BindingsFull), 409, ""),
        (Outcome::PositionLost, 410, "the position of Concordat-At-Least"),
        (refused(Refusal::VersionMismatch), 412, "the condition of If-Match"),
        (malformed(Malformed::BodyTooLarge), 413, "the body may have at most 65536 bytes"),
        (malformed(Malformed::UriTooLong), 414, "the request is malformed HTTP"),
        (malformed(media), 415, "content-type must be application/json"),
        (malformed(Malformed::ContentCoding), 415, "content-encoding must be identity"),
        (refused(Refusal::IdempotencyKeyReused), 422, "this Idempotency-Key was used"),
        (refused(Refusal::IdempotencyKeysFull), 429, "too many live idempotency keys"),
        (unavailable(Unavailable::TooManyWrites), 429, "too many pending writes"),
        (unavailable(Unavailable::TooManyMoves), 429, "too many queued moves"),
        (unavailable(Unavailable::TooManyWaits), 429, "too many requests wait"),
        (malformed(Malformed::HeadTooLarge(9)), 431, "the request's headers may have at most 9"),
        (malformed(Malformed::TransferCoding), 501, "the only supported transfer coding"),
        (malformed(Malformed::Unsupported("not done")), 501, "not done"),
        (refused(Refusal::Expired), 503, "the request expired before it was applied"),
        (refused(Refusal::PolicyChanged), 503, ""),
        (refused(Refusal::Moved { to: GroupId(1), epoch: 2 }), 503, "the organization is moving"),
        (unavailable(Unavailable::Overloaded), 503, "this node has too many requests"),
        (unavailable(Unavailable::NoLeader), 503, "no leader could be reached"),
        (unavailable(Unavailable::LeaderBusy), 503, "the leader has too many writes"),
        (unavailable(Unavailable::NotCurrent), 503, "this node cannot serve a fresh read"),
        (unavailable(Unavailable::NeverCurrent), 503, "this node has not caught up"),
        (unavailable(Unavailable::NotItsTurn { ahead: 1 }), 503, "1 moves"),
        (unavailable(Unavailable::NotAudited), 503, "this node cannot write its audit trail"),
        (unavailable(Unavailable::Moving), 503, "the organization is moving"),
        (unavailable(Unavailable::FailingOver), 503, "the organization's home region"),
        (unavailable(Unavailable::Fenced), 503, "this region is partitioned"),
        (unavailable(Unavailable::NotAMember), 503, "this node has not joined"),
        (unavailable(Unavailable::FeatureLevel), 503, "not all nodes of this cluster"),
        (unavailable(Unavailable::KeyringUnchecked), 503, "this node has not verified its keyring"),
        (unavailable(Unavailable::Secrets), 503, "secrets cannot be handled"),
        (unavailable(Unavailable::Broken), 503, "this node cannot read its state"),
        (Outcome::NotFound(What::Organization), 404, "no such organization"),
    ]
}

/// What a failure has in its head, whatever its body: when to ask again, and how far a write has come.
pub(super) fn assert_head(answer: &Read, outcome: &Outcome) {
    let has = |name: &str| answer.headers.contains_key(name);
    let is_retried = matches!(answer.status, 429 | 503);
    assert_eq!(has("retry-after"), is_retried, "{outcome:?}");
    let is_pending = matches!(outcome, Outcome::Pending { .. });
    for name in ["concordat-consistency", "concordat-write-id"] {
        assert_eq!(has(name), is_pending, "{name} of {outcome:?}");
    }
}
