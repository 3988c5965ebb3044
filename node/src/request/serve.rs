//! A request's path, from its head to its response, in the contract's order of checks: route,
//! authentication, headers, path and query, body, existence, storage. The first file to read.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use concordat_cluster::raft::Freshness;
use concordat_proto::{header, limits};
use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use tokio::time::Instant;

use super::{
    condition, freshness, policies, read,
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
    auth::{self, Authorized, Denied, Look, Permit, Principal},
    dialect::{
        REGISTRY,
        traits::{Dialect, Health, ResponseBody, Route},
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

const JSON: &str = "application/json";

/// A request as it came in.
#[derive(Debug)]
pub(crate) struct Call {
    /// When its head had been read: all its time limits count from here.
    pub(crate) accepted: Instant,
    /// The other end of the connection.
    pub(crate) source: IpAddr,
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
            return match media::check(&call.head) {
                Ok(form) => finish(REGISTRY[0], call, reply::unknown(form, &path)),
                Err(_) => no_route(call, &path),
            };
        }
    };
    let (dialect, route) = match target {
        Target::Page(page) => {
            return finish(REGISTRY[0], call, self::page(node, call, page, parameter));
        }
        Target::Health(dialect, health) => return self::health(node, call, dialect, health).await,
        Target::Builtin(builtin) => return self::builtin(node, call, builtin).await,
        Target::Operation(dialect, route) => (dialect, route),
    };
    let Some(_place) = node.places.enter(route.operation.spec().caller) else {
        return rejected(dialect, call, Outcome::Unavailable(Unavailable::Overloaded));
    };
    let observed = Observed::new(route.operation, call.accepted);
    let mut beside = Beside { observed, notices: Vec::new() };
    let answer = answer(node, call, dialect, route, parameter, &mut beside).await;
    let answer = answer.unwrap_or_else(|refused| refused);
    let Beside { observed, mut notices } = beside;
    if let Outcome::Forbidden(said) = &answer.outcome {
        notices.clone_from(said);
    }
    let response = noticed(dialect.render(Some(route.operation), answer), &notices);
    // Of every encoding alike: a call's own status is in its trailers.
    let status = response.status().as_u16();
    let response = finish(dialect, call, response);
    tracing::debug!(method = %call.head.method, path, status, "answered");
    node.metrics.observe(&observed, status);
    response
}

/// What is known of a request beside its answer.
struct Beside {
    /// For the metrics.
    observed: Observed,
    /// What the policies that allowed it say to the caller.
    notices: Vec<String>,
}

