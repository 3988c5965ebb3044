//! What is particular to a provider, as it is sent.

use concordat_proto::{
    api::credential::{GenericOptions, OptionsByProvider, PrivateKey, ProviderOptions},
    oidc::Provider,
    secret::Secret,
};

/// A provider's options as they are sent. The server checks them, and fills in its defaults.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    provider: Provider,
    members: ProviderOptions,
}

impl OidcOptions {
    /// Options of a provider that needs none, to be extended by scopes.
    #[must_use]
    pub fn new(provider: Provider) -> Self {
        Self { provider, members: ProviderOptions::default() }
    }

    /// Azure AD's, with a tenant: a GUID, a domain, or `common`, `organizations`, `consumers`.
    #[must_use]
    pub fn azuread(tenant: impl Into<String>) -> Self {
        let members = ProviderOptions { tenant: Some(tenant.into()), ..ProviderOptions::default() };
        Self { provider: Provider::Azuread, members }
    }

    /// Okta's, with the organization's https URL.
    #[must_use]
    pub fn okta(organization_url: impl Into<String>) -> Self {
        let organization_url = Some(organization_url.into());
        Self {
            provider: Provider::Okta,
            members: ProviderOptions { organization_url, ..ProviderOptions::default() },
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
        let members = ProviderOptions {
            team_id: Some(team_id.into()),
            key_id: Some(key_id.into()),
            private_key: Some(private_key.map_or(PrivateKey::Redacted, PrivateKey::New)),
            ..ProviderOptions::default()
        };
        Self { provider: Provider::Apple, members }
    }

    /// Those of an OpenID provider that is none of the named ones: at least its issuer.
    #[must_use]
    pub fn generic(options: GenericOptions) -> Self {
        let members = ProviderOptions { generic: Some(options), ..ProviderOptions::default() };
        Self { provider: Provider::Oidc, members }
    }

    /// Scopes to ask for beside those that are always asked for.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.members.authorize_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The lifetime of a client secret minted for Apple, like `24h` or `720h0m0s`.
    #[must_use]
    pub fn secret_lifetime(mut self, lifetime: impl Into<String>) -> Self {
        self.members.secret_lifetime = Some(lifetime.into());
        self
    }

    /// As they stand in a body.
    pub(crate) fn by_provider(&self) -> OptionsByProvider {
        OptionsByProvider::from([(self.provider.into(), self.members.clone())])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn options_stand_under_their_provider() {
        let azuread = OidcOptions::azuread("common").scopes(["a", "b"]);
        let expected = json!({"azuread": {"tenant": "common", "authorize_scopes": ["a", "b"]}});
        assert_eq!(to_value(azuread.by_provider()).expect("JSON"), expected);
        assert_eq!(
            to_value(OidcOptions::new(Provider::Line).by_provider()).expect("JSON"),
            json!({"line": {}})
        );
    }

    #[test]
    fn a_generic_provider_has_at_least_an_issuer() {
        let issuer = "https://idp.example".to_owned();
        let generic = GenericOptions { issuer, use_pkce: true, ..GenericOptions::default() };
        let expected = json!({"oidc": {
            "issuer": "https://idp.example", "use_pkce": true, "is_id_token_mapping": false,
        }});
        let sent = to_value(OidcOptions::generic(generic).by_provider()).expect("JSON");
        assert_eq!(sent, expected);
    }

    #[test]
    fn apples_key_is_sent_or_kept_and_never_shown() {
        let kept = OidcOptions::apple("TEAM567890", "KEY4567890", None).secret_lifetime("24h");
        let expected = json!({"apple": {
            "team_id": "TEAM567890", "key_id": "KEY4567890", "private_key": "[redacted]",
            "secret_lifetime": "24h",
        }});
        assert_eq!(to_value(kept.by_provider()).expect("JSON"), expected);
        let key = Some(Secret::new("-----BEGIN".into()));
        let new = OidcOptions::apple("TEAM567890", "KEY4567890", key);
        assert_eq!(
            to_value(new.by_provider()).expect("JSON")["apple"]["private_key"],
            "-----BEGIN"
        );
        assert!(!format!("{new:?}").contains("BEGIN"));
    }
}
