//! The APIs of other makes, for clients that record: a read or a write of a credential as each of them
//! has it, and its answers as the history has them.
//!
//! A value is the credential's name where all APIs have one ([`Shown::Name`]), and the issuer's path where
//! one has none ([`Shown::Issuer`]). An API that names a credential by its number names one life of it:
//! that this one is over says nothing about another one under the same client id, and is recorded as a
//! failure. No answer is judged here beyond that.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    history::{Action, Change, Outcome, Write},
    receipt::{judge, text},
    recorded::{self, Asked, CLIENT_SECRET, Caller, Carrier, Patience, Subject, Told},
    workload::CREDENTIALS,
};
use crate::cluster::demo::Org;

/// Where issuers are; a value is the path.
const ISSUERS: &str = "https://idp.example/";
/// Where an issuer has its discovery document.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
const MANAGEMENT: &str = "/management/v1/idps";
const JITSUDO: &str = "/v1/oidc-config";
const AISQUARE: &str = "/api/v1/enterprises/oidc/config/";

/// An API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// That of `/organizations`.
    Native,
    /// ZITADEL's newer calls.
    Generic,
    /// ZITADEL's older calls.
    Legacy,
    /// jitsudo's, which knows the one credential that it is bound to.
    Jitsudo,
    /// AISquare's, which also does.
    Aisquare,
}

/// Which member of a credential is its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Its name.
    Name,
    /// The path of its issuer.
    Issuer,
}

/// How a credential is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// The API.
    pub dialect: Dialect,
    /// The number of the credential, in the APIs that take it.
    pub number: Option<String>,
    /// What its value is.
    pub shown: Shown,
}

impl Speech {
    /// Whether a number names one life of the credential.
    const fn is_by_number(&self) -> bool {
        self.number.is_some()
    }

    /// The one credential's path.
    fn path(&self, credential: &str) -> String {
        let number = self.number.as_deref().unwrap_or_default();
        match self.dialect {
            Dialect::Native => format!("{CREDENTIALS}/{credential}"),
            Dialect::Generic => format!("{MANAGEMENT}/templates/{number}"),
            Dialect::Legacy => format!("{MANAGEMENT}/{number}"),
            Dialect::Jitsudo => JITSUDO.to_owned(),
            Dialect::Aisquare => AISQUARE.to_owned(),
        }
    }

    fn read(&self, of: Subject<'_>) -> Asked {
        let (headers, target) = (identity(of.org), self.path(of.credential));
        Asked { method: "GET", target, headers, body: None }
    }

    /// A write; a creation or a change of a kind that the dialect does not have is a fault of the test.
    fn write(&self, of: Subject<'_>, write: &Write, timeout_s: u64) -> Asked {
        let (mut headers, one) = (identity(of.org), self.path(of.credential));
        headers.extend(recorded::terms(write, timeout_s));
        let settings = |value: &str| {
            let (name, issuer) = match self.shown {
                Shown::Name => (value, format!("{ISSUERS}{}", of.credential)),
                Shown::Issuer => (of.credential, format!("{ISSUERS}{value}")),
            };
            json!({"name": name, "issuer": issuer, "clientId": of.credential})
        };
        let with_secret = |mut body: Value| {
            body["clientSecret"] = json!(CLIENT_SECRET);
            body
        };
        let bound = |value: &str| {
            let mut body = json!({"client_id": of.credential, "client_secret": CLIENT_SECRET});
            let issuer = format!("{ISSUERS}{value}");
            match self.dialect {
                Dialect::Aisquare => body["discovery_url"] = json!(format!("{issuer}{WELL_KNOWN}")),
                Dialect::Native | Dialect::Generic | Dialect::Legacy | Dialect::Jitsudo => {
                    body["issuer_url"] = json!(issuer);
                }
            }
            body
        };
        let (method, target, body) = match (self.dialect, &write.change) {
            (_, Change::Delete) => ("DELETE", one, None),
            (Dialect::Generic, Change::Create(value)) => {
                let body = with_secret(settings(value));
                ("POST", format!("{MANAGEMENT}/generic_oidc"), Some(body))
            }
            (Dialect::Generic, Change::Patch(value)) => {
                let number = self.number.as_deref().unwrap_or_default();
                ("PUT", format!("{MANAGEMENT}/generic_oidc/{number}"), Some(settings(value)))
            }
            (Dialect::Legacy, Change::Create(value)) => {
                ("POST", format!("{MANAGEMENT}/oidc"), Some(with_secret(settings(value))))
            }
            (Dialect::Legacy, Change::Patch(value)) => ("PUT", one, Some(json!({"name": value}))),
            (Dialect::Jitsudo, Change::Put(value)) => ("PUT", one, Some(bound(value))),
            (Dialect::Aisquare, Change::Put(value)) => ("POST", one, Some(bound(value))),
            (dialect, change) => panic!("{dialect:?} has no {change:?}"),
        };
        Asked { method, target, headers, body: body.map(|body| body.to_string()) }
    }

