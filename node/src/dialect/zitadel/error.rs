//! The statuses of failures: code, text and the id that names the place of an error. Clients compare
//! texts and ids, so both are the published ones where there are any.

use std::{borrow::Cow, fmt};

use concordat_proto::refusal::Refusal;
use schemars::JsonSchema;
use serde::Serialize;

use super::service::{Part, Service};
use crate::{
    api::outcome::{Malformed, Outcome, What},
    dialect::common::{
        foreign::{self, Failure, Shown},
        malformed,
    },
};

/// `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// An error of one service: its text, and the id of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Own {
    text: &'static str,
    id: &'static str,
}

impl Own {
    /// As the reason why a request is invalid. [`parts`] takes it apart again.
    pub(super) fn malformed(self) -> Malformed {
        malformed(self.to_string())
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.id)
    }
}

/// An error of both services.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reason {
    admin: Own,
    management: Own,
}

impl Reason {
    pub(super) const ADD_NAME: Self = Self::argument("INST-Sgtj5", "ORG-Sgtj5");
    pub(super) const ADD_ISSUER: Self = Self::argument("INST-Hz6zj", "ORG-Hz6zj");
    pub(super) const ADD_CLIENT_ID: Self = Self::argument("INST-fb5jm", "ORG-fb5jm");
    pub(super) const SECRET: Self = Self::argument("INST-Sfdf4", "ORG-Sfdf4");
    pub(super) const UPDATE_NAME: Self = Self::argument("INST-Dvf4f", "ORG-Dvf4f");
    pub(super) const UPDATE_ISSUER: Self = Self::argument("INST-BDfr3", "ORG-BDfr3");
    pub(super) const UPDATE_CLIENT_ID: Self = Self::argument("INST-Db3bs", "ORG-Db3bs");
    const LEGACY_NOT_FOUND: Self = Self::new(
        ("Errors.IAM.IDPConfig.NotExisting", "INSTANCE-67J9d"),
        ("Errors.Org.IDPConfig.NotExisting", "Org-67J9d"),
    );
    const NOT_FOUND: Self = Self::new(
        ("Errors.IAM.IDPConfig.NotExisting", "INST-Dg331"),
        ("Errors.Org.IDPConfig.NotExisting", "ORG-Dg331"),
    );
    const NOT_CHANGED: Self = Self::new(
        ("Errors.IAM.IDPConfig.NotChanged", "INSTANCE-d8kwF"),
        ("Errors.Org.IDPConfig.NotChanged", "Org-10ods"),
    );
    const NOT_ACTIVE: Self = Self::new(
        ("Errors.IAM.IDPConfig.NotActive", "INSTANCE-2n0fs"),
        ("Errors.Org.IDPConfig.NotActive", "Org-BBmd0"),
    );
    const NOT_INACTIVE: Self = Self::new(
        ("Errors.IAM.IDPConfig.NotInactive", "INSTANCE-5Mo0d"),
        ("Errors.Org.IDPConfig.NotInactive", "Org-5Mo0d"),
    );

    const fn new(
        admin: (&'static str, &'static str),
        management: (&'static str, &'static str),
    ) -> Self {
        Self {
            admin: Own { text: admin.0, id: admin.1 },
            management: Own { text: management.0, id: management.1 },
        }
    }

    /// A text that is white space only.
    const fn argument(admin: &'static str, management: &'static str) -> Self {
        const TEXT: &str = "Errors.Invalid.Argument";
        Self::new((TEXT, admin), (TEXT, management))
    }

    /// As a service says it.
    pub(super) const fn of(self, service: Service) -> Own {
        match service {
            Service::Admin => self.admin,
            Service::Management => self.management,
        }
    }
}

/// No id, where one is needed.
pub(super) const ID_MISSING: Own = Own { text: "ID missing", id: "INSTANCE-9djf8" };
/// A page is larger than any may be.
pub(super) const LIMIT_EXCEEDED: Own =
    Own { text: "Errors.Query.LimitExceeded", id: "QUERY-4M0fs" };
const TOKEN_INVALID: Own = Own { text: "Errors.Token.Invalid", id: "AUTH-7fs1e" };
const NO_PERMISSION: Own = Own { text: "No matching permissions found", id: "AUTH-5mWD2" };
/// In the vendor's spelling, which clients compare.
const NO_ORGANIZATION: Own =
    Own { text: concat!("Organi", "sation doesn't exist"), id: "AUTH-Bs7Ds" };
const EXISTS: Own =
    Own { text: "Identity provider with this client id already exists", id: "V3-DKcYh" };

/// A failed call, in any encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The status of HTTP.
    http: u16,
    code: Code,
    text: Cow<'static, str>,
    /// The id of its place, where the error is a published one.
    id: Option<Cow<'static, str>>,
}

impl Status {
    fn own(http: u16, code: Code, own: Own) -> Self {
        Self { http, code, text: own.text.into(), id: Some(own.id.into()) }
    }

