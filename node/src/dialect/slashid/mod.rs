//! The native API: SlashID's organization SSO configuration.
//!
//! Routes and bodies are in [`routes`] and `oidc`, the JSON of a credential in `shown`; the
//! envelope and the headers are those of [`super::common`]. All of it is a function of the
//! request's bytes: nothing here knows whether an organization or a credential exists.

mod attribute;
mod external;
mod generic;
mod key;
mod oidc;
mod options;
mod path;
mod routes;
mod saml;
mod secrets;
mod shown;
mod suborganization;

use concordat_proto::api::envelope::Pagination;
use http::{HeaderMap, Response};
use serde_json::value::RawValue;

use super::{
    common::{
        described::Failure,
        render::{self, Values},
        terms::{Name, Names},
    },
    describe::{Credentials, Described, of},
    traits::{Dialect, ResponseBody, Route},
};
use crate::api::{
    operation::Operation,
    outcome::{Answer, Malformed, Value, Written},
    request::{Presented, Terms},
};

/// The headers that this API names.
pub static NAMES: Names = Names {
    organization: Name::credential("slashid-orgid", "SlashID-OrgID"),
    key: Name::credential("slashid-api-key", "SlashID-API-Key"),
    required: Name::required("slashid-required-consistency", "SlashID-Required-Consistency"),
    timeout: Name::timeout(
        "slashid-required-consistency-timeout",
        "SlashID-Required-Consistency-Timeout",
    ),
    required_prefix: "slashid-required-",
    misspelled: "unknown header beginning with SlashID-Required-: known are \
                 SlashID-Required-Consistency and SlashID-Required-Consistency-Timeout",
    organization_missing: "SlashID-OrgID is required, once",
    vary: "slashid-orgid, slashid-api-key, concordat-at-least, concordat-read-mode",
};

/// The dialect.
#[derive(Debug)]
pub struct Slashid;

impl Dialect for Slashid {
    fn routes(&self) -> &'static [Route] {
        routes::ROUTES
    }

    fn described(&self) -> Described {
        Described {
            id: "native",
            tag: "Native",
            about: "An organization's credentials.",
            credentials: Credentials::Named(&NAMES),
            failure: of::<Failure>(),
            operations: routes::OPERATIONS,
        }
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        NAMES.credentials(headers)
    }

    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed> {
        NAMES.terms(headers, operation.is_write())
    }

    fn wants_current(&self, headers: &HeaderMap) -> bool {
        NAMES.wants_current(headers)
    }

    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody> {
        render::response(self, operation, answer)
    }

    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody> {
        render::method_not_allowed(allowed)
    }

    fn vary(&self) -> &'static str {
        NAMES.vary
    }
}

impl Values for Slashid {
    fn found(&self, value: &Value) -> Option<(Box<RawValue>, Option<Pagination>)> {
        shown::found(value)
    }

    fn written(&self, value: &Written, operation: Option<Operation>) -> Option<Box<RawValue>> {
        shown::written(value, operation)
    }

    fn organization_missing(&self) -> &'static str {
        NAMES.organization_missing
    }
}
