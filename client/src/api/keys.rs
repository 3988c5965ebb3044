//! The API keys of an organization: `/organizations/api-keys`.

use bytes::Bytes;
use concordat_proto::{
    api::organization::{ApiKey, ApiKeyCreate, NewApiKey},
    id::KeyId,
    key::Right,
};
use http::Method;

use crate::{
    api::{
        read,
        write::{Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{envelope, identity::Identity, read::Page},
};

const PATH: &str = "/organizations/api-keys";

/// The API keys of an organization.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeys<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> ApiKeys<'a> {
    /// Lists them, without their texts: the key needs the right `admin`.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Page<ApiKey>, ClientError> {
        read::list(self.core, Identity::Org, PATH.to_owned()).await
    }

    /// Makes one with these rights, which the client's own key must have, beside the right `admin`.
    pub fn issue(self, rights: impl IntoIterator<Item = Right>) -> Write<'a, IssueKey> {
        let rights = rights.into_iter().collect();
        Write::new(self.core, IssueKey(ApiKeyCreate { rights, label: None, expires_at: None }))
    }

    /// Revokes one: from its required consistency on it opens nothing. The key needs the right `admin`.
    /// The organization's last key with that right that does not expire is kept (409).
    pub fn revoke(self, id: KeyId) -> Write<'a, RevokeKey> {
        Write::new(self.core, RevokeKey(id))
    }

    /// Replaces the client's own key by a new one with the same rights, label and expiry. The old one opens
    /// nothing from the required consistency on, except that a repeat of this write under the same
    /// idempotency key, and its receipt, are answered for ten minutes. Make a new client with the new key.
    pub const fn rotate(self) -> Write<'a, RotateKey> {
        Write::new(self.core, RotateKey)
    }
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedKey {
    /// The key, with its text, which is shown this once.
    pub key: NewApiKey,
    /// Where it has arrived.
    pub written: Written,
}

/// Makes a key.
#[derive(Debug)]
pub struct IssueKey(ApiKeyCreate);

impl Write<'_, IssueKey> {
    /// A name for people: at most 64 characters.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.action.0.label = Some(label.into());
        self
    }

    /// From when on it opens nothing: a time as of RFC 3339.
    pub fn expires_at(mut self, time: impl Into<String>) -> Self {
        self.action.0.expires_at = Some(time.into());
        self
    }
}

impl sealed::Action for IssueKey {
    type Done = CreatedKey;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::POST, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.0)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedKey> {
        Some(CreatedKey { key: envelope::result(body).ok()??, written })
    }
}

/// Revokes a key.
#[derive(Debug)]
pub struct RevokeKey(KeyId);

impl sealed::Action for RevokeKey {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::DELETE, format!("{PATH}/{}", self.0))
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        Ok(Bytes::new())
    }
    fn done(&self, written: Written, _: &[u8]) -> Option<Written> {
        Some(written)
    }
}

/// Replaces the client's own key.
#[derive(Debug)]
pub struct RotateKey;

impl sealed::Action for RotateKey {
    type Done = CreatedKey;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::PUT, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        Ok(Bytes::new())
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedKey> {
        Some(CreatedKey { key: envelope::result(body).ok()??, written })
    }
}
