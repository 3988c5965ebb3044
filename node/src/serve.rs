//! A request's path, from its head to its answer, in the contract's order of checks: route,
//! authentication, headers, path and query, body, existence, storage. The first file to read.

use std::sync::Arc;

use concordat_proto::{header, limits};
use http::{HeaderMap, request::Parts};
use tokio::time::Instant;

use crate::{
    admin,
    auth::{self, Access, Authorised, Denied, Permit},
    condition,
    dialect::{
        Action, Answer, Input, Operation, Rejection,
        slashid::{self, render},
    },
    freshness,
    http::{
        body::{Body, BodyError},
        route::{Found, Target},
        status,
    },
    node::Node,
    observe::{health, metrics::Observed},
    read, refuse, write,
};

/// A request as it came in.
#[derive(Debug)]
pub(crate) struct Call {
    /// When its head had been read: all its times count from here.
    pub(crate) accepted: Instant,
    /// The head.
    pub(crate) head: Parts,
    /// The body, not read yet.
    pub(crate) body: Body,
}

/// When a request came, and when it must be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// When its head had been read.
    pub(crate) accepted: Instant,
    /// When the caller's patience ends.
    pub(crate) deadline: Instant,
}

/// Answers a request.
pub(crate) async fn serve(node: &Arc<Node>, call: &mut Call) -> Answer {
    let path = call.head.uri.path().to_owned();
    let (target, parameter) = match node.routes.find(&call.head.method, &path) {
        Found::Target(target, parameter) => (target, parameter),
        Found::OtherMethods(methods) => return render::method_not_allowed(&methods),
        Found::Nothing => return render::route_not_found(),
    };
    match target {
        Target::Live => health::live(),
        Target::Ready => health::ready(node, call.head.uri.query().unwrap_or_default()),
        Target::Metrics => health::metrics(node),
        Target::Digest => match permit(node, call, Access::Operator, Operation::ClusterGet) {
            Ok(_) => admin::digest(node).await,
            Err(answer) => answer,
        },
        Target::Operation(operation, access) => {
            let Ok(_place) = node.places.try_acquire() else { return refuse::overloaded() };
            let (accepted, method) = (call.accepted, call.head.method.clone());
            let mut observed = Observed::new(operation, accepted);
            let answer = answer(node, call, operation, access, parameter, &mut observed).await;
            let answer = answer.unwrap_or_else(|refused| refused);
            tracing::debug!(%method, path, status = answer.status, "answered");
            node.metrics.observe(&observed, answer.status);
            answer
        }
    }
}

/// The path itself.
async fn answer(
    node: &Arc<Node>,
    call: &mut Call,
    operation: Operation,
    access: Access,
    parameter: &str,
    observed: &mut Observed,
) -> Result<Answer, Answer> {
    let is_proof_wanted = !is_write(operation) && wants_current(&call.head.headers);
    let permit = permit(node, call, access, operation)
        .map_err(|denied| if is_proof_wanted { proved(denied) } else { denied })?;
    let common = slashid::parse_common(&call.head.headers, is_write(operation))
        .map_err(|rejection| render::rejected(&rejection))?;
    let timing = Timing { accepted: call.accepted, deadline: call.accepted + common.timeout };
    let body = body(node, call, operation).await?;
    let request = parse(permit, operation, &call.head, &body, parameter)?;
    if is_write(operation) {
        observed.required = Some(common.required);
        condition::of_write(operation, &common)?;
        let digest = write::request_digest(&call.head, &body);
        Ok(write::answer(node, request, common, digest, timing).await)
    } else {
        let if_match = common.if_match.clone();
        let answer = read::answer(node, request, common, timing).await;
        let answer = condition::of_read(answer, if_match.as_ref());
        Ok(if is_proof_wanted { proved(answer) } else { answer })
    }
}

/// Whether a read is to be answered unmarked or not at all.
fn wants_current(headers: &HeaderMap) -> bool {
    headers.get(header::READ_MODE).is_some_and(|mode| mode == header::READ_MODE_CURRENT)
}

