//! The end of a seed, in every dialect: one credential of an organization is made by one dialect,
//! renamed, bound, changed and read by the others, at one node after the other.
//!
//! What a change does not name stays, a secret that is not given stays, and the credential keeps its
//! number. Nothing is in the way any more, so every request must be answered.

use std::time::Duration;

use concordat_tests::{
    demo::Org,
    recorded::{Asked, CLIENT_SECRET, Carrier, Told},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Run;
use crate::{
    clients::{DIALECTS, Walk, has_dialects},
    operator,
};

const PATIENCE: Duration = Duration::from_secs(8);
/// Attempts of a request, at one node after the other.
const ATTEMPTS: usize = 60;
const ISSUER: &str = "https://idp.example";
const NATIVE: &str = "/organizations/sso/oidc/provider-credentials";
const TEMPLATES: &str = "/management/v1/idps/templates";
const EXTERNAL: &str = "/organizations/config/external-credentials";
const ATTRIBUTE: &str = "/organizations/attributes/polyglot";
const KEYS: &str = "/organizations/api-keys";
const GENERIC: &str = "/management/v1/idps/generic_oidc";
const LEGACY: &str = "/management/v1/idps";
const CLAIM: &str = "/api/v1/enterprises/claim/";
const ENTERPRISE: &str = "/api/v1/enterprises/oidc/config/";
const DOMAIN: &str = "polyglot.example";

impl Run {
    /// In seeds with dialects: one of them takes no request of an organization without a domain.
    pub(super) fn give_domains(&mut self, orgs: &[Org]) -> bool {
        // The first feature level has no domains.
        let is_old = self.world.shape.feature_level < self.world.shape.upgraded_to;
        let mut orgs = orgs.iter().enumerate();
        let give = |(number, org): (usize, &Org)| {
            operator::set_domain(&mut self.world, &org.id, &format!("org-{number}.example"))
        };
        has_dialects(self.seed) && !is_old && orgs.all(give)
    }

    /// One credential of the first organization lives in every dialect.
    pub(super) fn speak_dialects(&mut self) -> Result<(), String> {
        let work = self.work();
        let walk = Walk::new(&work.client_network, None, &work.trace);
        self.world.ask(async move {
            let (org, nodes) = (&work.orgs[0], work.places.len());
            Polyglot { walk, org, nodes, asked: 0, key: None }.live().await
        })
    }

    pub(super) fn count_dialects(&mut self) {
        let spoken = self.world.client_network.met().spoken;
        for (kind, count) in DIALECTS.iter().zip(spoken) {
            self.fault_plan.count(kind, count);
        }
    }
}

/// A client that speaks every dialect, for one organization.
struct Polyglot<'a> {
    walk: Walk,
    org: &'a Org,
    nodes: usize,
    /// Requests so far: the next one begins at another node, under another key.
    asked: usize,
    /// The key in place of the organization's first.
    key: Option<String>,
}

