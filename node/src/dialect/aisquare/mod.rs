//! The dialect of AISquare Studio: the OpenID provider of an enterprise, at
//! `/api/v1/enterprises/oidc/config/`, and the claim of its domain (contract, dialects, C3).
//!
//! [`body`] parses, [`shown`] renders. A path without its last slash is the same. All of it is a
//! function of the request's bytes; of a client secret nothing is shown but a mask with its end.

mod body;
mod describe;
mod shown;

#[cfg(test)]
mod answers_test;

use concordat_proto::registration::{Binding, CredentialTarget};
use http::{HeaderMap, Method, Response};

use super::{
    common::{bearer, body as common_body, foreign, terms::Names},
    describe::Described,
    traits::{Dialect, ResponseBody, Route},
};
use crate::api::{
    operation::{Action, CredentialRead, CredentialWrite, EntryNeeds, EntryQuery, Operation},
    outcome::{Answer, Malformed},
    request::{ClaimedOrg, Input, Presented, Terms},
};

/// All paths below it are this dialect's.
const OWN: &str = "/api/v1/enterprises";
const CONFIG: &str = "/api/v1/enterprises/oidc/config/";
const CONFIG_BARE: &str = "/api/v1/enterprises/oidc/config";
const CLAIM: &str = "/api/v1/enterprises/claim/";
const CLAIM_BARE: &str = "/api/v1/enterprises/claim";

const NEEDS: EntryNeeds = EntryNeeds { domain: true, secret_tail: true };

const ROUTES: &[Route] = &[
    Route { method: Method::POST, path: CONFIG, operation: Operation::EntryChange, parse: post },
    Route {
        method: Method::POST,
        path: CONFIG_BARE,
        operation: Operation::EntryChange,
        parse: post,
    },
    Route { method: Method::GET, path: CONFIG, operation: Operation::EntryGet, parse: get },
    Route { method: Method::GET, path: CONFIG_BARE, operation: Operation::EntryGet, parse: get },
    Route { method: Method::POST, path: CLAIM, operation: Operation::DomainClaim, parse: claim },
    Route {
        method: Method::POST,
        path: CLAIM_BARE,
        operation: Operation::DomainClaim,
        parse: claim,
    },
];

/// The dialect.
#[derive(Debug)]
pub struct Aisquare {
    /// The headers in which it takes consistency.
    pub names: &'static Names,
}

impl Dialect for Aisquare {
    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn described(&self) -> Described {
        describe::DESCRIBED
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        Presented { key: bearer::key(headers), organization: ClaimedOrg::OfKey }
    }

    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed> {
        self.names.terms(headers, operation.is_write())
    }

    fn wants_current(&self, headers: &HeaderMap) -> bool {
        self.names.wants_current(headers)
    }

    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody> {
        foreign::response(&shown::Enterprise, operation, answer)
    }

    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody> {
        foreign::method_not_allowed(&shown::Enterprise, allowed)
    }

    fn unknown_path(&self, path: &str) -> Option<Response<ResponseBody>> {
        foreign::unknown_path(&shown::Enterprise, &[OWN], path)
    }

    fn vary(&self) -> &'static str {
        "authorization, concordat-at-least, concordat-read-mode"
    }
}

fn post(input: &Input<'_>) -> Result<Action, Malformed> {
    let draft = body::parse(common_body::object(input)?)?.into();
    let write = CredentialWrite::EntryChange(target(), Box::new(draft), NEEDS);
    Ok(Action::CredentialWrite(write))
}

fn get(_: &Input<'_>) -> Result<Action, Malformed> {
    let query = EntryQuery { target: target(), needs: NEEDS };
    Ok(Action::CredentialRead(CredentialRead::Entry(query)))
}

fn claim(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::DomainClaim(body::parse_claim(common_body::object(input)?)?.domain))
}

fn target() -> CredentialTarget {
    CredentialTarget::Bound(Binding::new("aisquare").expect("a binding's name"))
}
