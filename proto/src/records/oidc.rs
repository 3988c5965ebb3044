//! OIDC credentials as the store knows them (contract 4): typed, normalized, secrets sealed.
//!
//! Nothing here parses JSON or PEM; a value of these types has been checked already.

use std::time::Duration;

use crate::base::{
    id::{ClientId, WriteId},
    secret::Sealed,
    text::text_enum,
};

/// The providers of the contract's enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Provider {
    Google,
    Github,
    Bitbucket,
    Gitlab,
    Facebook,
    Line,
    Azuread,
    Okta,
    Apple,
    Oidc,
}

// In the contract's order.
text_enum!(Provider, "provider", {
    Google => "google",
    Github => "github",
    Bitbucket => "bitbucket",
    Gitlab => "gitlab",
    Facebook => "facebook",
    Line => "line",
    Azuread => "azuread",
    Okta => "okta",
    Apple => "apple",
    Oidc => "oidc",
});

impl Provider {
    /// Whether its options are scopes and nothing else.
    #[must_use]
    pub const fn has_scopes_only(self) -> bool {
        !matches!(self, Self::Azuread | Self::Okta | Self::Apple | Self::Oidc)
    }

    /// The issuer of a provider whose options name none; `None` where they do.
    #[must_use]
    pub const fn fixed_issuer(self) -> Option<&'static str> {
        match self {
            Self::Google => Some("https://accounts.google.com"),
            Self::Github => Some("https://github.com"),
            Self::Bitbucket => Some("https://bitbucket.org"),
            Self::Gitlab => Some("https://gitlab.com"),
            Self::Facebook => Some("https://www.facebook.com"),
            Self::Line => Some("https://access.line.me"),
            Self::Apple => Some("https://appleid.apple.com"),
            Self::Azuread | Self::Okta | Self::Oidc => None,
        }
    }
}

/// What is particular to a provider, beside the scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderOptions {
    /// Google, GitHub, Bitbucket, GitLab, Facebook, LINE: scopes only.
    ScopesOnly,
    /// Azure AD.
    Azuread {
        /// A GUID, a domain or a pseudo tenant; `common` by default.
        tenant: String,
    },
    /// Okta.
    Okta {
        /// An https URL, or empty.
        organization_url: String,
    },
    /// Apple.
    Apple(AppleOptions),
    /// Any other OpenID provider (feature level 3).
    Oidc(GenericOptions),
}

/// The options of an OpenID provider that is none of the named ones: the union of those that the
/// dialects know (contract, dialects, second round).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenericOptions {
    /// The issuer: an https URL, or http on loopback; empty where a dialect made the credential that
    /// has none.
    pub issuer: String,
    /// Whether requests use PKCE (RFC 7636).
    pub use_pkce: bool,
    /// Whether user data are read from the id token instead of the user info endpoint.
    pub is_id_token_mapping: bool,
    /// The claim that the display name is made from.
    pub display_name_mapping: ClaimMapping,
    /// The claim that the user name is made from.
    pub username_mapping: ClaimMapping,
    /// The URL of the discovery document.
    pub discovery_url: Option<String>,
    /// The URL of the authorization endpoint.
    pub authorization_endpoint: Option<String>,
    /// The URL of the token endpoint.
    pub token_endpoint: Option<String>,
    /// The URL of the user info endpoint.
    pub userinfo_endpoint: Option<String>,
}

/// The claim that a user's name is made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClaimMapping {
    /// None was chosen.
    #[default]
    Unspecified,
    /// `preferred_username`.
    PreferredUsername,
    /// `email`.
    Email,
}

text_enum!(ClaimMapping, "claim", {
    Unspecified => "unspecified",
    PreferredUsername => "preferred_username",
    Email => "email",
});

/// Apple's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppleOptions {
    /// The PKCS#8 PEM key, sealed. In a change, `None` means: keep the stored one (`[redacted]`
    /// was sent back). In a stored credential it is always there.
    pub private_key: Option<Sealed>,
    /// Ten alphanumeric characters.
    pub team_id: String,
    /// Ten alphanumeric characters.
    pub key_id: String,
    /// 300 s ..= 15,777,000 s.
    pub secret_lifetime: Duration,
}

impl AppleOptions {
    /// Whether a text can be a `team_id` or a `key_id`: exactly ten alphanumeric characters.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        text.len() == 10 && text.bytes().all(|b| b.is_ascii_alphanumeric())
    }
}

/// A provider's sub-object of `options`, whole and with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcOptions {
    /// The provider to whose sub-object they belong.
    pub provider: Provider,
    /// The effective scopes: the always-requested ones, then the given ones, each once.
    pub scopes: Vec<String>,
    /// The rest.
    pub specific: ProviderOptions,
}

/// A stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcCredential {
    /// Unique in its organization, across providers.
    pub client_id: ClientId,
    /// Never changes.
    pub provider: Provider,
    /// The secret, sealed.
    pub client_secret: Sealed,
    /// Free text.
    pub label: Option<String>,
    /// An external credential's id; not checked against that store.
    pub external_cred_id: Option<String>,
    /// Whether the authorization server may use it.
    pub enable_in_authz_server: Option<bool>,
    /// Always the sub-object of its own provider, with defaults filled in.
    pub options: OidcOptions,
    /// The write that made this version: its `ETag`.
    pub version: WriteId,
}

impl OidcCredential {
    /// The issuer, as dialects show it that know no providers; empty where it is not known.
    #[must_use]
    pub fn issuer(&self) -> String {
        match &self.options.specific {
            ProviderOptions::Okta { organization_url } => organization_url.clone(),
            ProviderOptions::Oidc(generic) => generic.issuer.clone(),
            ProviderOptions::Azuread { tenant } => {
                format!("https://login.microsoftonline.com/{tenant}/v2.0")
            }
            ProviderOptions::ScopesOnly | ProviderOptions::Apple(_) => {
                self.provider.fixed_issuer().unwrap_or_default().to_owned()
            }
        }
    }
}

/// A change of a credential: what is present is set, what is absent is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OidcPatch {
    /// The provider as the caller believes it; refused when it is another.
    pub provider: Option<Provider>,
    /// A new secret.
    pub client_secret: Option<Sealed>,
    /// A new label.
    pub label: Option<String>,
    /// A new external credential's id.
    pub external_cred_id: Option<String>,
    /// A new flag.
    pub enable_in_authz_server: Option<bool>,
    /// A new sub-object, replacing the stored one whole.
    pub options: Option<OidcOptions>,
}

impl OidcPatch {
    /// Whether it is for a credential of this provider.
    #[must_use]
    pub fn is_of(&self, provider: Provider) -> bool {
        let of_options = self.options.as_ref().map(|options| options.provider);
        self.provider == Some(provider) || of_options == Some(provider)
    }

    /// Whether it would set nothing (`{}`: 200, and no new version).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.client_secret.is_none()
            && self.label.is_none()
            && self.external_cred_id.is_none()
            && self.enable_in_authz_server.is_none()
            && self.options.is_none()
    }
}