impl Polyglot<'_> {
    /// One life of a credential.
    async fn live(&mut self) -> Result<(), String> {
        let id = self.begin().await?;
        self.rename(&id).await?;
        self.bind_and_change(&id).await?;
        self.enterprise(&id).await?;
        self.legacy().await?;
        self.resources().await?;
        self.keys().await?;
        self.ask("DELETE", &format!("{TEMPLATES}/{id}"), None).await?;
        let gone = self.attempt("GET", &format!("{TEMPLATES}/{id}"), None, |it| it == 404).await?;
        same("the code of an absent provider", &gone["code"], &json!(5))
    }

    /// It is made with a secret, and with settings that other dialects do not know.
    async fn begin(&mut self) -> Result<String, String> {
        let body = json!({
            "name": "made", "issuer": ISSUER, "clientId": "polyglot", "clientSecret": CLIENT_SECRET,
            "scopes": ["openid"], "providerOptions": {"isAutoUpdate": true}, "usePkce": true,
        });
        let made = self.ask("POST", "/admin/v1/idps/generic_oidc", Some(&body)).await?;
        let id = made["id"].as_str().ok_or_else(|| format!("no id: {made}"))?;
        Ok(id.to_owned())
    }

    /// Its client id changes, and its secret is not given.
    async fn rename(&mut self, id: &str) -> Result<(), String> {
        let body = json!({
            "name": "renamed", "issuer": ISSUER, "clientId": "polyglot-renamed",
            "providerOptions": {"isAutoUpdate": true}, "usePkce": true,
        });
        self.ask("PUT", &format!("{GENERIC}/{id}"), Some(&body)).await?;
        let shown = self.ask("GET", &format!("{NATIVE}/polyglot-renamed"), None).await?;
        let pkce = &shown["result"]["options"]["oidc"]["use_pkce"];
        same("use_pkce in the native API", pkce, &json!(true))?;
        self.has_secret("polyglot-renamed", CLIENT_SECRET).await
    }

    /// A dialect that knows one credential changes all that it knows of it.
    async fn bind_and_change(&mut self, id: &str) -> Result<(), String> {
        let bound = json!({"client_id": "polyglot-renamed"});
        self.ask("PUT", "/v1/bindings/jitsudo", Some(&bound)).await?;
        let secret = format!("{CLIENT_SECRET}-2");
        let config = json!({
            "issuer_url": ISSUER, "client_id": "polyglot-bound", "client_secret": secret,
        });
        self.ask("PUT", "/v1/oidc-config", Some(&config)).await?;
        self.has_secret("polyglot-bound", &secret).await?;
        let shown = self.ask("GET", &format!("{TEMPLATES}/{id}"), None).await?;
        let config = &shown["idp"]["config"];
        same("the client id", &config["oidc"]["clientId"], &json!("polyglot-bound"))?;
        same("the options", &config["options"], &json!({"isAutoUpdate": true}))
    }

    /// Another dialect that knows one credential, under the organization's domain: its discovery URL
    /// names the issuer for all.
    async fn enterprise(&mut self, id: &str) -> Result<(), String> {
        self.ask("POST", CLAIM, Some(&json!({"domain": DOMAIN}))).await?;
        let bound = json!({"client_id": "polyglot-bound"});
        self.ask("PUT", "/v1/bindings/aisquare", Some(&bound)).await?;
        let secret = format!("{CLIENT_SECRET}-3");
        let discovery = "https://enterprise.example/.well-known/openid-configuration";
        let config = json!({
            "client_id": "polyglot-enterprise", "client_secret": secret,
            "discovery_url": discovery,
        });
        self.ask("POST", ENTERPRISE, Some(&config)).await?;
        self.has_secret("polyglot-enterprise", &secret).await?;
        let shown = self.ask("GET", ENTERPRISE, None).await?;
        same("the enterprise's number", &json!(shown["id"].to_string()), &json!(id))?;
        same("the discovery URL", &shown["discovery_url"], &json!(discovery))?;
        let shown = self.ask("GET", &format!("{TEMPLATES}/{id}"), None).await?;
        let issuer = &shown["idp"]["config"]["oidc"]["issuer"];
        same("the issuer", issuer, &json!("https://enterprise.example"))?;
        let shown = self.ask("GET", "/v1/oidc-config", None).await?;
        same("the client id", &shown["client_id"], &json!("polyglot-enterprise"))
    }

    /// The older calls: one is made, renamed, set aside, taken back, and ended.
    async fn legacy(&mut self) -> Result<(), String> {
        let made = json!({
            "name": "old", "clientId": "polyglot-old", "clientSecret": CLIENT_SECRET,
            "issuer": ISSUER, "scopes": ["openid"],
        });
        let made = self.ask("POST", &format!("{LEGACY}/oidc"), Some(&made)).await?;
        let id = made["idpId"].as_str().ok_or_else(|| format!("no id: {made}"))?.to_owned();
        let one = format!("{LEGACY}/{id}");
        let name = json!({"name": "old-renamed", "stylingType": "STYLING_TYPE_GOOGLE"});
        self.ask("PUT", &one, Some(&name)).await?;
        let config = json!({"issuer": ISSUER, "clientId": "polyglot-older"});
        self.ask("PUT", &format!("{one}/oidc_config"), Some(&config)).await?;
        self.has_secret("polyglot-older", CLIENT_SECRET).await?;
        for (call, state) in
            [("_deactivate", "IDP_STATE_INACTIVE"), ("_reactivate", "IDP_STATE_ACTIVE")]
        {
            self.ask("POST", &format!("{one}/{call}"), Some(&json!({}))).await?;
            let shown = self.ask("GET", &one, None).await?;
            same("the state", &shown["idp"]["state"], &json!(state))?;
        }
        let asked = json!({"queries": [{"idpNameQuery": {"name": "old-renamed"}}]});
        let found = self.ask("POST", &format!("{LEGACY}/_search"), Some(&asked)).await?;
        same("the id of the one that is found", &found["result"][0]["id"], &json!(id))?;
        let client_id = &found["result"][0]["oidcConfig"]["clientId"];
        same("its client id", client_id, &json!("polyglot-older"))?;
        self.ask("DELETE", &one, None).await?;
        let gone = self.attempt("GET", &one, None, |status| status == 404).await?;
        same("the code of an absent one", &gone["code"], &json!(5))
    }

    /// What an organization has beside its credentials: a secret that a change does not name stays.
    async fn resources(&mut self) -> Result<(), String> {
        let body = json!({
            "extcred_provider": "generic", "extcred_type": "api_key",
            "json_blob": {"key": CLIENT_SECRET},
        });
        let made = self.ask("POST", EXTERNAL, Some(&body)).await?;
        let id = made["result"][0].as_str().ok_or_else(|| format!("no id: {made}"))?.to_owned();
        let one = format!("{EXTERNAL}/{id}");
        self.ask("PATCH", &one, Some(&json!({"extcred_label": "labeled"}))).await?;
        let shown = self.ask("GET", &one, None).await?;
        let shown = &shown["result"];
        same("the label", &shown["extcred_label"], &json!("labeled"))?;
        if shown["json_blob"]["key"] != CLIENT_SECRET {
            return Err("dialects: an external credential's secret was lost".to_owned());
        }
        self.ask("PUT", ATTRIBUTE, Some(&json!({"value": [1, 2]}))).await?;
        let shown = self.ask("GET", ATTRIBUTE, None).await?;
        same("the attribute", &shown["result"]["value"], &json!([1, 2]))
    }

    /// A key is made, replaces itself, and is revoked. What every region has applied, every node abides by.
    async fn keys(&mut self) -> Result<(), String> {
        let body = json!({"rights": ["read"], "label": "polyglot"});
        let made = self.ask("POST", KEYS, Some(&body)).await?;
        let first = key_of(&made)?;
        self.opens_everywhere(&first, true).await?;
        self.key = Some(first.clone());
        let renewed = self.ask("PUT", KEYS, None).await?;
        self.key = None;
        let second = key_of(&renewed)?;
        self.opens_everywhere(&first, false).await?;
        self.opens_everywhere(&second, true).await?;
        let id = renewed["result"]["id"].as_str().ok_or("a key without an id")?.to_owned();
        self.ask("DELETE", &format!("{KEYS}/{id}"), None).await?;
        self.opens_everywhere(&second, false).await?;
        let listed = self.ask("GET", KEYS, None).await?;
        same("the number of keys", &listed["meta"]["pagination"]["total_count"], &json!(1))
    }

    /// Whether every node that is current opens to a key.
    async fn opens_everywhere(&mut self, key: &str, opens: bool) -> Result<(), String> {
        self.key = Some(key.to_owned());
        let asked = self.request("GET", "/organizations", None);
        self.key = None;
        for node in 0..self.nodes {
            let mut answer = Told::Nothing;
            for _ in 0..ATTEMPTS {
                answer = self.walk.exchange(node, &asked, PATIENCE).await;
                if matches!(answer, Told::Answer { status: 200 | 401, unmarked: true, .. }) {
                    break;
                }
                sleep(Duration::from_millis(200)).await;
            }
            let expected = if opens { 200 } else { 401 };
            match answer {
                Told::Answer { status, .. } if status == expected => {}
                Told::Answer { status: 200, .. } => {
                    return Err(format!("keys: node {node} opens to a key that has ended"));
                }
                Told::Answer { status, body, .. } => {
                    return Err(format!("keys: node {node} answers {status} {body} to a key"));
                }
                Told::Nobody | Told::Nothing => {
                    return Err(format!("liveness: node {node} never answers to a key"));
                }
            }
        }
        Ok(())
    }

    async fn has_secret(&mut self, client_id: &str, expected: &str) -> Result<(), String> {
        let target = format!("{NATIVE}/{client_id}/client-secret");
        let shown = self.ask("GET", &target, None).await?;
        let secret = &shown["result"]["client_secret"];
        if secret == expected { Ok(()) } else { Err("dialects: a secret was lost".to_owned()) }
    }

    async fn ask(
        &mut self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        self.attempt(method, target, body, |status| (200..300).contains(&status)).await
    }

    /// Repeats a request until a node gives a fresh answer, which must have this status.
    async fn attempt(
        &mut self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
        is_expected: impl Fn(u16) -> bool,
    ) -> Result<Value, String> {
        self.asked += 1;
        let asked = self.request(method, target, body);
        for attempt in 0..ATTEMPTS {
            let node = (self.asked + attempt) % self.nodes;
            match self.walk.exchange(node, &asked, PATIENCE).await {
                Told::Answer { status, body, .. } if is_expected(status) => return Ok(body),
                Told::Answer { status: 408 | 429 | 503, .. }
                | Told::Answer { unmarked: false, .. }
                | Told::Nobody
                | Told::Nothing => sleep(Duration::from_millis(200)).await,
                Told::Answer { status, body, .. } => {
                    return Err(format!("dialects: {method} {target}: {status} {body}"));
                }
            }
        }
        Err(format!("liveness: {method} {target} is never answered"))
    }

    /// Each dialect finds its own credentials in the head, and ignores those of the others.
    fn request(&self, method: &'static str, target: &str, body: Option<&Value>) -> Asked {
        let key = self.key.as_ref().unwrap_or(&self.org.api_key);
        let mut headers = vec![
            ("slashid-orgid", self.org.id.clone()),
            ("slashid-api-key", key.clone()),
            ("authorization", format!("Bearer {key}")),
            ("x-tenant-id", self.org.id.clone()),
        ];
        if method == "GET" || target.ends_with("/_search") {
            headers.push(("concordat-read-mode", "current".to_owned()));
        } else {
            headers.push(("idempotency-key", format!("polyglot-{}", self.asked)));
            headers.push(("slashid-required-consistency", "all_regions".to_owned()));
            headers.push(("slashid-required-consistency-timeout", "5".to_owned()));
        }
        Asked { method, target: target.to_owned(), headers, body: body.map(Value::to_string) }
    }
}

fn key_of(made: &Value) -> Result<String, String> {
    let text = made["result"]["api_key"].as_str();
    text.map(str::to_owned).ok_or_else(|| "keys: a key was made and is not shown".to_owned())
}

fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("dialects: {what} is {found}, not {expected}"))
    }
}