    /// The text and its id.
    fn message(&self) -> String {
        match &self.id {
            Some(id) => format!("{} ({id})", self.text),
            None => self.text.to_string(),
        }
    }

    /// As HTTP has it.
    pub(super) fn into_json(self) -> Shown {
        let message = self.message();
        let detail = self.id.as_deref().map(|id| Detail {
            kind: "type.googleapis.com/zitadel.v1.ErrorDetail",
            id,
            message: &self.text,
        });
        let body = Body { code: self.code as u8, message, details: detail.into_iter().collect() };
        Shown::json(self.http, &body)
    }
}

/// `google.rpc.Status`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZitadelStatus")]
pub(super) struct Body<'a> {
    /// The code of gRPC.
    code: u8,
    /// The reason, for people.
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
}

/// `zitadel.v1.ErrorDetail`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZitadelErrorDetail")]
struct Detail<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    id: &'a str,
    message: &'a str,
}

/// The status of a failure.
pub(super) fn status(service: Service, part: Part, failure: &Failure<'_>) -> Status {
    let Failure { status: http, message, outcome } = failure;
    if let Some((code, own)) = published(service, part, *outcome) {
        return Status::own(http_of(part, *outcome).unwrap_or(*http), code, own);
    }
    let plain = |code, text: Cow<'static, str>| Status { http: *http, code, text, id: None };
    if *http == 405 {
        return plain(Code::Unimplemented, "Method Not Allowed".into());
    }
    if *http == 404 && outcome.is_none() {
        return plain(Code::NotFound, "Not Found".into());
    }
    if matches!(outcome, Some(Outcome::KeyMissing)) {
        return plain(Code::Unauthenticated, "auth header missing".into());
    }
    let (text, id) = parts(message, foreign::malformed(*outcome));
    Status { http: *http, code: code_of(*http), text, id }
}

/// The code and the text of a failure that the services have published.
fn published(service: Service, part: Part, outcome: Option<&Outcome>) -> Option<(Code, Own)> {
    let refusal = foreign::refusal(outcome);
    let is_missing = matches!(outcome, Some(Outcome::NotFound(What::Credential)))
        || refusal == Some(&Refusal::CredentialNotFound);
    if is_missing {
        let reason = match part {
            Part::Generic => Reason::NOT_FOUND,
            Part::Legacy | Part::Deactivate | Part::Reactivate => Reason::LEGACY_NOT_FOUND,
        };
        return Some((Code::NotFound, reason.of(service)));
    }
    if refusal == Some(&Refusal::Unchanged) {
        let reason = match part {
            Part::Legacy | Part::Generic => Reason::NOT_CHANGED,
            Part::Deactivate => Reason::NOT_ACTIVE,
            Part::Reactivate => Reason::NOT_INACTIVE,
        };
        return Some((Code::FailedPrecondition, reason.of(service)));
    }
    if refusal == Some(&Refusal::CredentialExists) {
        return Some((Code::AlreadyExists, EXISTS));
    }
    let is_refused_key =
        matches!(outcome, Some(Outcome::Unauthenticated)) || refusal == Some(&Refusal::KeyRevoked);
    if is_refused_key {
        return Some((Code::Unauthenticated, TOKEN_INVALID));
    }
    match outcome {
        Some(Outcome::Forbidden(_)) => Some((Code::PermissionDenied, NO_PERMISSION)),
        Some(Outcome::OtherOrganization) => Some((Code::PermissionDenied, NO_ORGANIZATION)),
        _ => None,
    }
}

/// The status of HTTP where it is not the native one: a failed precondition is 400, but for a change of a
/// configuration that changes nothing, which is published as 409.
fn http_of(part: Part, outcome: Option<&Outcome>) -> Option<u16> {
    let is_of_state = matches!(part, Part::Deactivate | Part::Reactivate);
    let is_unchanged = foreign::refusal(outcome) == Some(&Refusal::Unchanged);
    (is_of_state && is_unchanged).then_some(400)
}

/// The code of what only this store says, by its native status.
const fn code_of(http: u16) -> Code {
    match http {
        400 | 414 | 415 | 422 | 431 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        408 => Code::DeadlineExceeded,
        409 | 410 | 412 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// A text without the id that [`Own::malformed`] has put behind it, and that id.
fn parts(
    message: &str,
    malformed: Option<&Malformed>,
) -> (Cow<'static, str>, Option<Cow<'static, str>>) {
    let whole = || (message.to_owned().into(), None);
    if !matches!(malformed, Some(Malformed::Syntax(_))) {
        return whole();
    }
    let split = message.strip_suffix(')').and_then(|text| text.rsplit_once(" ("));
    match split.filter(|(_, id)| PREFIXES.iter().any(|prefix| id.starts_with(prefix))) {
        Some((text, id)) => (text.to_owned().into(), Some(id.to_owned().into())),
        None => whole(),
    }
}

/// How the ids begin of errors that a parser finds.
const PREFIXES: [&str; 4] = ["INST-", "ORG-", "INSTANCE-", "QUERY-"];
