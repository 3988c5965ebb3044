//! The dialect of jitsudo: one OpenID provider per tenant, at `/v1/oidc-config` (contract, dialects, C0).
//!
//! [`body`] parses the configuration, [`shown`] renders it and the errors, with what policies that forbid a
//! request say to its caller. All of it is a function of the request's bytes; nothing here shows a client
//! secret.

mod body;
mod describe;
mod shown;

#[cfg(test)]
mod answers_test;

use concordat_proto::registration::{Binding, CredentialTarget};
use http::{HeaderMap, Method, Response};

use super::{
    common::{
        bearer, body as common_body, foreign,
        terms::{Names, agreed},
    },
    describe::Described,
    traits::{Dialect, Health, ResponseBody, Route},
};
use crate::api::{
    operation::{Action, CredentialRead, CredentialWrite, EntryNeeds, EntryQuery, Operation},
    outcome::{Answer, Malformed},
    request::{ClaimedOrg, Input, Presented, Terms},
};

const PATH: &str = "/v1/oidc-config";
const KEY: &str = "x-api-key";
/// Names the organization: it must be the key's own.
const TENANT: &str = "x-tenant-id";

const _: () = assert!(KEY.eq_ignore_ascii_case(describe::KEY_SHOWN), "as it is described");
const _: () = assert!(TENANT.eq_ignore_ascii_case(describe::TENANT_SHOWN), "as it is described");

/// No tenant is named there.
const HEALTH: Health = Health { paths: &[(Method::GET, "/healthz")], body: "{\"status\":\"ok\"}" };

const ROUTES: &[Route] = &[
    Route { method: Method::PUT, path: PATH, operation: Operation::EntryChange, parse: put },
    Route { method: Method::GET, path: PATH, operation: Operation::EntryGet, parse: get },
    Route { method: Method::DELETE, path: PATH, operation: Operation::EntryDelete, parse: delete },
];

/// The dialect.
#[derive(Debug)]
pub struct Jitsudo {
    /// The headers in which it takes consistency.
    pub names: &'static Names,
}

impl Dialect for Jitsudo {
    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn described(&self) -> Described {
        describe::DESCRIBED
    }

    fn health(&self) -> Option<&'static Health> {
        Some(&HEALTH)
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        let key = if headers.contains_key(KEY) {
            agreed(headers, KEY).unwrap_or_default()
        } else {
            bearer::key(headers)
        };
        let organization = match agreed(headers, TENANT) {
            Some(text) if is_uuid(text) => ClaimedOrg::OfKeyAnd(text),
            Some(_) | None => ClaimedOrg::OfKeyUnnamed,
        };
        Presented { key, organization }
    }

    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed> {
        self.names.terms(headers, operation.is_write())
    }

    fn wants_current(&self, headers: &HeaderMap) -> bool {
        self.names.wants_current(headers)
    }

    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody> {
        foreign::response(&shown::Configuration, operation, answer)
    }

    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody> {
        foreign::method_not_allowed(&shown::Configuration, allowed)
    }

    fn unknown_path(&self, path: &str) -> Option<Response<ResponseBody>> {
        foreign::unknown_path(&shown::Configuration, &[PATH], path)
    }

    fn vary(&self) -> &'static str {
        "x-api-key, authorization, x-tenant-id, concordat-at-least, concordat-read-mode"
    }
}

fn put(input: &Input<'_>) -> Result<Action, Malformed> {
    let draft = body::parse(common_body::object(input)?)?.into();
    let write = CredentialWrite::EntryChange(target(), Box::new(draft), EntryNeeds::default());
    Ok(Action::CredentialWrite(write))
}

fn get(_: &Input<'_>) -> Result<Action, Malformed> {
    let query = EntryQuery { target: target(), needs: EntryNeeds::default() };
    Ok(Action::CredentialRead(CredentialRead::Entry(query)))
}

fn delete(_: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialWrite(CredentialWrite::EntryDelete(target())))
}

fn target() -> CredentialTarget {
    CredentialTarget::Bound(Binding::new("jitsudo").expect("a binding's name"))
}

/// Whether it is a UUID in its usual form, in any case (RFC 9562, 4).
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::dialect::NATIVE;

    fn presented(headers: &[(&'static str, &'static str)]) -> (String, String) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let Presented { key, organization } = Jitsudo { names: NATIVE }.credentials(&map);
        let organization = if let ClaimedOrg::OfKeyAnd(text) = organization {
            String::from_utf8_lossy(text).into_owned()
        } else {
            format!("{organization:?}")
        };
        (String::from_utf8_lossy(key).into_owned(), organization)
    }

    #[test]
    fn the_key_and_the_tenant_are_headers() {
        const ID: &str = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0";
        const NIL: &str = "00000000-0000-0000-0000-000000000000";
        let found = |headers: &[_], key: &str, organization: &str| {
            assert_eq!(presented(headers), (key.to_owned(), organization.to_owned()));
        };
        found(&[], "", "OfKeyUnnamed");
        found(&[(KEY, "a"), ("authorization", "Bearer b"), (TENANT, ID)], "a", ID);
        found(&[("authorization", "Bearer b"), (TENANT, ID), (TENANT, ID)], "b", ID);
        found(&[(KEY, "a"), (KEY, "b"), ("authorization", "Bearer b")], "", "OfKeyUnnamed");
        found(&[(TENANT, "2489E9AD2EE28E008EC932D5F69181C0")], "", "OfKeyUnnamed");
        found(&[(TENANT, ID), (TENANT, NIL)], "", "OfKeyUnnamed");
        found(&[(TENANT, NIL)], "", NIL);
    }
}
