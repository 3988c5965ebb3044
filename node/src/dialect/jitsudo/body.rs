//! The configuration as a PUT has it: it replaces all that this dialect knows. What is wrong with each
//! member is reported at once, and never by repeating a value.

use concordat_proto::{
    id::ClientId, limits, registration::CredentialChange, scopes, secret::Secret,
};

use schemars::JsonSchema;

use crate::{
    api::{draft::ChangeDraft, outcome::Malformed},
    dialect::common::{
        json::{Given, Object},
        mask::is_mask,
    },
};

pub(super) const ISSUER_URL: &str = "issuer_url";
pub(super) const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
const SCOPES: &str = "scopes";

/// The configuration of a PUT.
#[derive(JsonSchema)]
#[schemars(rename = "JitsudoConfigurationInput")]
pub(super) struct Configuration {
    /// The provider's issuer.
    #[schemars(length(min = 1, max = limits::URL_BYTES_MAX))]
    issuer_url: String,
    /// The OAuth client id.
    client_id: ClientId,
    /// The client secret, at most 4096 bytes. It is never returned.
    #[schemars(length(min = 1, max = limits::CLIENT_SECRET_BYTES_MAX))]
    client_secret: Secret,
    /// The scopes to request.
    #[schemars(
        default,
        length(max = limits::SCOPES_MAX),
        inner(length(min = 1, max = limits::SCOPE_CHARS_MAX))
    )]
    scopes: Option<Vec<String>>,
}

impl From<Configuration> for ChangeDraft {
    fn from(put: Configuration) -> Self {
        let change = CredentialChange {
            issuer: Some(put.issuer_url),
            client_id: Some(put.client_id),
            scopes: Some(put.scopes.unwrap_or_default()),
            ..CredentialChange::default()
        };
        Self { client_secret: Some(put.client_secret), change }
    }
}

type Checked<T> = Result<T, &'static str>;

/// The body of a PUT.
pub(super) fn parse(body: Object) -> Result<Configuration, Malformed> {
    let mut members = Members { body, wrong: Vec::new() };
    let issuer = members.required(ISSUER_URL, issuer);
    let client_id = members.required(CLIENT_ID, client_id);
    let client_secret = members.required(CLIENT_SECRET, client_secret);
    let given = given_scopes(&mut members.body);
    let scopes = members.noted(SCOPES, given);
    match (issuer, client_id, client_secret, scopes) {
        (Some(issuer_url), Some(client_id), Some(client_secret), Some(scopes)) => {
            Ok(Configuration { issuer_url, client_id, client_secret, scopes })
        }
        _ => Err(Malformed::Fields(members.wrong)),
    }
}

/// The body, and what is wrong with its members.
struct Members {
    body: Object,
    wrong: Vec<(&'static str, &'static str)>,
}

impl Members {
    fn required<T>(&mut self, name: &'static str, check: fn(String) -> Checked<T>) -> Option<T> {
        let checked = match self.body.given(name) {
            Given::Text(text) => check(text),
            Given::Absent | Given::Null => Err("is required"),
            Given::Other => Err("must be a string"),
        };
        self.noted(name, checked)
    }

    fn noted<T>(&mut self, name: &'static str, checked: Checked<T>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(why) => {
                self.wrong.push((name, why));
                None
            }
        }
    }
}

/// Any text: the published API states no form, and its own sample has a word (contract, dialects, C0).
fn issuer(text: String) -> Checked<String> {
    let is_text = (1..=limits::URL_BYTES_MAX).contains(&text.len());
    if is_text && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err("must be 1 to 2048 bytes, no control characters")
}

fn client_id(text: String) -> Checked<ClientId> {
    // No path could name them (RFC 3986, 5.2.4), and the credential has one in another dialect.
    if matches!(text.as_str(), "." | "..") {
        return Err("must be other than . and ..");
    }
    ClientId::new(text).map_err(|_| "must be 1 to 255 characters, no control characters")
}

