//! Responses of dialects that have bodies of their own instead of the native envelope: which outcome has
//! which status and which text. A dialect renders the bodies, and may choose another status.
//!
//! A receipt is in the headers, whatever the body; so are the marks of a read. Nothing here names a
//! dialect.

use std::time::Duration;

use concordat_proto::{
    consistency::Receipt,
    header,
    id::WriteId,
    refusal::{Refusal, RefusalClass},
};
use http::Response;

use super::{
    render::{self, Reply},
    status,
};
use crate::{
    api::{
        operation::Operation,
        outcome::{Answer, Malformed, Outcome, Unavailable, Value, Written},
    },
    dialect::traits::ResponseBody,
};

/// A status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dialect) struct Shown {
    /// The status.
    pub(in crate::dialect) status: u16,
    /// The body, JSON; none for an empty one.
    pub(in crate::dialect) body: Option<Vec<u8>>,
}

impl Shown {
    /// A JSON body, made by `serde` from a type that describes it.
    pub(in crate::dialect) fn json(status: u16, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("plain data is JSON");
        Self { status, body: Some(body) }
    }
}

/// Why a request did not succeed, for a dialect to render.
#[derive(Debug)]
pub(in crate::dialect) struct Failure<'a> {
    /// The status that the native API has for it.
    pub(in crate::dialect) status: u16,
    /// The text that the native API has for it.
    pub(in crate::dialect) message: String,
    /// What it is; `None` where the path or the method is not known.
    pub(in crate::dialect) outcome: Option<&'a Outcome>,
}

/// The bodies of a dialect.
pub(in crate::dialect) trait Bodies {
    /// The body of what a read found; nothing where the dialect has no such value.
    fn found(&self, value: &Value) -> Option<Shown>;

    /// The body of a successful write; nothing where the dialect has no such value.
    fn written(&self, operation: Option<Operation>, value: &Written) -> Option<Shown>;

