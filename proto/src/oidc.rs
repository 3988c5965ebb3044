//! OIDC credentials as the store knows them (contract 4): typed, normalised, secrets sealed.
//!
//! Nothing here parses JSON or PEM; a value of these types has been checked already.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    id::{ClientId, IdError, WriteId},
    secret::Sealed,
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
}

impl Provider {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 9] = [
        Self::Google,
        Self::Github,
        Self::Bitbucket,
        Self::Gitlab,
        Self::Facebook,
        Self::Line,
        Self::Azuread,
        Self::Okta,
        Self::Apple,
    ];

    /// The contract's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Github => "github",
            Self::Bitbucket => "bitbucket",
            Self::Gitlab => "gitlab",
            Self::Facebook => "facebook",
            Self::Line => "line",
            Self::Azuread => "azuread",
            Self::Okta => "okta",
            Self::Apple => "apple",
        }
    }

    /// Whether its options are scopes and nothing else.
    #[must_use]
    pub const fn has_scopes_only(self) -> bool {
        !matches!(self, Self::Azuread | Self::Okta | Self::Apple)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or(IdError { kind: "provider" })
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
}

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
    /// Whose sub-object it is.
    pub provider: Provider,
    /// The effective scopes: the always-requested ones, then the given ones, each once.
    pub scopes: Vec<String>,
    /// The rest.
    pub specific: ProviderOptions,
}

/// A stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcCredential {
    /// Unique in its organisation, across providers.
    pub client_id: ClientId,
    /// Never changes.
    pub provider: Provider,
    /// The secret, sealed.
    pub client_secret: Sealed,
    /// Free text.
    pub label: Option<String>,
    /// An external credential's id; not checked against that store.
    pub external_cred_id: Option<String>,
    /// Whether the authorisation server may use it.
    pub enable_in_authz_server: Option<bool>,
    /// Always the sub-object of its own provider, with defaults filled in.
    pub options: OidcOptions,
    /// The write that made this version: its `ETag`.
    pub version: WriteId,
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
