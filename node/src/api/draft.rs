//! A credential that a request asks to create or change, checked and typed, secrets still in plaintext.
//! What the operator's requests ask for are types of [`concordat_proto::api`].
//!
//! A draft never leaves the request that brought it: its secrets are sealed before anything is proposed
//! (`request/write/seal_command.rs`).

use std::time::Duration;

use concordat_proto::{
    id::{ClientId, KeyId},
    oidc::{GenericOptions, Provider},
    org::Rights,
    registration::CredentialChange,
    resource::{
        Administrator, ExternalProvider, ExternalType, ResourceKind, ResourceName, SamlPatch,
        SamlSettings,
    },
    secret::Secret,
    time::LogTime,
};

/// A change of an organization by one of its keys that may administrate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnOrgWrite {
    /// Make a suborganization.
    CreateSuborganization(SuborganizationDraft),
    /// End the organization.
    End,
}

/// A suborganization to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuborganizationDraft {
    /// Shown to people.
    pub name: String,
    /// Those who administrate it.
    pub admins: Vec<Administrator>,
}

/// A credential to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcCredential")]
pub struct OidcDraft {
    pub client_id: ClientId,
    pub provider: Provider,
    pub client_secret: Secret,
    pub label: Option<String>,
    pub external_cred_id: Option<String>,
    pub enable_in_authz_server: Option<bool>,
    /// Its own provider's, defaults filled in. A foreign sub-object has been rejected.
    pub options: OptionsDraft,
}

/// A change of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcPatch")]
pub struct OidcPatchDraft {
    pub provider: Option<Provider>,
    pub client_secret: Option<Secret>,
    pub label: Option<String>,
    pub external_cred_id: Option<String>,
    pub enable_in_authz_server: Option<bool>,
    pub options: Option<OptionsDraft>,
}

/// A provider's sub-object of `options`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcOptions")]
pub struct OptionsDraft {
    pub provider: Provider,
    pub scopes: Vec<String>,
    pub specific: SpecificDraft,
}

/// The options of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::ProviderOptions")]
pub enum SpecificDraft {
    ScopesOnly,
    Azuread {
        tenant: String,
    },
    Okta {
        organization_url: String,
    },
    Apple {
        /// `None`: `[redacted]` was sent back, keep the stored one (only in a change).
        private_key: Option<Secret>,
        team_id: String,
        key_id: String,
        secret_lifetime: Duration,
    },
    Oidc(GenericOptions),
}

/// A change of a credential in the terms of any dialect, or the creation of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeDraft {
    /// A new secret. The change names the client id that the credential has after it.
    pub client_secret: Option<Secret>,
    /// The rest of it; its own secret is absent.
    pub change: CredentialChange,
}

/// A change of a resource beside the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceDraft {
    /// A new SAML credential.
    CreateSaml(SamlSettings),
    /// Some members of one.
    PatchSaml(ResourceName, SamlPatch),
    /// A new external credential.
    CreateExternal(Box<ExternalDraft>),
    /// Some members of one.
    PatchExternal(ResourceName, ExternalPatchDraft),
    /// The value of an attribute, as JSON.
    PutAttribute(ResourceName, String),
    /// The organization's own set of policies.
    PutPolicies(String),
    /// The end of one.
    Delete(ResourceKind, ResourceName),
    /// The end of all of a kind.
    DeleteAll(ResourceKind),
}

/// An external credential to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::resource::ExternalCredential")]
pub struct ExternalDraft {
    pub provider: ExternalProvider,
    pub credential_type: ExternalType,
    pub label: Option<String>,
    pub json_blob: Secret,
}

/// A change of an external credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "as in concordat_proto::resource::ExternalPatch")]
pub struct ExternalPatchDraft {
    pub label: Option<String>,
    pub json_blob: Option<Secret>,
}

/// A change of an organization's keys. The text of a new one is drawn when it is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyDraft {
    /// A new key.
    Issue {
        /// Its name, for people.
        label: Option<String>,
        /// What it may do.
        rights: Rights,
        /// From when on it opens nothing.
        expires_at: Option<LogTime>,
    },
    /// The end of one.
    Revoke(KeyId),
    /// A new key in the place of the caller's.
    Rotate,
}