/// The answer, if nothing newer can have been said elsewhere; else that this cannot be proved.
fn proved(answer: Answer) -> Answer {
    let is_stale = |(name, value): &&(&'static str, String)| {
        *name == header::READ && value != header::READ_CURRENT
    };
    match answer.headers.iter().find(is_stale) {
        None => answer,
        Some(mark) => {
            let mark = mark.clone();
            let mut unproved = refuse::not_current();
            unproved.headers.push(mark);
            unproved
        }
    }
}

/// Who asks, and whether they may.
fn permit(
    node: &Node,
    call: &Call,
    access: Access,
    operation: Operation,
) -> Result<Permit, Answer> {
    // Judged before the state is read, over all groups: it must not tell where an organisation is.
    let fresh = freshness::of_all(node);
    let home_groups = node.home_groups();
    if home_groups.is_empty() {
        return Err(refuse::not_a_member());
    }
    // Looked at again behind [`freshness::of_absence`]: what was on its way may have arrived since.
    let who = || auth::authenticate(node.state(), &home_groups, &call.head.headers, access);
    let mut principal = who();
    let mut fresh = fresh;
    if matches!(principal, Err(Denied::Unauthorized)) {
        fresh = freshness::of_absence(node);
        principal = who();
        let headers = &call.head.headers;
        match auth::is_arriving(node.state(), &home_groups, headers) {
            Ok(true) if access != Access::Operator && principal.is_err() => {
                return Err(freshness::mark(refuse::moving(), fresh));
            }
            Ok(_) => {}
            Err(error) => return Err(refuse::broken("authenticating", &error)),
        }
    }
    let principal = principal.map_err(|denied| match denied {
        Denied::OrgIdMissing => render::rejected(&Rejection {
            status: status::BAD_REQUEST,
            message: "SlashID-OrgID is required, once".to_owned(),
        }),
        Denied::Unauthorized => freshness::mark(render::unauthorized(), fresh),
        Denied::Broken(error) => refuse::broken("authenticating", &error),
    })?;
    auth::authorise(principal, operation)
        .map_err(|auth::Forbidden| freshness::mark(render::forbidden(), fresh))
}

/// The body, where the operation has one; of others it is left where it is.
async fn body(node: &Node, call: &mut Call, operation: Operation) -> Result<bytes::Bytes, Answer> {
    let has_body =
        is_write(operation) || matches!(operation, Operation::DemoCut | Operation::DemoHeal);
    if !has_body {
        return Ok(bytes::Bytes::new());
    }
    if !slashid::is_body_plain(&call.head.headers) {
        return Err(render::unsupported_content_coding());
    }
    let read = call.body.read(node.limits.body_time).await;
    read.map_err(|error| {
        let message = match error {
            BodyError::TooSlow => "the body did not arrive in time",
            BodyError::Broken => "the body could not be read",
        };
        let message = message.to_owned();
        render::rejected(&Rejection { status: status::BAD_REQUEST, message })
    })
}

fn parse(
    permit: Permit,
    operation: Operation,
    head: &Parts,
    body: &[u8],
    parameter: &str,
) -> Result<Authorised<Action>, Answer> {
    let query = head.uri.query().unwrap_or_default();
    let input = Input { path_parameter: parameter, query, headers: &head.headers, body };
    let action =
        slashid::parse(operation, &input).map_err(|rejection| render::rejected(&rejection))?;
    // Of operations whose body means nothing.
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(render::too_large());
    }
    permit.grant(action).ok_or_else(render::forbidden)
}

/// Whether it enters a log.
const fn is_write(operation: Operation) -> bool {
    match operation {
        Operation::OidcCreate
        | Operation::OidcPatch
        | Operation::OidcDelete
        | Operation::OrgCreate
        | Operation::ClusterPatch
        | Operation::NodePatch
        | Operation::NodeDelete
        | Operation::RegionPatch
        | Operation::RegionDelete
        | Operation::RegionFailover
        | Operation::RegionAdd
        | Operation::OrgPatch
        | Operation::OrgMove => true,
        Operation::OidcList
        | Operation::OidcGet
        | Operation::OrgList
        | Operation::OrgGet
        | Operation::ReceiptGet
        | Operation::ClusterGet
        | Operation::DemoCut
        | Operation::DemoHeal
        | Operation::NodeList
        | Operation::RegionList
        | Operation::DivergenceGet
        | Operation::SecretGet => false,
    }
}
