//! The interface of a dialect.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, request::Parts};
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};

use super::describe::Described;
use crate::api::{
    operation::{Action, Operation},
    outcome::{Answer, Malformed},
    request::{Input, Presented, Terms},
};

/// A response's body: whole, or a stream that may end in trailers.
pub type ResponseBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, std::convert::Infallible>>;

/// A route of a dialect.
#[derive(Debug)]
pub struct Route {
    /// The method. `HEAD` is known wherever `GET` is.
    pub method: Method,
    /// The path, with at most one parameter in braces.
    pub path: &'static str,
    /// Its operation.
    pub operation: Operation,
    /// Reads the action from path, query and body.
    pub parse: fn(&Input<'_>) -> Result<Action, Malformed>,
}

/// Where a dialect says that the process answers: to anyone, without a key.
#[derive(Debug)]
pub struct Health {
    /// Methods and paths. `HEAD` is known wherever `GET` is.
    pub paths: &'static [(Method, &'static str)],
    /// What it says, JSON.
    pub body: &'static str,
}

/// An API over the operations.
pub trait Dialect: Send + Sync {
    /// Its routes. Two dialects never have the same method and path.
    fn routes(&self) -> &'static [Route];

    /// The description of its routes, for `/openapi.json`.
    fn described(&self) -> Described;

    /// Where it says that the process answers, if its API has that.
    fn health(&self) -> Option<&'static Health> {
        None
    }

    /// Checks of a request's head that come before all others.
    ///
    /// # Errors
    /// When the request is of a form that its path does not take.
    fn admit(&self, _head: &Parts) -> Result<(), Malformed> {
        Ok(())
    }

    /// The credentials that a request carries.
    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a>;

    /// The options of a request beside its action.
    ///
    /// # Errors
    /// When a header that matters for the operation is ill-formed.
    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed>;

    /// Whether a request accepts only fresh reads. Read before the headers are checked: a caller
    /// without the right is refused first.
    fn wants_current(&self, headers: &HeaderMap) -> bool;

    /// The response to a request for an operation; `None` where the request had no route.
    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody>;

    /// The response to a method that the path does not know.
    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody>;

    /// The response to a path without a route, where the path is below one that belongs to this dialect alone.
    fn unknown_path(&self, _path: &str) -> Option<Response<ResponseBody>> {
        None
    }

    /// A response of this dialect in the encoding that the request's head asks for. Most dialects have
    /// only one.
    fn encode(&self, _head: &Parts, response: Response<ResponseBody>) -> Response<ResponseBody> {
        response
    }

    /// The request headers on which its responses depend, for `Vary`.
    fn vary(&self) -> &'static str;
}
