//! A request's path, from its head to its response, in the contract's order of checks: route,
//! authentication, headers, path and query, body, existence, storage. The first file to read.

use std::sync::Arc;

use bytes::Bytes;
use concordat_cluster::raft::Freshness;
use concordat_proto::limits;
use http::{Method, Response, StatusCode, request::Parts};
use tokio::time::Instant;

use super::{
    condition, freshness, read,
    timing::Timing,
    unavailable::{broken, unavailable},
    write::{self, commit::request_digest},
};
use crate::{
    api::{
        operation::{Action, Caller},
        outcome::{Answer, Malformed, Outcome, Unavailable},
        request::{Input, Presented, Terms},
    },
    auth::{self, Authorized, Denied, Permit},
    dialect::{
        REGISTRY,
        traits::{Dialect, ResponseBody, Route},
    },
    grpc::{self, builtin::Builtin, media, reply},
    http::{
        body::{Body, BodyError, is_plain},
        respond,
        route::{Found, Page, Target},
    },
    node::Node,
    observe::{health, metrics::Observed},
    openapi,
};

/// A request as it came in.
#[derive(Debug)]
pub(crate) struct Call {
    /// When its head had been read: all its time limits count from here.
    pub(crate) accepted: Instant,
    /// The head.
    pub(crate) head: Parts,
    /// The body, not read yet.
    pub(crate) body: Body,
}

/// Answers a request.
pub(crate) async fn serve(node: &Arc<Node>, call: &mut Call) -> Response<ResponseBody> {
    let path = call.head.uri.path().to_owned();
    let (target, parameter) = match node.routes.find(&call.head.method, &path) {
        Found::Target(target, parameter) => (target, parameter),
        Found::OtherMethods(target, methods) => {
            let dialect = target.dialect();
            return finish(dialect, call, dialect.method_not_allowed(&methods));
        }
        Found::Nothing => {
            let response = match media::check(&call.head) {
                Ok(form) => reply::unknown(form, &path),
                Err(_) => unknown_path(),
            };
            return finish(REGISTRY[0], call, response);
        }
    };
    let (dialect, route) = match target {
        Target::Page(page) => {
            return finish(REGISTRY[0], call, self::page(node, call, page, parameter));
        }
        Target::Builtin(builtin) => return self::builtin(node, call, builtin).await,
        Target::Operation(dialect, route) => (dialect, route),
    };
    let Ok(_permit) = node.permits.try_acquire() else {
        return rejected(dialect, call, Outcome::Unavailable(Unavailable::Overloaded));
    };
    let mut observed = Observed::new(route.operation, call.accepted);
    let answer = answer(node, call, dialect, route, parameter, &mut observed).await;
    let answer = answer.unwrap_or_else(|refused| refused);
    let response = dialect.render(Some(route.operation), answer);
    // Of every encoding alike: a call's own status is in its trailers.
    let status = response.status().as_u16();
    let response = finish(dialect, call, response);
    tracing::debug!(method = %call.head.method, path, status, "answered");
    node.metrics.observe(&observed, status);
    response
}

/// The response to a request that was rejected before its operation.
pub(crate) fn rejected(
    dialect: &dyn Dialect,
    call: &Call,
    outcome: Outcome,
) -> Response<ResponseBody> {
    finish(dialect, call, dialect.render(None, outcome.into()))
}

fn finish(
    dialect: &dyn Dialect,
    call: &Call,
    response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    let response = dialect.encode(&call.head, response);
    respond::finish(response, &call.head.method, dialect.vary())
}

/// Plain text, so that clients can distinguish an unknown path from an unknown id.
fn unknown_path() -> Response<ResponseBody> {
    respond::text(StatusCode::NOT_FOUND, health::TEXT, "404 page not found".to_owned())
}

fn page(node: &Node, call: &Call, page: Page, file: &str) -> Response<ResponseBody> {
    let headers = &call.head.headers;
    match page {
        Page::Live => health::live(),
        Page::Ready => health::ready(node, call.head.uri.query().unwrap_or_default()),
        Page::Metrics => health::metrics(node),
        Page::OpenApi => openapi::description(node.routes.with_demo(), headers),
        Page::Docs => openapi::docs(headers),
        Page::DocsFile => openapi::docs_file(file, headers).unwrap_or_else(unknown_path),
    }
}

/// A call that the node itself answers.
async fn builtin(node: &Arc<Node>, call: &mut Call, builtin: Builtin) -> Response<ResponseBody> {
    let form = match media::check(&call.head) {
        Ok(form) => form,
        Err(malformed) => return rejected(REGISTRY[0], call, Outcome::Malformed(malformed)),
    };
    let response = match builtin {
        Builtin::HealthCheck => grpc::health::check(node, form, &mut call.body).await,
        Builtin::HealthWatch => grpc::health::watch(node, form, &mut call.body).await,
        Builtin::Reflection => {
            let body = call.body.take();
            grpc::reflection::serve(node, form, call.head.uri.path(), body)
        }
    };
    finish(REGISTRY[0], call, response)
}

