//! The statuses of the native envelope: one table for refusals, one for malformed requests, one for
//! successes.

use concordat_proto::refusal::RefusalClass;

use crate::api::{operation::Operation, outcome::Malformed};

pub(super) const OK: u16 = 200;
pub(super) const CREATED: u16 = 201;
pub(super) const ACCEPTED: u16 = 202;
pub(super) const NO_CONTENT: u16 = 204;
pub(super) const NOT_MODIFIED: u16 = 304;
pub(super) const BAD_REQUEST: u16 = 400;
pub(super) const UNAUTHORIZED: u16 = 401;
pub(super) const FORBIDDEN: u16 = 403;
pub(super) const NOT_FOUND: u16 = 404;
pub(super) const METHOD_NOT_ALLOWED: u16 = 405;
pub(super) const TIMED_OUT: u16 = 408;
pub(super) const CONFLICT: u16 = 409;
pub(super) const GONE: u16 = 410;
const PRECONDITION_FAILED: u16 = 412;
const TOO_LARGE: u16 = 413;
const URI_TOO_LONG: u16 = 414;
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;
const UNPROCESSABLE: u16 = 422;
pub(super) const TOO_MANY: u16 = 429;
const HEADERS_TOO_LARGE: u16 = 431;
const NOT_IMPLEMENTED: u16 = 501;
pub(super) const UNAVAILABLE: u16 = 503;

/// The status of a refusal. A write that came too late, or to an organization's former home, is
/// certainly not done: 503, to be retried.
pub(super) const fn of_refusal(class: RefusalClass) -> u16 {
    match class {
        RefusalClass::BadRequest => BAD_REQUEST,
        RefusalClass::Unauthenticated => UNAUTHORIZED,
        RefusalClass::NotFound => NOT_FOUND,
        RefusalClass::Conflict => CONFLICT,
        RefusalClass::PreconditionFailed => PRECONDITION_FAILED,
        RefusalClass::KeyReused => UNPROCESSABLE,
        RefusalClass::TooMany => TOO_MANY,
        RefusalClass::Expired | RefusalClass::Elsewhere => UNAVAILABLE,
    }
}

/// The status of an invalid request.
pub(super) const fn of_malformed(malformed: &Malformed) -> u16 {
    match malformed {
        Malformed::Syntax(_)
        | Malformed::Fields(_)
        | Malformed::BodyTooSlow
        | Malformed::BodyBroken
        | Malformed::OrganizationMissing
        | Malformed::ForeignPosition
        | Malformed::Head(_)
        | Malformed::NoHttp => BAD_REQUEST,
        Malformed::BodyTooLarge => TOO_LARGE,
        Malformed::UriTooLong => URI_TOO_LONG,
        Malformed::MediaType(_) | Malformed::ContentCoding => UNSUPPORTED_MEDIA_TYPE,
        Malformed::HeadTooLarge(_) => HEADERS_TOO_LARGE,
        Malformed::TransferCoding | Malformed::Unsupported(_) => NOT_IMPLEMENTED,
    }
}

/// The status of a write's success.
pub(super) const fn of_written(operation: Option<Operation>, follows: bool) -> u16 {
    match operation {
        _ if follows => ACCEPTED,
        Some(
            Operation::OidcCreate
            | Operation::OrgCreate
            | Operation::SamlCreate
            | Operation::ExternalCreate
            | Operation::KeyIssue,
        ) => CREATED,
        Some(
            Operation::SamlPatch
            | Operation::SamlDelete
            | Operation::ExternalPatch
            | Operation::ExternalDelete
            | Operation::AttributeDelete
            | Operation::KeyRevoke
            | Operation::OwnOrgDelete
            | Operation::OrgDelete,
        ) => NO_CONTENT,
        _ => OK,
    }
}
