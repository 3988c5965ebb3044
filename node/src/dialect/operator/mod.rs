//! Concordat's own API under `/v1`: writes and their receipts, organizations, the cluster.
//!
//! [`routes`] has the routes and the parsing of their actions, `cluster` and `org` the bodies,
//! `shown` the JSON of an organization. Documents of the cluster arrive as [`Document`]s and are
//! passed on unchanged. All of it is a function of the request's bytes.
//!
//! [`Document`]: crate::api::outcome::Document

mod cluster;
mod org;
mod policies;
mod routes;
mod shown;

use concordat_proto::api::envelope::Pagination;
use http::{HeaderMap, Response};
use serde_json::value::RawValue;

use super::{
    common::{
        described::Failure,
        envelope::raw,
        render::{self, Values},
        terms::Names,
    },
    describe::{Credentials, Described, of},
    traits::{Dialect, ResponseBody, Route},
};
use crate::api::{
    operation::Operation,
    outcome::{Answer, Malformed, Value, Written},
    request::{Presented, Terms},
};

/// The dialect.
#[derive(Debug)]
pub struct OperatorApi {
    /// The headers in which it takes credentials and consistency.
    pub names: &'static Names,
}

impl Dialect for OperatorApi {
    fn routes(&self) -> &'static [Route] {
        routes::ROUTES
    }

    fn described(&self) -> Described {
        Described {
            id: "operator",
            tag: "Operator",
            about: "Writes and their receipts, organizations, bindings and the cluster.",
            credentials: Credentials::Named(self.names),
            failure: of::<Failure>(),
            operations: routes::OPERATIONS,
        }
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        self.names.credentials(headers)
    }

    fn terms(&self, operation: Operation, headers: &HeaderMap) -> Result<Terms, Malformed> {
        self.names.terms(headers, operation.is_write())
    }

    fn wants_current(&self, headers: &HeaderMap) -> bool {
        self.names.wants_current(headers)
    }

    fn render(&self, operation: Option<Operation>, answer: Answer) -> Response<ResponseBody> {
        render::response(self, operation, answer)
    }

    fn method_not_allowed(&self, allowed: &[&str]) -> Response<ResponseBody> {
        render::method_not_allowed(allowed)
    }

    fn vary(&self) -> &'static str {
        self.names.vary
    }
}

impl Values for OperatorApi {
    fn found(&self, value: &Value) -> Option<(Box<RawValue>, Option<Pagination>)> {
        match value {
            Value::Organization(view) => Some((shown::organization(view), None)),
            Value::Organizations(list) => {
                let pagination = render::pagination(list);
                Some((shown::organizations(&list.items), Some(pagination)))
            }
            Value::Receipt(receipt, refusal) => {
                Some((render::receipt(receipt, refusal.as_ref()), None))
            }
            Value::Policies(view) => Some((raw(&view.shown), None)),
            Value::Document(document) => Some((document.as_json().to_owned(), None)),
            Value::Binding(binding, client_id) => Some((shown::binding(binding, client_id), None)),
            Value::Credential(_)
            | Value::Credentials(_)
            | Value::Entry(_)
            | Value::Entries(..)
            | Value::ClientSecret { .. }
            | Value::Resource(_)
            | Value::Resources(..)
            | Value::Keys(..)
            | Value::Done => None,
        }
    }

    fn written(&self, value: &Written, _: Option<Operation>) -> Option<Box<RawValue>> {
        match value {
            Written::Organization(org) => Some(shown::written(org)),
            Written::NewOrganization(new) => Some(shown::created(new)),
            Written::Done
            | Written::Resource(..)
            | Written::NewSaml(..)
            | Written::Key(..)
            | Written::Version(_)
            | Written::Registered(..)
            | Written::Entry(..)
            | Written::Domain(_) => None,
        }
    }

    fn organization_missing(&self) -> &'static str {
        self.names.organization_missing
    }
}
