//! What is particular to a provider: as it is sent, and as it is shown.

use concordat_proto::{oidc::Provider, secret::Secret};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::envelope::null_as_default;

/// In the place of Apple's private key: keep the stored one.
const KEEP: &str = "[redacted]";

/// A provider's options as they are sent. The server checks them, and fills in its defaults.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    provider: Provider,
    members: Members,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize_scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "private_key")]
    private_key: Option<PrivateKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_lifetime: Option<String>,
}

#[derive(Debug, Clone)]
enum PrivateKey {
    Keep,
    New(Secret),
}

impl OidcOptions {
    /// Options of a provider that needs none, to be extended by scopes.
    #[must_use]
    pub fn new(provider: Provider) -> Self {
        Self { provider, members: Members::default() }
    }

    /// Azure AD's, with a tenant: a GUID, a domain, or `common`, `organizations`, `consumers`.
    #[must_use]
    pub fn azuread(tenant: impl Into<String>) -> Self {
        let members = Members { tenant: Some(tenant.into()), ..Members::default() };
        Self { provider: Provider::Azuread, members }
    }

    /// Okta's, with the organisation's https URL.
    #[must_use]
    pub fn okta(organization_url: impl Into<String>) -> Self {
        let organization_url = Some(organization_url.into());
        Self {
            provider: Provider::Okta,
            members: Members { organization_url, ..Members::default() },
        }
    }

    /// Apple's. Without a private key (PKCS#8 PEM) the stored one is kept, which only a change can
    /// ask for.
    #[must_use]
    pub fn apple(
        team_id: impl Into<String>,
        key_id: impl Into<String>,
        private_key: Option<Secret>,
    ) -> Self {
        let members = Members {
            team_id: Some(team_id.into()),
            key_id: Some(key_id.into()),
            private_key: Some(private_key.map_or(PrivateKey::Keep, PrivateKey::New)),
            ..Members::default()
        };
        Self { provider: Provider::Apple, members }
    }

    /// Scopes to ask for beside those that are always asked for.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.members.authorize_scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// How long a client secret minted for Apple lives, like `24h` or `720h0m0s`.
    #[must_use]
    pub fn secret_lifetime(mut self, lifetime: impl Into<String>) -> Self {
        self.members.secret_lifetime = Some(lifetime.into());
        self
    }
}

impl Serialize for OidcOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.provider.as_str(), &self.members)?;
        map.end()
    }
}

fn private_key<S: Serializer>(key: &Option<PrivateKey>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = key.as_ref().map(|key| match key {
        PrivateKey::Keep => KEEP,
        PrivateKey::New(secret) => secret.expose(),
    });
    text.serialize(serializer)
}

/// A provider's options as they are shown, defaults filled in; of Apple's without the private key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ShownOptions {
    /// The scopes in effect.
    #[serde(deserialize_with = "null_as_default")]
    pub authorize_scopes: Vec<String>,
    /// Azure AD's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Okta's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_url: Option<String>,
    /// Apple's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Apple's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Apple's, in Go's form (`24h0m0s`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_lifetime: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn options_stand_under_their_provider() {
        let azuread = OidcOptions::azuread("common").scopes(["a", "b"]);
        let expected = json!({"azuread": {"tenant": "common", "authorize_scopes": ["a", "b"]}});
        assert_eq!(to_value(&azuread).expect("JSON"), expected);
        assert_eq!(to_value(OidcOptions::new(Provider::Line)).expect("JSON"), json!({"line": {}}));
    }

    #[test]
    fn apples_key_is_sent_or_kept_and_never_shown() {
        let kept = OidcOptions::apple("TEAM567890", "KEY4567890", None).secret_lifetime("24h");
        let expected = json!({"apple": {
            "team_id": "TEAM567890", "key_id": "KEY4567890", "private_key": "[redacted]",
            "secret_lifetime": "24h",
        }});
        assert_eq!(to_value(&kept).expect("JSON"), expected);
        let key = Some(Secret::new("-----BEGIN".into()));
        let new = OidcOptions::apple("TEAM567890", "KEY4567890", key);
        assert_eq!(to_value(&new).expect("JSON")["apple"]["private_key"], "-----BEGIN");
        assert!(!format!("{new:?}").contains("BEGIN"));
    }
}