/// The path itself.
async fn answer(
    node: &Arc<Node>,
    call: &mut Call,
    dialect: &dyn Dialect,
    route: &Route,
    parameter: &str,
    observed: &mut Observed,
) -> Result<Answer, Answer> {
    dialect.admit(&call.head).map_err(Outcome::Malformed)?;
    let operation = route.operation;
    let is_proof_wanted = !operation.is_write() && dialect.wants_current(&call.head.headers);
    let permit = permit(node, dialect.credentials(&call.head.headers), route)
        .map_err(|denied| if is_proof_wanted { proved(denied) } else { denied })?;
    let terms = dialect.terms(operation, &call.head.headers).map_err(Outcome::Malformed)?;
    let timing = Timing { accepted: call.accepted, deadline: call.accepted + terms.timeout };
    let body = body(node, call, route).await.map_err(Outcome::Malformed)?;
    let authorized = parse(permit, route, &call.head, &body, parameter)?;
    if operation.is_write() {
        observed.required = Some(terms.required);
        condition::of_write(operation, &terms)?;
        let digest = request_digest(&call.head, &body);
        return Ok(write::answer(node, authorized, terms, digest, timing).await);
    }
    let Terms { if_match, .. } = &terms;
    let if_match = if_match.clone();
    let answer = read::answer(node, authorized, terms, timing).await;
    let answer = condition::of_read(answer, if_match.as_ref());
    Ok(if is_proof_wanted { proved(answer) } else { answer })
}

/// The answer, if nothing newer can have been answered elsewhere; else that this cannot be proved.
fn proved(answer: Answer) -> Answer {
    match answer.freshness {
        None | Some(Freshness::Current) => answer,
        Some(Freshness::Stale { .. }) => Answer {
            outcome: Outcome::Unavailable(Unavailable::NotCurrent),
            position: None,
            ..answer
        },
    }
}

/// Authenticates and authorizes the caller. A read looks the key up again with its data
/// ([`super::key`]), and a write in the log, so that only a denial is marked with this look's freshness.
fn permit(node: &Node, presented: Presented<'_>, route: &Route) -> Result<Permit, Answer> {
    let caller = route.operation.spec().caller;
    // Evaluated before the state is read, over all groups: it must not reveal where an organization
    // is.
    let fresh = freshness::of_all(node);
    let home_groups = node.home_groups();
    if home_groups.is_empty() {
        return Err(unavailable(Unavailable::NotAMember));
    }
    // Repeated after [`freshness::for_not_found`]: an organization that was moving may have arrived
    // since.
    let who = || auth::authenticate(node.state(), &home_groups, &presented, caller, node.now());
    let mut principal = who();
    let mut fresh = fresh;
    if matches!(principal, Err(Denied::Unauthenticated)) {
        fresh = freshness::for_not_found(node);
        principal = who();
        match auth::is_arriving(node.state(), &home_groups, &presented) {
            Ok(true) if caller != Caller::Operator && principal.is_err() => {
                return Err(freshness::mark(unavailable(Unavailable::Moving), fresh));
            }
            Ok(_) => {}
            Err(error) => return Err(broken("authenticating", &error)),
        }
    }
    let says_missing = presented.organization.is_of_key() && presented.key.is_empty();
    let principal = principal.map_err(|denied| match denied {
        Denied::Unauthenticated if says_missing => Outcome::KeyMissing.into(),
        Denied::OtherOrganization => freshness::mark(Outcome::OtherOrganization, fresh),
        Denied::OrgIdMissing => Outcome::Malformed(Malformed::OrganizationMissing).into(),
        Denied::Unauthenticated => freshness::mark(Outcome::Unauthenticated, fresh),
        Denied::Broken(error) => broken("authenticating", &error),
    })?;
    auth::authorize(principal, route.operation).map_err(|refused| {
        let outcome = match refused {
            auth::NotAllowed::Forbidden => Outcome::Forbidden,
            auth::NotAllowed::Replaced => Outcome::Unauthenticated,
        };
        freshness::mark(outcome, fresh)
    })
}

/// The body, where the operation or the method has one; of others it is left where it is.
async fn body(node: &Node, call: &mut Call, route: &Route) -> Result<Bytes, Malformed> {
    if !route.operation.spec().has_body && route.method != Method::POST {
        return Ok(Bytes::new());
    }
    if !is_plain(&call.head.headers) {
        return Err(Malformed::ContentCoding);
    }
    let read = call.body.read(node.limits.body_time).await;
    read.map_err(|error| match error {
        BodyError::TooSlow => Malformed::BodyTooSlow,
        BodyError::Broken => Malformed::BodyBroken,
    })
}

fn parse(
    permit: Permit,
    route: &Route,
    head: &Parts,
    body: &[u8],
    parameter: &str,
) -> Result<Authorized, Outcome> {
    let query = head.uri.query().unwrap_or_default();
    let input = Input { path_parameter: parameter, query, headers: &head.headers, body };
    let action: Action = (route.parse)(&input).map_err(Outcome::Malformed)?;
    // For operations without a body.
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(Outcome::Malformed(Malformed::BodyTooLarge));
    }
    permit.grant(action).ok_or(Outcome::Forbidden)
}
