//! OIDC credentials: `/organizations/sso/oidc/provider-credentials`.

use bytes::Bytes;
use concordat_proto::{
    api::credential::{ClientSecret, CredentialCreate, CredentialPatch, OidcCredential},
    id::ClientId,
    oidc::Provider,
    secret::Secret,
};
use http::Method;

use crate::{
    api::{
        read,
        write::{Conditional, Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{
        identity::Identity,
        options::OidcOptions,
        read::{Page, Read},
    },
};

const PATH: &str = "/organizations/sso/oidc/provider-credentials";

/// The OIDC credentials of an organization.
#[derive(Debug, Clone, Copy)]
pub struct OidcCredentials<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> OidcCredentials<'a> {
    /// Lists them, ordered by client id.
    pub const fn list(self) -> ListOidc<'a> {
        ListOidc { core: self.core, provider: None, limit: None, offset: None, cursor: None }
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: there is none of this id).
    pub async fn get(self, client_id: &str) -> Result<Read<OidcCredential>, ClientError> {
        check_client_id(client_id)?;
        read::one(self.core, Identity::Org, one(client_id)).await
    }

    /// Reads a client secret in plaintext: for login services whose key has the right
    /// `secrets:read`. For Apple it is a token that was just minted.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal; [`ClientError::Unavailable`] where the
    /// organization refuses stale secrets and the node cannot prove that it is current.
    pub async fn secret(self, client_id: &str) -> Result<Read<ClientSecret>, ClientError> {
        check_client_id(client_id)?;
        let target = format!("{}/client-secret", one(client_id));
        read::one(self.core, Identity::Org, target).await
    }

    /// Makes one.
    pub fn create(
        self,
        client_id: impl Into<String>,
        client_secret: Secret,
        provider: Provider,
    ) -> Write<'a, CreateOidc> {
        let (client_id, members) = (client_id.into(), CredentialPatch::default());
        Write::new(self.core, CreateOidc { client_id, client_secret, provider, members })
    }

    /// Changes one: fields that are set are changed, the others are kept.
    pub fn patch(self, client_id: impl Into<String>) -> Write<'a, PatchOidc> {
        let (client_id, members) = (client_id.into(), CredentialPatch::default());
        Write::new(self.core, PatchOidc { client_id, members })
    }

    /// Removes one.
    pub fn delete(self, client_id: impl Into<String>) -> Write<'a, DeleteOidc> {
        Write::new(self.core, DeleteOidc { client_id: client_id.into() })
    }
}

fn one(client_id: &str) -> String {
    format!("{PATH}/{}", read::encode(client_id))
}

/// An empty id would be the list's path: a `DELETE` or `GET` of something else.
fn check_client_id(client_id: &str) -> Result<ClientId, ClientError> {
    let valid = ClientId::new(client_id);
    valid.map_err(|error| ClientError::config(error.to_string()))
}

/// A list before it is read.
#[derive(Debug, Clone, Copy)]
#[must_use = "a list does nothing until it is sent"]
pub struct ListOidc<'a> {
    core: &'a Core,
    provider: Option<Provider>,
    limit: Option<u64>,
    offset: Option<u64>,
    cursor: Option<&'a str>,
}

impl<'a> ListOidc<'a> {
    /// Only those of this provider.
    pub const fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads one page of at most this many items; the server has a maximum of its own. When it is not set, all
    /// pages are read.
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Skips this many items.
    pub const fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Begins where an earlier page ended ([`Page::cursor`]). Unlike an offset it skips nothing when credentials
    /// end meanwhile.
    pub const fn cursor(mut self, cursor: &'a str) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Reads it.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn send(self) -> Result<Page<OidcCredential>, ClientError> {
        let provider = ("oauth_provider", self.provider.map(|provider| provider.to_string()));
        if self.limit.is_none() && self.offset.is_none() && self.cursor.is_none() {
            return read::whole_list(self.core, Identity::Org, PATH, &[provider]).await;
        }
        let query = [
            provider,
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
            ("cursor", self.cursor.map(str::to_owned)),
        ];
        read::list(self.core, Identity::Org, read::target(PATH, &query)).await
    }
}

/// Makes a credential.
#[derive(Debug)]
pub struct CreateOidc {
    client_id: String,
    client_secret: Secret,
    provider: Provider,
    /// What may be left out.
    members: CredentialPatch,
}

/// Changes a credential.
#[derive(Debug)]
pub struct PatchOidc {
    client_id: String,
    members: CredentialPatch,
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

/// The common setters of a creation and a change.
macro_rules! optional_members {
    ($action:ty) => {
        impl Write<'_, $action> {
            /// Free text for people.
            pub fn label(mut self, label: impl Into<String>) -> Self {
                self.action.members.label = Some(label.into());
                self
            }

            /// An external credential's id.
            pub fn external_cred_id(mut self, id: impl Into<String>) -> Self {
                self.action.members.external_cred_id = Some(id.into());
                self
            }

            /// Whether the authorization server may use it.
            pub fn enable_in_authz_server(mut self, enable: bool) -> Self {
                self.action.members.enable_in_authz_server = Some(enable);
                self
            }

            /// The options of the provider; they replace the stored options as a whole.
            pub fn options(mut self, options: OidcOptions) -> Self {
                self.action.members.options = Some(options.by_provider());
                self
            }
        }
    };
}
optional_members!(CreateOidc);
optional_members!(PatchOidc);

impl sealed::Action for CreateOidc {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        let members = self.members.clone();
        json_body(&CredentialCreate {
            client_id: check_client_id(&self.client_id)?,
            client_secret: self.client_secret.clone(),
            provider: self.provider,
            label: members.label,
            external_cred_id: members.external_cred_id,
            enable_in_authz_server: members.enable_in_authz_server,
            options: members.options,
        })
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
