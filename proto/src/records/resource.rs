//! Resources of an organization beside its OIDC credentials: SAML credentials, external credentials and
//! attributes (contract, native API, 5, 6 and 9).
//!
//! All kinds share one record, one command and one way to move: a further kind adds a variant to
//! [`ResourceKind`], [`ResourceBody`] and, where its changes are partial, [`ResourcePatch`]. Nothing here
//! decides.

use std::{fmt, str::FromStr};

use crate::{
    base::{
        id::{IdError, OrgId, WriteId},
        schema::text_schema,
        secret::Sealed,
        text::{text_enum, text_serde},
        time::LogTime,
    },
    limits,
};

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A SAML credential.
    Saml,
    /// An external credential.
    External,
    /// An attribute of the organization.
    Attribute,
    /// The organization's own set of policies: it has one, of the name [`ResourceName::policies`].
    Policies,
    /// A suborganization, by its id.
    Suborganization,
}

text_enum!(ResourceKind, "kind of resource", {
    Saml => "SAML credential",
    External => "external credential",
    Attribute => "attribute",
    Policies => "policy set",
    Suborganization => "suborganization",
});

impl ResourceKind {
    /// Its byte in keys of the store.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Saml => 1,
            Self::External => 2,
            Self::Attribute => 3,
            Self::Policies => 4,
            Self::Suborganization => 5,
        }
    }
}

/// The name of a resource among those of its kind in its organization: the id that a node drew for it, as
/// text, or the name that a client chose. 1 to [`limits::RESOURCE_NAME_BYTES_MAX`] bytes without control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// Checks and wraps.
    ///
    /// # Errors
    /// When the text cannot be such a name.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let fits = (1..=limits::RESOURCE_NAME_BYTES_MAX).contains(&text.len());
        // `.` and `..` would be removed from a path by clients.
        if !fits || text.chars().any(char::is_control) || text == "." || text == ".." {
            return Err(IdError { kind: "name" });
        }
        Ok(Self(text))
    }

    /// The name of a resource whose id is that of the write that creates it.
    #[must_use]
    pub fn of_write(write: WriteId) -> Self {
        Self(write.to_string())
    }

    /// The name of a suborganization.
    #[must_use]
    pub fn of_org(org: OrgId) -> Self {
        Self(org.to_string())
    }

    /// The name of an organization's own set of policies.
    #[must_use]
    pub fn policies() -> Self {
        Self("policies".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ResourceName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

text_serde!(ResourceName);
// Bytes are counted, so the longest text is one of ASCII.
text_schema!(ResourceName, { "minLength": 1, "maxLength": limits::RESOURCE_NAME_BYTES_MAX });

/// A resource as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: ResourceName,
    /// The write that made it what it is.
    pub version: WriteId,
    /// When it was created, in log time.
    pub created_at: LogTime,
    /// When it was changed last, in log time.
    pub changed_at: LogTime,
    /// Its contents.
    pub body: ResourceBody,
}

/// The contents of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceBody {
    /// A SAML credential.
    Saml(SamlSettings),
    /// An external credential.
    External(ExternalCredential),
    /// An attribute: JSON text of at most [`limits::ATTRIBUTE_BYTES_MAX`] bytes.
    Attribute(String),
    /// A set of policies: text of at most [`limits::POLICIES_BYTES_MAX`] bytes.
    Policies(String),
    /// What an organization keeps of its suborganization, which is an organization of its own.
    Suborganization(Suborganization),
}

impl ResourceBody {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Saml(_) => ResourceKind::Saml,
            Self::External(_) => ResourceKind::External,
            Self::Attribute(_) => ResourceKind::Attribute,
            Self::Policies(_) => ResourceKind::Policies,
            Self::Suborganization(_) => ResourceKind::Suborganization,
        }
    }
}

