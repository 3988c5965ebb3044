//! The configuration as a POST has it, and the claim of a domain. An URL that is left out stays as it
//! is, `null` removes it. What is wrong with each member is reported at once, in the customary texts of
//! Django's REST framework, and never by repeating a value.

use concordat_proto::{
    id::ClientId,
    limits,
    registration::{self, CredentialChange, GenericChange},
    secret::Secret,
};

use schemars::JsonSchema;

use crate::{
    api::{draft::ChangeDraft, outcome::Malformed},
    dialect::common::{
        json::{Given, Object},
        mask::is_mask,
        url,
    },
};

pub(super) const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
pub(super) const DISCOVERY_URL: &str = "discovery_url";
pub(super) const DOMAIN: &str = "domain";

/// What stands in the place of a secret, whatever its length. The secret's end may follow it.
pub(super) const MASK: &str = "********";
/// Characters of a secret's end behind the mask.
const TAIL_CHARS: usize = 4;
const URL_CHARS_MAX: usize = 200;
/// Where an issuer has its discovery document (OpenID Connect Discovery, 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

const REQUIRED: &str = "This field is required.";
const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const NO_STRING: &str = "Not a valid string.";

/// The configuration of a POST.
#[derive(JsonSchema)]
#[schemars(rename = "AisquareConfigurationInput")]
pub(super) struct Configuration {
    /// The OAuth client id.
    client_id: ClientId,
    /// The client secret, at most 4096 bytes.
    #[schemars(length(min = 1, max = limits::CLIENT_SECRET_BYTES_MAX))]
    client_secret: Secret,
    /// The URL of the discovery document; null removes it.
    #[schemars(default, length(max = URL_CHARS_MAX))]
    discovery_url: Option<Option<String>>,
    /// The URL of the authorization endpoint; null removes it.
    #[schemars(default, length(max = URL_CHARS_MAX))]
    authorization_endpoint: Option<Option<String>>,
    /// The URL of the token endpoint; null removes it.
    #[schemars(default, length(max = URL_CHARS_MAX))]
    token_endpoint: Option<Option<String>>,
    /// The URL of the user info endpoint; null removes it.
    #[schemars(default, length(max = URL_CHARS_MAX))]
    userinfo_endpoint: Option<Option<String>>,
}

impl From<Configuration> for ChangeDraft {
    fn from(post: Configuration) -> Self {
        let discovery_url = post.discovery_url.as_ref().and_then(Option::as_deref);
        let change = CredentialChange {
            client_id: Some(post.client_id),
            issuer: discovery_url.and_then(issuer_of).map(str::to_owned),
            generic: GenericChange {
                discovery_url: post.discovery_url,
                authorization_endpoint: post.authorization_endpoint,
                token_endpoint: post.token_endpoint,
                userinfo_endpoint: post.userinfo_endpoint,
                ..GenericChange::default()
            },
            ..CredentialChange::default()
        };
        Self { client_secret: Some(post.client_secret), change }
    }
}

/// The claim of a domain.
#[derive(JsonSchema)]
#[schemars(rename = "AisquareClaimInput")]
pub(super) struct Claim {
    /// A DNS name of at least two labels.
    #[schemars(length(max = 253))]
    pub(super) domain: String,
}

type Checked<T> = Result<T, &'static str>;

/// The body of a POST of the configuration.
pub(super) fn parse(body: Object) -> Result<Configuration, Malformed> {
    let mut members = Members { body, wrong: Vec::new() };
    let client_id = members.required(CLIENT_ID, client_id);
    let client_secret = members.required(CLIENT_SECRET, client_secret);
    let discovery_url = members.url(DISCOVERY_URL);
    let authorization_endpoint = members.url("authorization_endpoint");
    let token_endpoint = members.url("token_endpoint");
    let userinfo_endpoint = members.url("userinfo_endpoint");
    let (Some(client_id), Some(client_secret), true) =
        (client_id, client_secret, members.wrong.is_empty())
    else {
        return Err(Malformed::Fields(members.wrong));
    };
    Ok(Configuration {
        client_id,
        client_secret,
        discovery_url,
        authorization_endpoint,
        token_endpoint,
        userinfo_endpoint,
    })
}

/// The body of a claim: the domain, in lower case.
pub(super) fn parse_claim(body: Object) -> Result<Claim, Malformed> {
    let mut members = Members { body, wrong: Vec::new() };
    let domain = members.required(DOMAIN, |text| {
        let text = text.to_ascii_lowercase();
        if registration::is_domain(&text) { Ok(text) } else { Err("Enter a valid domain name.") }
    });
    domain.map(|domain| Claim { domain }).ok_or(Malformed::Fields(members.wrong))
}

/// The issuer that a discovery document's URL names; `None` where its form is another, or where no
/// issuer may have it: one that is neither https nor of this machine.
fn issuer_of(discovery_url: &str) -> Option<&str> {
    let issuer = discovery_url.strip_suffix(WELL_KNOWN)?;
    url::is_issuer(issuer).then_some(issuer)
}

/// The body, and what is wrong with its members.
struct Members {
    body: Object,
    wrong: Vec<(&'static str, &'static str)>,
}

