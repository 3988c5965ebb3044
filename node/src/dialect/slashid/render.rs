//! The answers of the native API.
//!
//! Every answer to a write that reached a log carries its receipt, in `meta.consistency` and in the
//! headers; so do refusals that were decided there. `Concordat-Read` is not set here: how fresh an
//! answer is, its server knows; nor is `Cache-Control`, which is the same on every answer.

use std::time::Duration;

use concordat_proto::{
    consistency::{Outcome, Receipt},
    header,
    id::{ClientId, WriteId},
    oidc::OidcCredential,
    org::{Org, OrgSettings},
    refusal::{Refusal, RefusalClass},
    region::Region,
    reply::Reply,
    secret::Secret,
};
use serde::Serialize;

use super::{
    envelope::{self, Consistency, Pagination},
    shown::{self, Organization},
    status,
};
use crate::dialect::{Answer, Operation, Page, Rejection};

/// When an attempt is worth it after a refusal that time heals.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// When an idempotency key may have been forgotten: the shortest that one can live.
const RETRY_AFTER_KEYS: Duration = Duration::from_secs(60);

fn json(status: u16, body: Vec<u8>) -> Answer {
    Answer { status, headers: Vec::new(), body: Some(body) }
}

fn failure(status: u16, message: &str) -> Answer {
    json(status, envelope::failure(status, message, None))
}

fn with_header(mut answer: Answer, name: &'static str, value: String) -> Answer {
    answer.headers.push((name, value));
    answer
}

fn with_retry_after(answer: Answer, after: Duration) -> Answer {
    // Whole seconds, rounded up: not before.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    with_header(answer, header::RETRY_AFTER, seconds.max(1).to_string())
}

/// The headers of a write's receipt; the whole of it in one of them where there is no body.
fn with_receipt(mut answer: Answer, receipt: &Receipt) -> Answer {
    answer.headers.push((header::WRITE_ID, receipt.write_id.to_string()));
    if let Some(position) = receipt.position {
        answer.headers.push((header::POSITION, position.to_string()));
    }
    if answer.body.is_none() {
        answer.headers.push((header::CONSISTENCY, header::consistency_line(receipt)));
    }
    answer
}

// Reads.

/// A credential's object, to be kept and put into [`credential_body`] and [`credential_list_body`].
#[must_use]
pub fn credential_object(credential: &OidcCredential) -> Vec<u8> {
    shown::credential(credential)
}

/// The body of a GET of one credential, from its object.
#[must_use]
pub fn credential_body(object: &[u8]) -> Vec<u8> {
    [br#"{"errors":[],"meta":{},"result":"#, object, b"}"].concat()
}

/// The body of a GET of the list, from the page's objects in order of client id.
#[must_use]
pub fn credential_list_body<'a>(
    objects: impl IntoIterator<Item = &'a [u8]>,
    page: Page,
    total_count: usize,
) -> Vec<u8> {
    let mut body = br#"{"errors":[],"meta":{"pagination":"#.to_vec();
    body.extend(envelope::to_json(&pagination(page, total_count)));
    body.extend_from_slice(br#"},"result":["#);
    for (place, object) in objects.into_iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(object);
    }
    body.extend_from_slice(b"]}");
    body
}

/// Without a limit the whole list is the page.
fn pagination(page: Page, total_count: usize) -> Pagination {
    Pagination { limit: page.limit.unwrap_or(total_count), offset: page.offset, total_count }
}

/// A list of credentials, already cut to its page.
#[must_use]
pub fn credential_list(page: &[OidcCredential], asked: Page, total_count: usize) -> Answer {
    let objects: Vec<Vec<u8>> = page.iter().map(credential_object).collect();
    let body = credential_list_body(objects.iter().map(Vec::as_slice), asked, total_count);
    json(status::OK, body)
}

/// One credential, with its version as `ETag`.
#[must_use]
pub fn credential(credential: &OidcCredential) -> Answer {
    let answer = json(status::OK, credential_body(&credential_object(credential)));
    with_header(answer, header::ETAG, header::etag(credential.version))
}

/// A client secret in the clear, for who may read it.
#[must_use]
pub fn client_secret(client_id: &ClientId, secret: &Secret, expires_at: Option<&str>) -> Answer {
    let shown =
        ClientSecret { client_id: client_id.as_str(), client_secret: secret.expose(), expires_at };
    json(status::OK, envelope::success(Some(shown), None, None))
}

#[derive(Serialize)]
struct ClientSecret<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
}

