//! ZITADEL's identity providers, as its HTTP gateway shows them: the older configurations (`/idps`) and
//! the generic OIDC providers, both under the admin and the management service.
//!
//! The services are described once, in `proto`: `fields` reads a request by that description, from JSON or
//! from the frames of gRPC and gRPC-Web, and `decode` makes of it the messages of `request`. They become
//! actions in `legacy`, `generic` and `search`. `shown` makes the messages of `message` of what is stored, and
//! `error` statuses of failures, both in JSON; [`crate::grpc`] makes calls' answers of these, by the same
//! description. No secret is ever part of a message that is answered.

mod decode;
mod describe;
mod error;
mod fields;
mod generic;
mod legacy;
mod message;
mod request;
mod routes;
mod search;
mod service;
mod shown;
mod validate;

#[cfg(test)]
mod answers_test;
#[cfg(test)]
mod calls_test;
#[cfg(test)]
mod requests_test;

use self::describe::ORGANIZATION;
pub use self::service::{Part, Service};

use http::{HeaderMap, Response, header::AUTHORIZATION, request::Parts};

use super::{
    common::{
        bearer,
        foreign::{self, Bodies, Failure, Shown},
        terms::Names,
    },
    describe::Described,
    traits::{Dialect, Health, ResponseBody, Route},
};
use crate::{
    api::{
        operation::Operation,
        outcome::{Answer, Malformed, Value, Written},
        request::{ClaimedOrg, Presented, Terms},
    },
    grpc::{
        media::{self, Form},
        schema, timeout, transcode,
    },
};

/// A part of a service.
#[derive(Debug)]
pub struct Zitadel {
    /// The service.
    pub service: Service,
    /// Its part.
    pub part: Part,
    /// The headers in which it takes the consistency.
    pub names: &'static Names,
}

/// In place of a key that cannot be one: it is refused, and not taken for a missing one.
const NO_KEY: &[u8] = b"-";

impl Dialect for Zitadel {
    fn routes(&self) -> &'static [Route] {
        routes::of(self.service, self.part)
    }

    fn described(&self) -> Described {
        describe::described(self.service, self.part)
    }

    fn health(&self) -> Option<&'static Health> {
        routes::health(self.service, self.part)
    }

    fn admit(&self, head: &Parts) -> Result<(), Malformed> {
        let is_call = schema::method(head.uri.path()).is_some();
        if is_call { media::check(head).map(drop) } else { Ok(()) }
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        Presented { key: key(headers), organization: organization(headers) }
    }

    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed> {
        let mut terms = self.names.terms(headers, operation.is_write())?;
        // Of a call: how long it waits at most, whatever else it asks for.
        if Form::of(headers).is_some()
            && let Some(time) = timeout::of(headers)?
        {
            terms.timeout = terms.timeout.min(time);
        }
        Ok(terms)
    }

    fn wants_current(&self, headers: &HeaderMap) -> bool {
        self.names.wants_current(headers)
    }

    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody> {
        foreign::response(self, operation, answer)
    }

    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody> {
        foreign::method_not_allowed(self, allowed)
    }

    fn unknown_path(&self, path: &str) -> Option<Response<ResponseBody>> {
        foreign::unknown_path(self, routes::own(self.service), path)
    }

    fn encode(&self, head: &Parts, response: Response<ResponseBody>) -> Response<ResponseBody> {
        transcode::answer(head, response)
    }

    fn vary(&self) -> &'static str {
        "authorization, x-zitadel-orgid, concordat-at-least, concordat-read-mode"
    }
}

impl Bodies for Zitadel {
    fn found(&self, value: &Value) -> Option<Shown> {
        shown::found(self.part, value)
    }

    fn written(&self, operation: Option<Operation>, value: &Written) -> Option<Shown> {
        shown::written(self.service, self.part, operation, value)
    }

    fn failure(&self, _: Option<Operation>, failure: &Failure<'_>) -> Shown {
        error::status(self.service, self.part, failure).into_json()
    }
}

/// The bearer token; empty where there is no such header.
fn key(headers: &HeaderMap) -> &[u8] {
    match bearer::key(headers) {
        [] if headers.contains_key(AUTHORIZATION) => NO_KEY,
        key => key,
    }
}

/// The organization beside the key: none is the key's own.
fn organization(headers: &HeaderMap) -> ClaimedOrg<'_> {
    let mut values = headers.get_all(ORGANIZATION).iter();
    match values.next() {
        None => ClaimedOrg::OfKey,
        Some(first) if values.any(|value| value != first) => ClaimedOrg::OfKeyUnnamed,
        Some(first) if first.is_empty() => ClaimedOrg::OfKey,
        Some(first) => ClaimedOrg::OfKeyAnd(first.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_key_is_a_bearer_token_or_missing_or_none() {
        let given = |value| headers(&[("authorization", value)]);
        assert_eq!(key(&HeaderMap::new()), b"");
        for good in ["Bearer ck_1", "bearer ck_1", "BEARER  ck_1 "] {
            assert_eq!(key(&given(good)), b"ck_1", "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", "Basic YQ==", "ck_1", "Bearer: ck_1"] {
            assert_eq!(key(&given(bad)), NO_KEY, "{bad}");
        }
        let name = "authorization";
        assert_eq!(key(&headers(&[(name, "Bearer a"), (name, "Bearer a")])), b"a");
        assert_eq!(key(&headers(&[(name, "Bearer a"), (name, "Bearer b")])), NO_KEY);
    }

    #[test]
    fn an_organization_is_named_once_or_is_the_keys() {
        let of =
            |all: &[(&'static str, &'static str)]| format!("{:?}", organization(&headers(all)));
        assert_eq!(of(&[]), "OfKey");
        assert_eq!(of(&[(ORGANIZATION, "")]), "OfKey");
        assert!(of(&[(ORGANIZATION, "1")]).starts_with("OfKeyAnd"));
        assert!(of(&[(ORGANIZATION, "1"), (ORGANIZATION, "1")]).starts_with("OfKeyAnd"));
        assert_eq!(of(&[(ORGANIZATION, "1"), (ORGANIZATION, "2")]), "OfKeyUnnamed");
    }
}
