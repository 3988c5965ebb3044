//! Responses in the native envelope.
//!
//! Every answer to a write that reached a log has its receipt, in `meta.consistency` and in the
//! headers; so have refusals that a log decided. `Cache-Control` and `Vary` are not set here: the
//! server sets them on every response alike.

use std::time::Duration;

use bytes::Bytes;
use concordat_cluster::raft::Freshness;
use concordat_proto::{
    api::envelope::Pagination,
    consistency::{Outcome as WriteOutcome, Position, Receipt},
    header,
    refusal::{Refusal, RefusalClass},
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{Either, Full};
use serde_json::value::RawValue;

use super::{envelope, query, status};
use crate::{
    api::{
        operation::Operation,
        outcome::{Answer, List, Malformed, Outcome, Unavailable, Value, Written},
    },
    clock::Stamp,
    dialect::traits::ResponseBody,
};

pub(super) const POSITION_PENDING: &str =
    "the position of Concordat-At-Least was not reached in time";
pub(super) const POSITION_LOST: &str =
    "the position of Concordat-At-Least was lost with its region in a failover";
pub(super) const FORBIDDEN: &str = "the key does not have the right to do this";
pub(super) const OTHER_ORGANIZATION: &str = "the key is one of another organization";

/// When an idempotency key may have expired: the shortest lifetime.
const RETRY_AFTER_KEYS: Duration = Duration::from_secs(60);

/// A response before its freshness and position are put on it.
#[derive(Debug)]
pub(in crate::dialect) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Reply {
    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(super) const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    fn failure(status: u16, message: &str) -> Self {
        Self::json(status, envelope::failure(status, message, None))
    }

    pub(in crate::dialect) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn retry_after(self, after: Duration) -> Self {
        // Whole seconds, rounded up: not before.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    /// The headers of a write's receipt; the whole of it in one of them where there is no body.
    fn receipt(mut self, receipt: &Receipt) -> Self {
        self.headers.push((header::WRITE_ID, receipt.write_id.to_string()));
        if let Some(position) = receipt.position {
            self.headers.push((header::POSITION, position.to_string()));
        }
        if self.body.is_none() {
            self.headers.push((header::CONSISTENCY, header::consistency_line(receipt)));
        }
        self
    }

    /// The headers of a write's receipt where the body has no place for it.
    pub(super) fn whole_receipt(mut self, receipt: &Receipt) -> Self {
        let body = self.body.take();
        Self { body, ..self.receipt(receipt) }
    }

    /// The position and the freshness of an answer.
    pub(super) fn marked(
        mut self,
        position: Option<Position>,
        freshness: Option<Freshness>,
    ) -> Self {
        if let Some(position) = position {
            self = self.with(header::POSITION, position.to_string());
        }
        if let Some(freshness) = freshness {
            self = self.with(header::READ, mark(freshness));
        }
        self
    }

    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let has_body = self.body.is_some();
        let body = Bytes::from(self.body.unwrap_or_default());
        let mut response = Response::new(Either::Left(Full::new(body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            // Values are ids, numbers and names of ours: one that is none is left out, not sent.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The dialect's own rendering of values, as `result` of the envelope.
pub(in crate::dialect) trait Values {
    /// The `result` of a value and its page; nothing where the dialect has no such value.
    fn found(&self, value: &Value) -> Option<(Box<RawValue>, Option<Pagination>)>;

    /// The `result` of what an operation has written.
    fn written(&self, value: &Written, operation: Option<Operation>) -> Option<Box<RawValue>>;

    /// The error text for a request that names no organization, or two.
    fn organization_missing(&self) -> &'static str;
}

/// The response to a request.
pub(in crate::dialect) fn response(
    values: &dyn Values,
    operation: Option<Operation>,
    answer: Answer,
) -> Response<ResponseBody> {
    let Answer { outcome, freshness, position } = answer;
    reply(values, operation, &outcome).marked(position, freshness).into_response()
}

/// The value of `Concordat-Read`.
fn mark(freshness: Freshness) -> String {
    match freshness {
        Freshness::Current => header::READ_CURRENT.to_owned(),
        Freshness::Stale { as_of } => match as_of.time() {
            Some(time) => header::read_stale(&Stamp(time).to_string()),
            None => header::READ_STALE.to_owned(),
        },
    }
}

fn reply(values: &dyn Values, operation: Option<Operation>, outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Found(value) => found(values, status::OK, value),
        Outcome::Underway(value) => found(values, status::ACCEPTED, value),
        Outcome::NotModified(version) => {
            Reply::empty(status::NOT_MODIFIED).with(header::ETAG, header::etag(*version))
        }
        Outcome::Written { value, follows, receipt } => {
            let reply = match status::of_written(operation, *follows) {
                status::NO_CONTENT => Reply::empty(status::NO_CONTENT),
                status => {
                    let body =
                        envelope::success(values.written(value, operation), Some(receipt), None);
                    Reply::json(status, body)
                }
            };
            let reply = reply.receipt(receipt);
            match value {
                Written::Version(version)
                | Written::Registered(version, _)
                | Written::Resource(_, version)
                | Written::NewSaml(_, version, _) => {
                    reply.with(header::ETAG, header::etag(*version))
                }
                Written::Entry(entry) => reply.with(header::ETAG, header::etag(entry.version)),
                Written::Done
                | Written::Organization(_)
                | Written::NewOrganization(..)
                | Written::Key(..)
                | Written::Domain(_) => reply,
            }
        }
        Outcome::Pending { receipt, refusal: None } => timed_out(receipt),
        Outcome::Pending { receipt, refusal: Some(refusal) } => refused_late(refusal, receipt),
        Outcome::Refused { refusal, receipt } => refused(refusal, receipt.as_ref()),
        Outcome::Blocked(reason) => Reply::failure(status::CONFLICT, &reason.to_string()),
        Outcome::Unavailable(why) => unavailable(*why),
        Outcome::NotFound(what) => Reply::failure(status::NOT_FOUND, &format!("no such {what}")),
        Outcome::PositionPending => Reply::failure(status::TIMED_OUT, POSITION_PENDING),
        Outcome::PositionLost => Reply::failure(status::GONE, POSITION_LOST),
        Outcome::Unauthenticated | Outcome::KeyMissing => {
            Reply::failure(status::UNAUTHORIZED, "unauthorized")
        }
        Outcome::OtherOrganization => Reply::failure(status::FORBIDDEN, OTHER_ORGANIZATION),
        Outcome::Forbidden(_) => Reply::failure(status::FORBIDDEN, FORBIDDEN),
        Outcome::Malformed(malformed) => self::malformed(values, malformed),
    }
}

fn found(values: &dyn Values, status: u16, value: &Value) -> Reply {
    let (result, pagination) = match values.found(value) {
        Some((result, pagination)) => (Some(result), pagination),
        None => (None, None),
    };
    let reply = Reply::json(status, envelope::success(result, None, pagination));
    match value {
        Value::Credential(found) => reply.with(header::ETAG, header::etag(found.version)),
        Value::Credentials(_)
        | Value::ClientSecret { .. }
        | Value::Organization(_)
        | Value::Organizations(_)
        | Value::Receipt(..)
        | Value::Document(_)
        | Value::Binding(..)
        | Value::Entries(..)
        | Value::Resources(..)
        | Value::Keys(..)
        | Value::Done => reply,
        Value::Policies(found) => match found.version {
            Some(version) => reply.with(header::ETAG, header::etag(version)),
            None => reply,
        },
        Value::Resource(found) => reply.with(header::ETAG, header::etag(found.resource.version)),
        Value::Entry(found) => {
            reply.with(header::ETAG, header::etag(found.entry.credential.version))
        }
    }
}

/// Which page of a list an answer has.
pub(in crate::dialect) fn pagination<T>(list: &List<T>) -> Pagination {
    Pagination {
        limit: list.page.items_max() as u64,
        offset: list.page.offset as u64,
        total_count: Some(list.total_count as u64),
        cursor: list.next.as_deref().map(query::cursor),
    }
}

/// A write's receipt, as a result.
pub(in crate::dialect) fn receipt(receipt: &Receipt, refusal: Option<&Refusal>) -> Box<RawValue> {
    envelope::raw(&envelope::receipt_of(receipt, refusal))
}

/// 408: the required consistency was not reached in time. Nothing is canceled.
fn timed_out(receipt: &Receipt) -> Reply {
    let body = envelope::failure(status::TIMED_OUT, timed_out_text(receipt), Some(receipt));
    Reply::json(status::TIMED_OUT, body).receipt(receipt)
}

/// Why a write is answered with 408.
pub(super) const fn timed_out_text(receipt: &Receipt) -> &'static str {
    match receipt.outcome {
        WriteOutcome::Committed => {
            "the required consistency was not reached within the timeout; the write is committed \
             and replication continues"
        }
        WriteOutcome::Refused => {
            "the write was refused, and not every required region knows that yet"
        }
        WriteOutcome::Unknown => {
            "the request was not handled within the timeout; it may still be handled after it"
        }
        WriteOutcome::Lost => "the write was lost with its region",
    }
}

/// 408: refused, and the refusal has not reached the required consistency in time.
fn refused_late(refusal: &Refusal, receipt: &Receipt) -> Reply {
    let message = refused_late_text(refusal);
    let consistency = envelope::receipt_of(receipt, Some(refusal));
    let body = envelope::failure_of(status::TIMED_OUT, &message, Some(consistency));
    Reply::json(status::TIMED_OUT, body).receipt(receipt)
}

/// Why a refusal is answered with 408.
pub(super) fn refused_late_text(refusal: &Refusal) -> String {
    format!(
        "the write was refused ({refusal}), and that has not reached the required consistency \
         within the timeout; until it has, the loss of a region may undo it"
    )
}

/// A refusal; with a receipt where it was decided in a log.
///
/// A dead key is answered like an unknown one, without a receipt: there is one 401 only.
fn refused(refusal: &Refusal, receipt: Option<&Receipt>) -> Reply {
    let class = refusal.class();
    if class == RefusalClass::Unauthenticated {
        return Reply::failure(status::UNAUTHORIZED, "unauthorized");
    }
    let status = status::of_refusal(class);
    let mut reply = Reply::json(status, envelope::failure(status, &refusal.to_string(), receipt));
    if let Some(receipt) = receipt {
        reply = reply.receipt(receipt);
    }
    match retry_of_refusal(class) {
        Some(after) => reply.retry_after(after),
        None => reply,
    }
}

/// When a retry of a refused write makes sense.
pub(super) const fn retry_of_refusal(class: RefusalClass) -> Option<Duration> {
    match class {
        RefusalClass::TooMany => Some(RETRY_AFTER_KEYS),
        RefusalClass::Expired | RefusalClass::Elsewhere => Some(Unavailable::RETRY_AFTER),
        RefusalClass::BadRequest
        | RefusalClass::Unauthenticated
        | RefusalClass::NotFound
        | RefusalClass::Conflict
        | RefusalClass::PreconditionFailed
        | RefusalClass::KeyReused => None,
    }
}

fn unavailable(why: Unavailable) -> Reply {
    let status = if why.is_too_many() { status::TOO_MANY } else { status::UNAVAILABLE };
    Reply::failure(status, &why.to_string()).retry_after(Unavailable::RETRY_AFTER)
}

fn malformed(values: &dyn Values, malformed: &Malformed) -> Reply {
    let status = status::of_malformed(malformed);
    let text = malformed.to_string();
    match malformed {
        Malformed::OrganizationMissing => Reply::failure(status, values.organization_missing()),
        Malformed::ForeignPosition => {
            Reply::failure(status, "Concordat-At-Least is not a position of this cluster")
        }
        Malformed::ContentCoding => {
            Reply::failure(status, &text).with(header::ACCEPT_ENCODING, "identity".to_owned())
        }
        Malformed::Syntax(_)
        | Malformed::Fields(_)
        | Malformed::MediaType(_)
        | Malformed::Unsupported(_)
        | Malformed::BodyTooLarge
        | Malformed::BodyTooSlow
        | Malformed::BodyBroken
        | Malformed::Head(_)
        | Malformed::HeadTooLarge(_)
        | Malformed::UriTooLong
        | Malformed::TransferCoding
        | Malformed::NoHttp => Reply::failure(status, &text),
    }
}

/// 405; `allowed` are the path's methods.
pub(in crate::dialect) fn method_not_allowed(allowed: &[&str]) -> Response<ResponseBody> {
    let reply = Reply::failure(status::METHOD_NOT_ALLOWED, "method not allowed");
    reply.with(header::ALLOW, allowed.join(", ")).into_response()
}