/// 304: the version is one of `If-None-Match`.
#[must_use]
pub fn not_modified(version: WriteId) -> Answer {
    let answer = Answer { status: status::NOT_MODIFIED, headers: Vec::new(), body: None };
    with_header(answer, header::ETAG, header::etag(version))
}

/// An organisation as operators see it: where it is at home, and where it is moving to.
#[derive(Debug, Clone)]
pub struct OrgStanding {
    /// The organisation.
    pub org: Org,
    /// The region of its next home.
    pub moving_to: Option<Region>,
    /// What it has set, where that was looked up.
    pub settings: Option<OrgSettings>,
}

impl OrgStanding {
    fn shown(&self) -> Organization<'_> {
        let shown = Organization::new(&self.org, None).moving_to(self.moving_to.as_ref());
        shown.settings(self.settings.as_ref())
    }
}

/// One organisation.
#[must_use]
pub fn org(standing: &OrgStanding) -> Answer {
    json(status::OK, envelope::success(Some(standing.shown()), None, None))
}

/// A move that is under way without this request.
#[must_use]
pub fn move_accepted(standing: &OrgStanding) -> Answer {
    json(status::ACCEPTED, envelope::success(Some(standing.shown()), None, None))
}

/// A list of organisations, already cut to its page.
#[must_use]
pub fn org_list(page: &[OrgStanding], asked: Page, total_count: usize) -> Answer {
    let shown: Vec<_> = page.iter().map(OrgStanding::shown).collect();
    let pagination = pagination(asked, total_count);
    json(status::OK, envelope::success(Some(shown), None, Some(pagination)))
}

/// What is known of a write: the result is its receipt, and for one that was refused what it was
/// answered.
#[must_use]
pub fn receipt(receipt: &Receipt, refusal: Option<&Refusal>) -> Answer {
    let result = Some(Consistency::from(receipt).refused_as(refusal));
    json(status::OK, envelope::success(result, None, None))
}

/// A success with any result, of the cluster's and the demo's endpoints.
#[must_use]
pub fn result(result: &impl Serialize) -> Answer {
    json(status::OK, envelope::success(Some(result), None, None))
}

/// A success without a result.
#[must_use]
pub fn done() -> Answer {
    json(status::OK, envelope::success::<()>(None, None, None))
}

// Writes.

/// A write whose outcome is known. What has not travelled as far as was required is a 408: a yes, and
/// a no just so. What only one region knows may go with it, and the write be carried out after all.
#[must_use]
pub fn write(operation: Operation, outcome: &Result<Reply, Refusal>, receipt: &Receipt) -> Answer {
    match outcome {
        Err(refusal) if !receipt.achieved => refused_late(refusal, receipt),
        Err(refusal) => refused(refusal, Some(receipt)),
        Ok(_) if !receipt.achieved => timed_out(receipt),
        Ok(reply) => {
            let body = match reply {
                Reply::Org(org) => {
                    envelope::success(Some(Organization::new(org, None)), Some(receipt), None)
                }
                Reply::Done
                | Reply::Version(_)
                | Reply::NodeRegistered { .. }
                | Reply::AdoptionDropped => envelope::success::<()>(None, Some(receipt), None),
            };
            let answer = with_receipt(json(status::of_success(operation), body), receipt);
            match reply {
                Reply::Version(version) => {
                    with_header(answer, header::ETAG, header::etag(*version))
                }
                Reply::Done
                | Reply::Org(_)
                | Reply::NodeRegistered { .. }
                | Reply::AdoptionDropped => answer,
            }
        }
    }
}

/// The organisation that was created, with its key, this once. 408 without the key when it has not
/// travelled as far as was required: the repeat under the same idempotency key shows it.
#[must_use]
pub fn org_created(org: &Org, api_key: &Secret, receipt: &Receipt) -> Answer {
    if !receipt.achieved {
        return timed_out(receipt);
    }
    let shown = Organization::new(org, Some(api_key.expose()));
    let body = envelope::success(Some(shown), Some(receipt), None);
    with_receipt(json(status::CREATED, body), receipt)
}

/// 408: the required consistency was not reached in time. Nothing is cancelled.
#[must_use]
pub fn timed_out(receipt: &Receipt) -> Answer {
    let message = match receipt.outcome {
        Outcome::Committed => {
            "the required consistency was not reached within the timeout; the write is committed \
             and replication goes on"
        }
        Outcome::Refused => "the write was refused, and not every required region knows that yet",
        Outcome::Unknown => {
            "the request was not handled within the timeout; it may still be handled after it"
        }
        Outcome::Lost => "the write was lost with its region",
    };
    let body = envelope::failure(status::TIMED_OUT, message, Some(receipt));
    with_receipt(json(status::TIMED_OUT, body), receipt)
}