fn client_secret(text: String) -> Checked<Secret> {
    let secret = Secret::new(text);
    if !(1..=limits::CLIENT_SECRET_BYTES_MAX).contains(&secret.expose().len()) {
        return Err("must be 1 to 4096 bytes long");
    }
    if is_mask(secret.expose()) {
        return Err("must be the secret itself, not what is shown in its place");
    }
    Ok(secret)
}

fn given_scopes(body: &mut Object) -> Checked<Option<Vec<String>>> {
    let given = body.texts(SCOPES).map_err(|_| "must be an array of strings")?;
    let Some(given) = given else { return Ok(None) };
    if given.len() > limits::SCOPES_MAX {
        return Err("must be at most 64 scopes");
    }
    if !given.iter().all(|scope| scopes::is_scope(scope)) {
        return Err("must be scopes of 1 to 256 characters without white space");
    }
    Ok(Some(given))
}

const _: () = assert!(limits::CLIENT_SECRET_BYTES_MAX == 4096, "as the message says");
const _: () = assert!(limits::URL_BYTES_MAX == 2048, "as the message says");
const _: () = assert!(limits::SCOPES_MAX == 64, "as the message says");
const _: () = assert!(limits::SCOPE_CHARS_MAX == 256, "as the message says");

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::common::json::parse_object;

    fn parsed(body: &Value) -> Result<ChangeDraft, Malformed> {
        let Ok(object) = parse_object(body.to_string().as_bytes()) else { panic!("an object") };
        parse(object).map(ChangeDraft::from)
    }

    fn whole() -> Value {
        json!({
            "issuer_url": "https://idp.example", "client_id": "web",
            "client_secret": "s3cret", "scopes": ["openid"], "unknown": 1,
        })
    }

    #[test]
    fn a_put_replaces_all_that_is_known() {
        let draft = parsed(&whole()).expect("a draft");
        assert_eq!(draft.client_secret, Some(Secret::new("s3cret".to_owned())));
        let change = CredentialChange {
            client_id: Some(ClientId::new("web").expect("a client id")),
            issuer: Some("https://idp.example".to_owned()),
            scopes: Some(vec!["openid".to_owned()]),
            ..CredentialChange::default()
        };
        assert_eq!(draft.change, change);
        let mut without = whole();
        without["scopes"] = Value::Null;
        assert_eq!(parsed(&without).expect("a draft").change.scopes, Some(Vec::new()));
    }

    #[test]
    fn each_wrong_member_is_named() {
        let bad = [
            ("issuer_url", json!(""), "2048"),
            ("issuer_url", json!("a\nb"), "2048"),
            ("issuer_url", json!("x".repeat(2049)), "2048"),
            ("issuer_url", json!(null), "required"),
            ("issuer_url", json!(7), "string"),
            ("client_id", json!(""), "255"),
            ("client_id", json!("a\nb"), "255"),
            ("client_id", json!("x".repeat(256)), "255"),
            ("client_id", json!(".."), "other"),
            ("client_secret", json!(""), "4096"),
            ("client_secret", json!("x".repeat(4097)), "4096"),
            ("client_secret", json!("********"), "shown"),
            ("client_secret", json!(["x"]), "string"),
            ("scopes", json!("openid"), "array"),
            ("scopes", json!([1]), "array"),
            ("scopes", json!(["a b"]), "256"),
            ("scopes", json!(vec!["a"; 65]), "64"),
        ];
        for (name, value, why) in bad {
            let mut body = whole();
            body[name] = value;
            let Err(Malformed::Fields(wrong)) = parsed(&body) else { panic!("{body} is taken") };
            assert!(
                matches!(wrong[..], [(it, told)] if it == name && told.contains(why)),
                "{wrong:?}"
            );
        }
        let Err(Malformed::Fields(wrong)) = parsed(&json!({"scopes": 1})) else { panic!() };
        let names: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["issuer_url", "client_id", "client_secret", "scopes"]);
    }
}