/// The response with what policies say to the caller.
fn noticed(mut response: Response<ResponseBody>, notices: &[String]) -> Response<ResponseBody> {
    if let Some(line) = header::policy_notices(notices)
        && let Ok(value) = HeaderValue::try_from(line)
    {
        response.headers_mut().insert(header::POLICY_NOTICES, value);
    }
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

/// In the form of the dialect that the path belongs to.
fn no_route(call: &Call, path: &str) -> Response<ResponseBody> {
    let own = |dialect: &'static dyn Dialect| Some((dialect, dialect.unknown_path(path)?));
    let found = REGISTRY.into_iter().find_map(own);
    let (dialect, response) = found.unwrap_or_else(|| (REGISTRY[0], unknown_path()));
    finish(dialect, call, response)
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

/// A dialect's own word that the process answers.
async fn health(
    node: &Node,
    call: &mut Call,
    dialect: &dyn Dialect,
    health: &Health,
) -> Response<ResponseBody> {
    if let Err(malformed) = asked_for_health(node, call, dialect).await {
        return rejected(dialect, call, Outcome::Malformed(malformed));
    }
    let response = respond::text(StatusCode::OK, JSON, health.body.to_owned());
    finish(dialect, call, response)
}

/// Takes the empty message of a call. Another request has none.
async fn asked_for_health(
    node: &Node,
    call: &mut Call,
    dialect: &dyn Dialect,
) -> Result<(), Malformed> {
    dialect.admit(&call.head)?;
    if call.head.method != Method::POST {
        return Ok(());
    }
    let form = media::check(&call.head)?;
    grpc::frame::message(form, &read(node, call).await?).map(drop)
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
    beside: &mut Beside,
) -> Result<Answer, Answer> {
    dialect.admit(&call.head).map_err(Outcome::Malformed)?;
    let operation = route.operation;
    let is_proof_wanted = !operation.is_write() && dialect.wants_current(&call.head.headers);
    let provable = |denied| if is_proof_wanted { proved(denied) } else { denied };
    let (permit, fresh) =
        permit(node, dialect.credentials(&call.head.headers), route).map_err(provable)?;
    let terms = dialect.terms(operation, &call.head.headers).map_err(Outcome::Malformed)?;
    let timing = Timing { accepted: call.accepted, deadline: call.accepted + terms.timeout };
    let body = body(node, call, route).await.map_err(Outcome::Malformed)?;
    let action = parse(route, &call.head, &body, parameter);
    let authorized = decide(node, permit, action, (&terms, call.source))
        .map_err(|denied| provable(marked(denied, fresh)))?;
    beside.notices = authorized.notices().to_vec();
    if operation.is_write() {
        beside.observed.required = Some(terms.required);
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

/// Authenticates the caller, and authorizes it as far as its rights decide. How fresh the state was that this
/// was read from: a read looks the key up again with its data ([`super::key`]), and a write in the log, so that
/// only a denial is marked with it.
fn permit<'a>(
    node: &'a Node,
    presented: Presented<'_>,
    route: &Route,
) -> Result<(Permit<'a>, Freshness), Answer> {
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
    let stamp = |org| node.groups.stamp(org);
    let look = || Look {
        state: node.state(),
        home_groups: &home_groups,
        now: node.now(),
        memory: Some((&node.remembered, &stamp)),
    };
    let who = || auth::authenticate(&look(), &presented, caller);
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
    let policies = policies::in_force(node, &principal, route.operation);
    let policies = policies.map_err(|error| broken("reading policies", &error))?;
    match auth::authorize(principal, route.operation, policies) {
        Ok(permit) => Ok((permit, fresh)),
        Err(auth::NotAllowed::Forbidden(denied)) => {
            Err(freshness::mark(Outcome::Forbidden(denied.notices), fresh))
        }
        Err(auth::NotAllowed::Replaced) => Err(freshness::mark(Outcome::Unauthenticated, fresh)),
    }
}

/// A denial by policies, which were read from a state this fresh.
fn marked(denied: Answer, fresh: Freshness) -> Answer {
    let is_denial = matches!(denied.outcome, Outcome::Forbidden(_));
    if is_denial { freshness::mark(denied, fresh) } else { denied }
}

/// Decides on a request once it is known in full. One that cannot be read is decided upon as one about its
/// caller's organization: a caller that may not do this learns nothing else.
fn decide(
    node: &Node,
    permit: Permit<'_>,
    action: Result<Action, Outcome>,
    (terms, source): (&Terms, IpAddr),
) -> Result<Authorized, Answer> {
    let operation = permit.operation();
    let not_read = |error| broken("reading what policies ask for", &error);
    let principal = permit.principal();
    let action = match action {
        Ok(action) => action,
        Err(malformed) => {
            let target = policies::target_of_unread(principal);
            let question = policies::question(node, principal, operation, target, (terms, source));
            let is_denied = !permit.policies().is_default()
                && matches!(principal, Principal::Org(_))
                && permit.policies().decide(&question).is_err();
            let outcome = if is_denied { Outcome::Forbidden(Vec::new()) } else { malformed };
            return Err(outcome.into());
        }
    };
    let is_default = permit.policies().is_default();
    let (target, named) =
        policies::subject(node, principal, &action, is_default).map_err(not_read)?;
    let question = policies::question(node, principal, operation, target, (terms, source));
    let granted = permit.grant(action, question, named);
    granted.map_err(|denied| Outcome::Forbidden(denied.notices).into())
}

/// The body, where the operation or the method has one; of others it is left where it is.
async fn body(node: &Node, call: &mut Call, route: &Route) -> Result<Bytes, Malformed> {
    if !route.operation.spec().has_body && route.method != Method::POST {
        return Ok(Bytes::new());
    }
    if !is_plain(&call.head.headers) {
        return Err(Malformed::ContentCoding);
    }
    read(node, call).await
}

async fn read(node: &Node, call: &mut Call) -> Result<Bytes, Malformed> {
    let read = call.body.read(node.limits.body_time).await;
    read.map_err(|error| match error {
        BodyError::TooSlow => Malformed::BodyTooSlow,
        BodyError::Broken => Malformed::BodyBroken,
    })
}

fn parse(route: &Route, head: &Parts, body: &[u8], parameter: &str) -> Result<Action, Outcome> {
    let query = head.uri.query().unwrap_or_default();
    let input = Input { path_parameter: parameter, query, headers: &head.headers, body };
    let action: Action = (route.parse)(&input).map_err(Outcome::Malformed)?;
    // For operations without a body.
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(Outcome::Malformed(Malformed::BodyTooLarge));
    }
    Ok(action)
}