    /// The body of a failure.
    fn failure(&self, operation: Option<Operation>, failure: &Failure<'_>) -> Shown;
}

/// The response to a request.
pub(in crate::dialect) fn response(
    bodies: &dyn Bodies,
    operation: Option<Operation>,
    answer: Answer,
) -> Response<ResponseBody> {
    let Answer { outcome, freshness, position } = answer;
    reply(bodies, operation, &outcome).marked(position, freshness).into_response()
}

/// 405; `allowed` are the path's methods.
pub(in crate::dialect) fn method_not_allowed(
    bodies: &dyn Bodies,
    allowed: &[&str],
) -> Response<ResponseBody> {
    let message = "method not allowed".to_owned();
    let failure = Failure { status: status::METHOD_NOT_ALLOWED, message, outcome: None };
    let reply = shown(bodies.failure(None, &failure));
    reply.with(header::ALLOW, allowed.join(", ")).into_response()
}

/// 404 where a path without a route is one of these, or below one; else nothing.
pub(in crate::dialect) fn unknown_path(
    bodies: &dyn Bodies,
    own: &[&str],
    path: &str,
) -> Option<Response<ResponseBody>> {
    let is_below = |own: &&str| {
        path.strip_prefix(*own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    own.iter().find(|own| is_below(own))?;
    let message = "no such path".to_owned();
    let failure = Failure { status: status::NOT_FOUND, message, outcome: None };
    Some(shown(bodies.failure(None, &failure)).into_response())
}

fn reply(bodies: &dyn Bodies, operation: Option<Operation>, outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Found(value) | Outcome::Underway(value) => match bodies.found(value) {
            Some(body) => with_version(shown(body), outcome.version()),
            None => Reply::empty(status::OK),
        },
        Outcome::NotModified(version) => {
            with_version(Reply::empty(status::NOT_MODIFIED), Some(*version))
        }
        Outcome::Written { value, receipt, .. } => {
            let body = bodies.written(operation, value);
            let reply = body.map_or_else(|| Reply::empty(status::OK), shown);
            with_version(reply.whole_receipt(receipt), version_of(value))
        }
        Outcome::Pending { .. }
        | Outcome::Refused { .. }
        | Outcome::Blocked(_)
        | Outcome::Unavailable(_)
        | Outcome::NotFound(_)
        | Outcome::PositionPending
        | Outcome::PositionLost
        | Outcome::Unauthenticated
        | Outcome::KeyMissing
        | Outcome::OtherOrganization
        | Outcome::Forbidden(_)
        | Outcome::Malformed(_) => failed(bodies, operation, outcome),
    }
}

fn failed(bodies: &dyn Bodies, operation: Option<Operation>, outcome: &Outcome) -> Reply {
    let (status, message) = described(outcome);
    let failure = Failure { status, message, outcome: Some(outcome) };
    let mut reply = shown(bodies.failure(operation, &failure));
    if let Some(receipt) = receipt_of(outcome) {
        reply = reply.whole_receipt(receipt);
    }
    match retry_after(outcome) {
        Some(after) => reply.retry_after(after),
        None => reply,
    }
}

fn shown(shown: Shown) -> Reply {
    match shown.body {
        Some(body) => Reply::json(shown.status, body),
        None => Reply::empty(shown.status),
    }
}

fn with_version(reply: Reply, version: Option<WriteId>) -> Reply {
    match version {
        Some(version) => reply.with(header::ETAG, header::etag(version)),
        None => reply,
    }
}

fn version_of(value: &Written) -> Option<WriteId> {
    match value {
        Written::Version(version)
        | Written::Registered(version, _)
        | Written::Resource(_, version)
        | Written::NewSaml(_, version, _) => Some(*version),
        Written::Entry(entry) => Some(entry.version),
        Written::Done
        | Written::Organization(_)
        | Written::NewOrganization(..)
        | Written::Key(..)
        | Written::Domain(_) => None,
    }
}

/// The receipt of a failure. A dead key is answered like an unknown one: without.
fn receipt_of(outcome: &Outcome) -> Option<&Receipt> {
    if let Outcome::Pending { receipt, .. } = outcome {
        return Some(receipt);
    }
    let Outcome::Refused { refusal, receipt } = outcome else { return None };
    receipt.as_ref().filter(|_| refusal.class() != RefusalClass::Unauthenticated)
}

fn retry_after(outcome: &Outcome) -> Option<Duration> {
    if let Outcome::Refused { refusal, .. } = outcome {
        return render::retry_of_refusal(refusal.class());
    }
    matches!(outcome, Outcome::Unavailable(_)).then_some(Unavailable::RETRY_AFTER)
}

/// The native status and text of a failure.
fn described(outcome: &Outcome) -> (u16, String) {
    match outcome {
        Outcome::Pending { receipt, refusal: None } => {
            (status::TIMED_OUT, render::timed_out_text(receipt).to_owned())
        }
        Outcome::Pending { refusal: Some(refusal), .. } => {
            (status::TIMED_OUT, render::refused_late_text(refusal))
        }
        Outcome::Refused { refusal, .. } => {
            (status::of_refusal(refusal.class()), refusal.to_string())
        }
        Outcome::Blocked(reason) => (status::CONFLICT, reason.to_string()),
        Outcome::Unavailable(why) => {
            let status = if why.is_too_many() { status::TOO_MANY } else { status::UNAVAILABLE };
            (status, why.to_string())
        }
        Outcome::NotFound(what) => (status::NOT_FOUND, format!("no such {what}")),
        Outcome::PositionPending => (status::TIMED_OUT, render::POSITION_PENDING.to_owned()),
        Outcome::PositionLost => (status::GONE, render::POSITION_LOST.to_owned()),
        Outcome::Unauthenticated | Outcome::KeyMissing => {
            (status::UNAUTHORIZED, "unauthorized".to_owned())
        }
        Outcome::OtherOrganization => (status::FORBIDDEN, render::OTHER_ORGANIZATION.to_owned()),
        Outcome::Forbidden(_) => (status::FORBIDDEN, render::FORBIDDEN.to_owned()),
        Outcome::Malformed(malformed) => (status::of_malformed(malformed), malformed.to_string()),
        Outcome::Found(_)
        | Outcome::NotModified(_)
        | Outcome::Underway(_)
        | Outcome::Written { .. } => (status::OK, String::new()),
    }
}

/// The refusal of a failure, whether or not it has reached the required consistency.
pub(in crate::dialect) fn refusal(outcome: Option<&Outcome>) -> Option<&Refusal> {
    let Outcome::Refused { refusal, .. } = outcome? else { return None };
    Some(refusal)
}

/// Whether the request itself was wrong, by the text that says how.
pub(in crate::dialect) fn malformed(outcome: Option<&Outcome>) -> Option<&Malformed> {
    let Outcome::Malformed(malformed) = outcome? else { return None };
    Some(malformed)
}