/// What an organization keeps of its suborganization (contract, native API, 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suborganization {
    /// Shown to people.
    pub name: String,
    /// Those who administrate it, as the request that made it named them: at most
    /// [`limits::SUBORGANIZATION_ADMINS_MAX`]. Nothing here looks at them.
    pub admins: Vec<Administrator>,
}

/// A person who administrates a suborganization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// How the person is named.
    pub handle: HandleType,
    /// The name: 1 to [`limits::HANDLE_CHARS_MAX`] characters.
    pub value: String,
}

/// How a person is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the contract's names")]
pub enum HandleType {
    EmailAddress,
    PhoneNumber,
    Username,
}

text_enum!(HandleType, "type of handle", {
    EmailAddress => "email_address",
    PhoneNumber => "phone_number",
    Username => "username",
});

/// The settings of a SAML identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamlSettings {
    /// Where its metadata are: an absolute http or https URL.
    pub idp_metadata_url: String,
    /// Shown to people.
    pub label: Option<String>,
    /// The claims that hold an email address: at most [`limits::EMAIL_CLAIMS_MAX`], none empty.
    pub email_claims: Vec<String>,
    /// Whether the organization's own authorization server offers it.
    pub enable_in_authz_server: Option<bool>,
}

/// A credential for a service outside, kept for the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalCredential {
    /// Whose service.
    pub provider: ExternalProvider,
    /// What it is made of.
    pub credential_type: ExternalType,
    /// Shown to people.
    pub label: Option<String>,
    /// The JSON object that it consists of, sealed.
    pub json_blob: Sealed,
}

/// The provider of an external credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of services")]
pub enum ExternalProvider {
    Google,
    Onfido,
    Shopify,
    Generic,
}

text_enum!(ExternalProvider, "provider of external credentials", {
    Google => "google",
    Onfido => "onfido",
    Shopify => "shopify",
    Generic => "generic",
});

/// The type of an external credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the contract's names")]
pub enum ExternalType {
    ApiKey,
    ClientCredentials,
    UserPass,
    ApiIdAccess,
    AccessToken,
    JsonCredentials,
}

text_enum!(ExternalType, "type of external credential", {
    ApiKey => "api_key",
    ClientCredentials => "client_credentials",
    UserPass => "user_pass",
    ApiIdAccess => "api_id_access",
    AccessToken => "access_token",
    JsonCredentials => "json_credentials",
});

/// A change of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceChange {
    /// A new one. Refused where there is one of this name.
    Create(ResourceName, ResourceBody),
    /// The whole contents of one, which is created where there is none of this name.
    Put(ResourceName, ResourceBody),
    /// Some members of one.
    Patch(ResourceName, ResourcePatch),
    /// The end of one.
    Delete {
        /// Its kind.
        kind: ResourceKind,
        /// Its name.
        name: ResourceName,
        /// Whether it succeeds where there is none.
        is_absent_ok: bool,
    },
    /// The end of all of a kind.
    DeleteAll(ResourceKind),
}

impl ResourceChange {
    /// The kind of what it changes.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Create(_, body) | Self::Put(_, body) => body.kind(),
            Self::Patch(_, patch) => patch.kind(),
            Self::Delete { kind, .. } | Self::DeleteAll(kind) => *kind,
        }
    }
}

/// A change of some members: what is present is set, what is absent is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourcePatch {
    /// Of a SAML credential.
    Saml(SamlPatch),
    /// Of an external credential.
    External(ExternalPatch),
}

impl ResourcePatch {
    /// The kind of what it changes.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Saml(_) => ResourceKind::Saml,
            Self::External(_) => ResourceKind::External,
        }
    }
}

/// A change of a SAML credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in SamlSettings")]
pub struct SamlPatch {
    pub idp_metadata_url: Option<String>,
    pub label: Option<String>,
    pub email_claims: Option<Vec<String>>,
    pub enable_in_authz_server: Option<bool>,
}

/// A change of an external credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in ExternalCredential")]
pub struct ExternalPatch {
    pub label: Option<String>,
    pub json_blob: Option<Sealed>,
}
