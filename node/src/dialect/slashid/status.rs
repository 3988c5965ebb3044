//! The statuses of the native API: one table for refusals, one for successes.

use concordat_proto::refusal::RefusalClass;

use crate::dialect::Operation;

pub(super) const OK: u16 = 200;
pub(super) const CREATED: u16 = 201;
pub(super) const ACCEPTED: u16 = 202;
pub(super) const NOT_MODIFIED: u16 = 304;
pub(super) const BAD_REQUEST: u16 = 400;
pub(super) const UNAUTHORIZED: u16 = 401;
pub(super) const FORBIDDEN: u16 = 403;
pub(super) const NOT_FOUND: u16 = 404;
pub(super) const METHOD_NOT_ALLOWED: u16 = 405;
pub(super) const TIMED_OUT: u16 = 408;
pub(super) const CONFLICT: u16 = 409;
pub(super) const GONE: u16 = 410;
pub(super) const PRECONDITION_FAILED: u16 = 412;
pub(super) const TOO_LARGE: u16 = 413;
pub(super) const UNSUPPORTED_MEDIA_TYPE: u16 = 415;
pub(super) const UNPROCESSABLE: u16 = 422;
pub(super) const TOO_MANY: u16 = 429;
pub(super) const UNAVAILABLE: u16 = 503;

/// Of a refusal. One that came too late, or where its organisation no longer is, is certainly not
/// done: 503, to be tried again.
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

/// Of a success.
pub(super) const fn of_success(operation: Operation) -> u16 {
    match operation {
        Operation::OidcCreate | Operation::OrgCreate => CREATED,
        Operation::OrgMove | Operation::RegionFailover => ACCEPTED,
        Operation::OidcList
        | Operation::OidcGet
        | Operation::OidcPatch
        | Operation::OidcDelete
        | Operation::OrgList
        | Operation::OrgGet
        | Operation::ReceiptGet
        | Operation::ClusterGet
        | Operation::DemoCut
        | Operation::DemoHeal
        | Operation::ClusterPatch
        | Operation::NodeList
        | Operation::NodePatch
        | Operation::NodeDelete
        | Operation::RegionList
        | Operation::RegionPatch
        | Operation::RegionDelete
        | Operation::RegionAdd
        | Operation::DivergenceGet
        | Operation::OrgPatch
        | Operation::SecretGet => OK,
    }
}
