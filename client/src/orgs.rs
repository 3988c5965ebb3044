//! Organisations: `/v1/organizations`, for the operator of the cluster.

use bytes::Bytes;
use concordat_proto::{
    id::{IdError, OrgId},
    region::Region,
    secret::Secret,
};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::{
    call::{self, Call, Kind},
    client::{Client, Identity},
    entropy,
    envelope::{self, null_as_default},
    error::ClientError,
    members::{self, Operate},
    page::{self, Page, Read},
    write::{self, Write, Written, json_body, sealed},
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
    /// The region that it is moving to, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving_to: Option<String>,
    /// `serve` or `refuse`, where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_secrets: Option<String>,
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

/// What a node does that is asked for a secret and cannot prove that it is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleSecrets {
    /// It gives the one that it has, marked as stale.
    Serve,
    /// It answers 503.
    Refuse,
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

    /// Shows one, and where it is at home.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn get(self, org: OrgId) -> Result<Read<Organization>, ClientError> {
        let target = format!("{PATH}/{org}");
        page::one(self.client, Identity::Operator, target).await
    }

    /// Sets whether secrets of one are given out by nodes that cannot prove that they are current.
    pub fn set_stale_secrets(self, org: OrgId, stale: StaleSecrets) -> Write<'a, Operate> {
        let stale = match stale {
            StaleSecrets::Serve => "serve",
            StaleSecrets::Refuse => "refuse",
        };
        members::patch(self.client, format!("{PATH}/{org}"), json!({"stale_secrets": stale}))
    }

    /// Begins to move one to another region. Its reads go on; its writes wait for the end of the
    /// move, seconds later. [`Organizations::get`] tells how it goes on.
    ///
    /// # Errors
    /// When it is refused, or nobody could be asked. A repeat is harmless.
    pub async fn move_to(self, org: OrgId, region: &Region) -> Result<(), ClientError> {
        self.change_home(org, &MoveOrg { home_region: Some(region), back: None }).await
    }

    /// Takes a move back, which works until the new home has all of the organisation: when it has no
    /// quorum, say.
    ///
    /// # Errors
    /// When it is too late or there is no move, or nobody could be asked. A repeat is harmless.
    pub async fn move_back(self, org: OrgId) -> Result<(), ClientError> {
        self.change_home(org, &MoveOrg { home_region: None, back: Some(true) }).await
    }

    async fn change_home(self, org: OrgId, change: &MoveOrg<'_>) -> Result<(), ClientError> {
        let key = entropy::idempotency_key();
        let call = Call {
            identity: Identity::Operator,
            method: Method::POST,
            target: format!("{PATH}/{org}/move"),
            headers: write::key_headers(&key)?,
            body: json_body(change)?,
            kind: Kind::Write { key },
            timeout: self.client.shared.timeout,
        };
        call::run(self.client, &call, &|_| Ok(())).await.map(drop)
    }
}

#[derive(Serialize)]
struct MoveOrg<'a> {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "region")]
    home_region: Option<&'a Region>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back: Option<bool>,
}

fn region<S: Serializer>(region: &Option<&Region>, serializer: S) -> Result<S::Ok, S::Error> {
    region.map(Region::as_str).serialize(serializer)
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
        page::list(self.client, Identity::Operator, target).await
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
