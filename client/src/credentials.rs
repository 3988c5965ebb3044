//! OIDC credentials: `/organizations/sso/oidc/provider-credentials`.

use std::collections::BTreeMap;

use bytes::Bytes;
use concordat_proto::{id::ClientId, oidc::Provider, secret::Secret};
use http::Method;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    client::{Client, Identity},
    envelope::null_as_default,
    error::ClientError,
    options::{OidcOptions, ShownOptions},
    page::{self, Page, Read},
    write::{Conditional, Write, Written, json_body, sealed},
};

const PATH: &str = "/organizations/sso/oidc/provider-credentials";

/// A credential as it is shown: never with its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OidcCredential {
    /// Unique in its organisation.
    pub client_id: String,
    /// The contract's spelling; a text, because a server may know more providers than this client.
    pub provider: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// An external credential's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_cred_id: Option<String>,
    /// Whether the authorisation server may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_in_slashid_oidc_authz_server: Option<bool>,
    /// By provider; at most that of its own.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, ShownOptions>,
}

/// The OIDC credentials of an organisation.
#[derive(Debug, Clone, Copy)]
pub struct OidcCredentials<'a> {
    pub(crate) client: &'a Client,
}

impl<'a> OidcCredentials<'a> {
    /// Lists them, ordered by client id.
    pub const fn list(self) -> ListOidc<'a> {
        ListOidc { client: self.client, provider: None, limit: None, offset: None }
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: there is none of this id).
    pub async fn get(self, client_id: &str) -> Result<Read<OidcCredential>, ClientError> {
        check_client_id(client_id)?;
        page::one(self.client, Identity::Org, one(client_id)).await
    }

    /// Reads a client secret in the clear: for login services whose key has the right
    /// `secrets:read`. For Apple it is a token that was minted just now.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal; [`ClientError::Unavailable`] where the
    /// organisation refuses stale secrets and the node cannot prove that it is current.
    pub async fn secret(self, client_id: &str) -> Result<Read<ClientSecret>, ClientError> {
        check_client_id(client_id)?;
        let target = format!("{}/client-secret", one(client_id));
        page::one(self.client, Identity::Org, target).await
    }

    /// Makes one.
    pub fn create(
        self,
        client_id: impl Into<String>,
        client_secret: Secret,
        provider: Provider,
    ) -> Write<'a, CreateOidc> {
        let (client_id, client_secret) = (Some(client_id.into()), Some(client_secret));
        let provider = Some(provider.as_str());
        let members = Members { client_id, client_secret, provider, ..Members::default() };
        Write::new(self.client, CreateOidc(members))
    }

    /// Changes one: what is set is changed, the rest is left as it is.
    pub fn patch(self, client_id: impl Into<String>) -> Write<'a, PatchOidc> {
        let (client_id, members) = (client_id.into(), Members::default());
        Write::new(self.client, PatchOidc { client_id, members })
    }

    /// Removes one.
    pub fn delete(self, client_id: impl Into<String>) -> Write<'a, DeleteOidc> {
        Write::new(self.client, DeleteOidc { client_id: client_id.into() })
    }
}

fn one(client_id: &str) -> String {
    format!("{PATH}/{}", page::encode(client_id))
}

/// An empty id would be the list's path: a `DELETE` or `GET` of something else.
fn check_client_id(client_id: &str) -> Result<(), ClientError> {
    let valid = ClientId::new(client_id).map(|_| ());
    valid.map_err(|error| ClientError::config(error.to_string()))
}

/// A list before it is read.
#[derive(Debug, Clone, Copy)]
#[must_use = "a list does nothing until it is sent"]
pub struct ListOidc<'a> {
    client: &'a Client,
    provider: Option<Provider>,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl ListOidc<'_> {
    /// Only those of this provider.
    pub const fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// At most so many; all, when it is not set.
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Passes over so many.
    pub const fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Reads it.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn send(self) -> Result<Page<OidcCredential>, ClientError> {
        let query = [
            ("oauth_provider", self.provider.map(|provider| provider.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
        ];
        let target = page::target(PATH, &query);
        page::list(self.client, Identity::Org, target).await
    }
}

/// The body of a POST or PATCH: what is not set is not there.
#[derive(Debug, Default, Serialize)]
struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    client_secret: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_cred_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_in_slashid_oidc_authz_server: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<OidcOptions>,
}

/// The one way out of a secret: into the body of a request.
fn expose<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// Makes a credential.
#[derive(Debug)]
pub struct CreateOidc(Members);

/// Changes a credential.
#[derive(Debug)]
pub struct PatchOidc {
    client_id: String,
    members: Members,
}

/// Removes a credential.
#[derive(Debug)]
pub struct DeleteOidc {
    client_id: String,
}

impl Conditional for PatchOidc {}
impl Conditional for DeleteOidc {}

impl Write<'_, PatchOidc> {
    /// A new secret; without it the stored one is kept.
    pub fn client_secret(mut self, secret: Secret) -> Self {
        self.action.members.client_secret = Some(secret);
        self
    }
}

/// What a creation and a change have in common.
macro_rules! optional_members {
    ($action:ty, $($members:tt)+) => {
        impl Write<'_, $action> {
            /// Free text for people.
            pub fn label(mut self, label: impl Into<String>) -> Self {
                self.action.$($members)+.label = Some(label.into());
                self
            }

            /// An external credential's id.
            pub fn external_cred_id(mut self, id: impl Into<String>) -> Self {
                self.action.$($members)+.external_cred_id = Some(id.into());
                self
            }

            /// Whether the authorisation server may use it.
            pub fn enable_in_authz_server(mut self, enable: bool) -> Self {
                self.action.$($members)+.enable_in_slashid_oidc_authz_server = Some(enable);
                self
            }

            /// What is particular to the provider; replaces what is stored of it whole.
            pub fn options(mut self, options: OidcOptions) -> Self {
                self.action.$($members)+.options = Some(options);
                self
            }
        }
    };
}
optional_members!(CreateOidc, 0);
optional_members!(PatchOidc, members);

impl sealed::Action for CreateOidc {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        check_client_id(self.0.client_id.as_deref().unwrap_or_default())?;
        json_body(&self.0)
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

impl sealed::Action for PatchOidc {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::PATCH, one(&self.client_id))
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        check_client_id(&self.client_id)?;
        json_body(&self.members)
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

impl sealed::Action for DeleteOidc {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::DELETE, one(&self.client_id))
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        check_client_id(&self.client_id)?;
        Ok(Bytes::new())
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

/// A client secret in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ClientSecret {
    /// Whose it is.
    pub client_id: String,
    /// The secret.
    #[serde(deserialize_with = "secret_text")]
    pub client_secret: Secret,
    /// Until when it holds (RFC 3339), if it was minted.
    #[serde(default)]
    pub expires_at: Option<String>,
}

fn secret_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}