    /// The value in what a read shows.
    fn value(&self, body: &Value) -> String {
        let native = &body["result"];
        let idp = &body["idp"];
        let shown = match (self.dialect, self.shown) {
            (Dialect::Native, Shown::Name) => &native["label"],
            (Dialect::Native, Shown::Issuer) => &native["options"]["oidc"]["issuer"],
            (Dialect::Generic | Dialect::Legacy, Shown::Name) => &idp["name"],
            (Dialect::Generic, Shown::Issuer) => &idp["config"]["oidc"]["issuer"],
            (Dialect::Legacy, Shown::Issuer) => &idp["oidcConfig"]["issuer"],
            (Dialect::Jitsudo, _) => &body["issuer_url"],
            (Dialect::Aisquare, _) => &body["discovery_url"],
        };
        let value = text(shown);
        let value = value.strip_suffix(WELL_KNOWN).unwrap_or(&value);
        value.strip_prefix(ISSUERS).unwrap_or(value).to_owned()
    }
}

/// Headers in which each dialect finds its own key and organization, and ignores those of the others.
fn identity(org: &Org) -> Vec<(&'static str, String)> {
    let mut headers = recorded::identity(org).to_vec();
    headers.push(("authorization", format!("Bearer {}", org.api_key)));
    headers.push(("x-tenant-id", org.id.clone()));
    headers
}

/// A credential as a search lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its client id.
    pub client_id: String,
    /// Its number.
    pub number: String,
    /// Whether the newer calls can change it.
    pub is_generic: bool,
}

impl<C: Carrier> Caller<C> {
    /// Reads a credential at a node, in a dialect.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn read_in(
        &mut self,
        speech: &Speech,
        of: Subject<'_>,
        node: usize,
        patience: Duration,
    ) -> Outcome {
        let operation = self.begin(of, node, Action::Read);
        let told = self.carrier.exchange(node, &speech.read(of), patience).await;
        let seen = self.seen(&operation, told, false, |body| speech.value(body));
        let is_over = matches!(seen, Outcome::Seen { found: None, .. });
        let outcome = if is_over && speech.is_by_number() { Outcome::Failed } else { seen };
        self.end(operation, outcome)
    }

    /// Writes a credential through a node, in a dialect.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn write_in(
        &mut self,
        speech: &Speech,
        of: Subject<'_>,
        node: usize,
        (write, patience): (&Write, Patience),
    ) -> Outcome {
        let operation = self.begin(of, node, Action::Write(write.clone()));
        let asked = speech.write(of, write, patience.timeout_s);
        let told = self.carrier.exchange(node, &asked, patience.cut).await;
        let (mut outcome, receipt) = self.decided(&operation, told, in_time);
        if speech.is_by_number() && matches!(outcome, Outcome::Refused { status: 404, .. }) {
            outcome = Outcome::Failed;
        }
        self.note_receipt(&operation, &outcome, &receipt);
        // By its id one may learn of the other write that there was no such number.
        let is_nameable = !speech.is_by_number() || outcome.committed().is_some();
        if !is_nameable {
            self.named = None;
        }
        self.end(operation, outcome)
    }

    /// The credentials of an organization at a node, from a search. None of it is recorded: no version
    /// is in it.
    pub async fn search(&mut self, org: &Org, node: usize, patience: Duration) -> Vec<Listed> {
        let (target, headers) = (format!("{MANAGEMENT}/templates/_search"), identity(org));
        let asked = Asked { method: "POST", target, headers, body: Some("{}".to_owned()) };
        let told = self.carrier.exchange(node, &asked, patience).await;
        let Told::Answer { status: 200, body, .. } = told else { return Vec::new() };
        body["result"].as_array().into_iter().flatten().map(listed).collect()
    }
}

fn listed(shown: &Value) -> Listed {
    let configs = shown["config"].as_object().into_iter().flat_map(|all| all.values());
    let mut client_ids = configs.filter_map(|config| config["clientId"].as_str());
    Listed {
        client_id: client_ids.next().unwrap_or_default().to_owned(),
        number: text(&shown["id"]),
        is_generic: shown["type"] == "PROVIDER_TYPE_OIDC",
    }
}

/// The outcome in an answer to a write. A late refusal does not say here which one it is.
fn in_time(status: u16, unmarked: bool, receipt: &Value) -> Option<Outcome> {
    let is_late_refusal =
        status == 408 && receipt["outcome"] == "refused" && receipt["achieved"] == false;
    if is_late_refusal { Some(Outcome::Unknown) } else { judge(status, unmarked, receipt) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_the_value_in_its_place() {
        let speech = |dialect, shown| Speech { dialect, number: None, shown };
        let issuer = "https://idp.example/v1";
        for (dialect, shown, body) in [
            (Dialect::Native, Shown::Name, json!({"result": {"label": "v1"}})),
            (
                Dialect::Native,
                Shown::Issuer,
                json!({"result": {"options": {"oidc": {"issuer": issuer}}}}),
            ),
            (Dialect::Generic, Shown::Name, json!({"idp": {"name": "v1"}})),
            (
                Dialect::Generic,
                Shown::Issuer,
                json!({"idp": {"config": {"oidc": {"issuer": issuer}}}}),
            ),
            (Dialect::Legacy, Shown::Issuer, json!({"idp": {"oidcConfig": {"issuer": issuer}}})),
            (Dialect::Jitsudo, Shown::Issuer, json!({"issuer_url": issuer})),
            (
                Dialect::Aisquare,
                Shown::Issuer,
                json!({"discovery_url": format!("{issuer}{WELL_KNOWN}")}),
            ),
        ] {
            assert_eq!(speech(dialect, shown).value(&body), "v1", "{dialect:?}");
        }
    }
}