/// 408: refused, and the refusal has not reached the required consistency in time.
fn refused_late(refusal: &Refusal, receipt: &Receipt) -> Answer {
    let message = format!(
        "the write was refused ({refusal}), and that has not reached the required consistency \
         within the timeout; until it has, the loss of a region may undo it"
    );
    let consistency = Consistency::from(receipt).refused_as(Some(refusal));
    let body = envelope::failure_of(status::TIMED_OUT, &message, Some(consistency));
    with_receipt(json(status::TIMED_OUT, body), receipt)
}

/// A refusal; with a receipt where it was decided in a log.
///
/// A dead key is answered like an unknown one, without a receipt: there is one 401 only.
#[must_use]
pub fn refused(refusal: &Refusal, receipt: Option<&Receipt>) -> Answer {
    let class = refusal.class();
    if class == RefusalClass::Unauthenticated {
        return unauthorized();
    }
    let status = status::of_refusal(class);
    let mut answer = json(status, envelope::failure(status, &refusal.to_string(), receipt));
    if let Some(receipt) = receipt {
        answer = with_receipt(answer, receipt);
    }
    match class {
        RefusalClass::TooMany => with_retry_after(answer, RETRY_AFTER_KEYS),
        RefusalClass::Expired | RefusalClass::Elsewhere => with_retry_after(answer, RETRY_AFTER),
        RefusalClass::BadRequest
        | RefusalClass::Unauthenticated
        | RefusalClass::NotFound
        | RefusalClass::Conflict
        | RefusalClass::PreconditionFailed
        | RefusalClass::KeyReused => answer,
    }
}

// What never reached a log.

/// A request that cannot be right.
#[must_use]
pub fn rejected(rejection: &Rejection) -> Answer {
    failure(rejection.status, &rejection.message)
}

/// 401: always this, whatever was wrong.
#[must_use]
pub fn unauthorized() -> Answer {
    failure(status::UNAUTHORIZED, "unauthorized")
}

/// 403: a valid key without the right.
#[must_use]
pub fn forbidden() -> Answer {
    failure(status::FORBIDDEN, "the key does not have the right to do this")
}

/// 404 for an unknown route: plain text, by which clients tell it from an unknown id.
#[must_use]
pub fn route_not_found() -> Answer {
    Answer {
        status: status::NOT_FOUND,
        headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
        body: Some(b"404 page not found".to_vec()),
    }
}

/// 404 for an unknown id; `what` completes "no such …".
#[must_use]
pub fn not_found(what: &str) -> Answer {
    failure(status::NOT_FOUND, &format!("no such {what}"))
}

/// 405; `allowed` are the route's methods.
#[must_use]
pub fn method_not_allowed(allowed: &[&str]) -> Answer {
    let answer = failure(status::METHOD_NOT_ALLOWED, "method not allowed");
    with_header(answer, header::ALLOW, allowed.join(", "))
}

/// 408 for a read whose position was not reached in time.
#[must_use]
pub fn read_timed_out() -> Answer {
    failure(status::TIMED_OUT, "the position of Concordat-At-Least was not reached in time")
}

/// 410: what is asked for was lost with its region.
#[must_use]
pub fn position_lost() -> Answer {
    let message = "the position of Concordat-At-Least was lost with its region in a failover";
    failure(status::GONE, message)
}

/// 413.
#[must_use]
pub fn too_large() -> Answer {
    let max = concordat_proto::limits::BODY_BYTES_MAX;
    failure(status::TOO_LARGE, &format!("the body may have at most {max} bytes"))
}

/// 415.
#[must_use]
pub fn unsupported_media_type() -> Answer {
    failure(status::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json")
}

/// 415: the body is compressed, or said to be; bodies are not decompressed.
#[must_use]
pub fn unsupported_content_coding() -> Answer {
    let message = "content-encoding must be identity: bodies are not decompressed";
    let answer = failure(status::UNSUPPORTED_MEDIA_TYPE, message);
    with_header(answer, header::ACCEPT_ENCODING, "identity".to_owned())
}

/// 429: more than this node takes at once.
#[must_use]
pub fn too_many(message: &str, retry_after: Duration) -> Answer {
    with_retry_after(failure(status::TOO_MANY, message), retry_after)
}

/// 503: certainly nothing was stored, or nothing can be said.
#[must_use]
pub fn unavailable(message: &str, retry_after: Duration) -> Answer {
    with_retry_after(failure(status::UNAVAILABLE, message), retry_after)
}