impl Members {
    fn required<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(String) -> Checked<T>,
    ) -> Option<T> {
        let checked = match self.body.given(name) {
            Given::Text(text) => check(text),
            Given::Absent => Err(REQUIRED),
            Given::Null => Err(NULL),
            Given::Other => Err(NO_STRING),
        };
        self.noted(name, checked)
    }

    /// An URL to be set, or removed.
    fn url(&mut self, name: &'static str) -> Option<Option<String>> {
        let checked = match self.body.given(name) {
            Given::Absent => return None,
            Given::Null => Ok(None),
            Given::Text(text) if text.chars().count() > URL_CHARS_MAX => {
                Err("Ensure this field has no more than 200 characters.")
            }
            Given::Text(text) if url::is_endpoint(&text) => Ok(Some(text)),
            Given::Text(_) => Err("Enter a valid URL."),
            Given::Other => Err(NO_STRING),
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

fn client_id(text: String) -> Checked<ClientId> {
    if text.trim().is_empty() {
        return Err(BLANK);
    }
    if text.chars().count() > limits::CLIENT_ID_CHARS_MAX {
        return Err("Ensure this field has no more than 255 characters.");
    }
    // No path could name `.` and `..` (RFC 3986, 5.2.4), and the credential has one in another dialect.
    let is_path_step = matches!(text.as_str(), "." | "..");
    let client_id = ClientId::new(text).ok().filter(|_| !is_path_step);
    client_id.ok_or("Enter a client id without control characters, other than . and ..")
}

fn client_secret(text: String) -> Checked<Secret> {
    let secret = Secret::new(text);
    if secret.expose().is_empty() {
        return Err(BLANK);
    }
    if secret.expose().len() > limits::CLIENT_SECRET_BYTES_MAX {
        return Err("Ensure this field has no more than 4096 bytes.");
    }
    if is_mask(secret.expose()) || is_own_mask(secret.expose()) {
        return Err("Enter the secret itself, not what is shown in its place.");
    }
    Ok(secret)
}

/// Whether it can be what this dialect shows in the place of a secret.
fn is_own_mask(text: &str) -> bool {
    let tail = text.strip_prefix(MASK).map(|tail| tail.chars().count());
    matches!(tail, Some(0 | TAIL_CHARS))
}

const _: () = assert!(limits::CLIENT_SECRET_BYTES_MAX == 4096, "as the message says");
const _: () = assert!(limits::CLIENT_ID_CHARS_MAX == 255, "as the message says");

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::common::json::parse_object;

    fn object(body: &Value) -> Object {
        let Ok(object) = parse_object(body.to_string().as_bytes()) else { panic!("an object") };
        object
    }

    fn with(name: &str, value: Value) -> Result<ChangeDraft, Malformed> {
        let mut body = json!({"client_id": "web", "client_secret": "s3cret", "id": 7});
        body[name] = value;
        parse(object(&body)).map(ChangeDraft::from)
    }

    #[test]
    fn an_url_is_kept_set_or_removed() {
        let url = |value: Value| with("token_endpoint", value).expect("a draft").change.generic;
        assert_eq!(with("x", json!(1)).expect("a draft").change.generic, GenericChange::default());
        assert_eq!(url(Value::Null).token_endpoint, Some(None));
        let set = Some(Some("http://idp.example/token".to_owned()));
        assert_eq!(url(json!("http://idp.example/token")).token_endpoint, set);
    }

    #[test]
    fn a_discovery_url_may_name_the_issuer() {
        let issuer = |text: &str| with(DISCOVERY_URL, json!(text)).expect("a draft").change.issuer;
        let whole = format!("https://idp.example/a{WELL_KNOWN}");
        assert_eq!(issuer(&whole).as_deref(), Some("https://idp.example/a"));
        assert_eq!(issuer("https://idp.example/discovery"), None);
        assert_eq!(issuer(&format!("http://idp.example{WELL_KNOWN}")), None);
        assert_eq!(with(DISCOVERY_URL, Value::Null).expect("a draft").change.issuer, None);
    }

    #[test]
    fn each_wrong_member_is_named() {
        let bad = [
            (CLIENT_ID, json!(""), BLANK),
            (CLIENT_ID, json!(" "), BLANK),
            (CLIENT_ID, json!(null), NULL),
            (CLIENT_ID, json!(7), NO_STRING),
            (CLIENT_ID, json!("x".repeat(256)), "255"),
            (CLIENT_ID, json!("a\u{7}"), "control"),
            (CLIENT_ID, json!("."), "control"),
            (CLIENT_SECRET, json!(""), BLANK),
            (CLIENT_SECRET, json!("x".repeat(4097)), "4096"),
            (CLIENT_SECRET, json!("********"), "shown"),
            (CLIENT_SECRET, json!("********abcd"), "shown"),
            (CLIENT_SECRET, json!("•••"), "shown"),
            (DISCOVERY_URL, json!("idp.example"), "URL"),
            (DISCOVERY_URL, json!("ftp://idp.example"), "URL"),
            (DISCOVERY_URL, json!(7), NO_STRING),
            (DISCOVERY_URL, json!(format!("https://{}", "a".repeat(193))), "200"),
        ];
        for (name, value, why) in bad {
            let Err(Malformed::Fields(wrong)) = with(name, value.clone()) else {
                panic!("{name}: {value} is taken")
            };
            assert!(
                matches!(wrong[..], [(it, told)] if it == name && told.contains(why)),
                "{wrong:?}"
            );
        }
        for secret in ["********abc", "********abcde", "x********"] {
            assert!(with(CLIENT_SECRET, json!(secret)).is_ok(), "{secret}");
        }
        let Err(Malformed::Fields(wrong)) = parse(object(&json!({}))).map(ChangeDraft::from) else {
            panic!()
        };
        assert_eq!(wrong, [(CLIENT_ID, REQUIRED), (CLIENT_SECRET, REQUIRED)]);
    }

    #[test]
    fn a_claim_names_a_domain() {
        let claim = |body: &Value| parse_claim(object(body)).ok().map(|claim| claim.domain);
        assert_eq!(claim(&json!({"domain": "Example.COM"})).as_deref(), Some("example.com"));
        for bad in [json!({}), json!({"domain": "example"}), json!({"domain": 7})] {
            assert_eq!(claim(&bad), None, "{bad}");
        }
    }
}
