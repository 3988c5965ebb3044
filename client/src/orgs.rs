//! Organisations: `/v1/organizations`, for the operator of the cluster.

use bytes::Bytes;
use concordat_proto::{
    id::{IdError, OrgId},
    region::Region,
    secret::Secret,
};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    client::{Client, Identity},
    envelope::{self, null_as_default},
    error::ClientError,
    page::{self, Page},
    write::{Write, Written, json_body, sealed},
};

const PATH: &str = "/v1/organizations";

/// An organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Shown to people.
    #[serde(deserialize_with = "null_as_default")]
    pub org_name: String,
    /// Shown to people.
    #[serde(deserialize_with = "null_as_default")]
    pub tenant_name: String,
    /// Where its writes are ordered.
    #[serde(deserialize_with = "null_as_default")]
    pub home_region: String,
}

impl Organization {
    /// The id, for [`Client::with_org`].
    ///
    /// # Errors
    /// When the server's text is not an id.
    pub fn org_id(&self) -> Result<OrgId, IdError> {
        self.id.parse()
    }
}

/// An organisation that was just made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreatedOrganization {
    /// What was made.
    pub organization: Organization,
    /// Its first key, shown this once.
    pub api_key: Secret,
    /// How far it has travelled.
    pub written: Written,
}

/// The organisations of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Organizations<'a> {
    pub(crate) client: &'a Client,
}

impl<'a> Organizations<'a> {
    /// Makes one.
    pub fn create(self, org_name: impl Into<String>) -> Write<'a, CreateOrg> {
        let org_name = org_name.into();
        let (tenant_name, home_region, id) = (None, None, None);
        Write::new(self.client, CreateOrg { org_name, tenant_name, home_region, id })
    }

    /// Lists them.
    pub const fn list(self) -> ListOrgs<'a> {
        ListOrgs { client: self.client, limit: None, offset: None }
    }
}

/// A list before it is read.
#[derive(Debug, Clone, Copy)]
#[must_use = "a list does nothing until it is sent"]
pub struct ListOrgs<'a> {
    client: &'a Client,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl ListOrgs<'_> {
    /// At most so many; the server has a maximum of its own.
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
    pub async fn send(self) -> Result<Page<Organization>, ClientError> {
        let query = [
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
        ];
        let target = page::target(PATH, &query);
        page::page(&page::read(self.client, Identity::Operator, target).await?)
    }
}

/// Makes an organisation.
#[derive(Debug, Serialize)]
pub struct CreateOrg {
    org_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Write<'_, CreateOrg> {
    /// A second name, for people.
    pub fn tenant_name(mut self, name: impl Into<String>) -> Self {
        self.action.tenant_name = Some(name.into());
        self
    }

    /// Where its writes are ordered; the region of the answering node, when it is not set.
    pub fn home_region(mut self, region: &Region) -> Self {
        self.action.home_region = Some(region.to_string());
        self
    }

    /// An id of the caller's choice.
    pub fn id(mut self, id: OrgId) -> Self {
        self.action.id = Some(id.to_string());
        self
    }
}

#[derive(Deserialize)]
struct WithKey {
    #[serde(flatten)]
    organization: Organization,
    #[serde(deserialize_with = "secret")]
    api_key: Secret,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

impl sealed::Action for CreateOrg {
    type Done = CreatedOrganization;
    const OPERATOR: bool = true;
    fn target(&self) -> (Method, String) {
        (Method::POST, PATH.to_owned())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(self)
    }
    fn done(&self, written: Written, body: &[u8]) -> Option<CreatedOrganization> {
        let WithKey { organization, api_key } = envelope::result(body).ok()??;
        Some(CreatedOrganization { organization, api_key, written })
    }
}
