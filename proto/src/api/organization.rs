//! Organizations: `/v1/organizations` of the operator's API, and an organization as its own keys see it,
//! with these keys: `/organizations/api-keys`.

use serde::{Deserialize, Serialize};

use super::{OpenEnum, lenient::null_as_default, secret_text};
use crate::{
    base::{
        id::{IdError, KeyId, OrgId},
        region::Region,
        secret::Secret,
    },
    records::{
        key::Right,
        org::StaleSecrets,
        resource::{HandleType, ResourceName},
    },
};

/// An organization: the result of `GET /v1/organizations/{organization_id}`, of a change of one, and an
/// item of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub org_name: String,
    /// Its tenant's name, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tenant_name: String,
    /// The region that orders its writes.
    pub home_region: Region,
    /// The region that it is moving to; absent if it is not moving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving_to: Option<Region>,
    /// What a node without a valid lease does when a client secret is read; absent where it was not looked
    /// up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_secrets: Option<OpenEnum<StaleSecrets>>,
    /// The organization that a suborganization belongs to; absent for others, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<OrgId>,
}

/// The body of `POST /organizations/suborganizations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuborganizationCreate {
    /// Its name: 1 to 256 characters, no control characters.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::ORG_NAME_CHARS_MAX)))]
    pub sub_org_name: String,
    /// Those who administrate it. They are kept and listed; nothing else is done with them.
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::SUBORGANIZATION_ADMINS_MAX)))]
    pub admins: Vec<SuborganizationAdmin>,
}

/// A person who administrates a suborganization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuborganizationAdmin {
    /// How the person is named.
    #[serde(rename = "type")]
    pub handle: OpenEnum<HandleType>,
    /// The address, the number or the name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::HANDLE_CHARS_MAX)))]
    pub value: String,
}

/// A suborganization that was made: the result of `POST /organizations/suborganizations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewSuborganization {
    /// Its id.
    pub id: OrgId,
    /// Its name, for people.
    pub org_name: String,
    /// The name of its parent's tenant, for people.
    pub tenant_name: String,
    /// The organization that it belongs to.
    pub parent_id: OrgId,
    /// Its first API key, in plaintext. It is in this response only, and in a repeat of it under the same
    /// idempotency key.
    #[serde(with = "secret_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Secret"))]
    pub api_key: Secret,
}

/// A suborganization as its parent sees it: an item of `GET /organizations/suborganizations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suborganization {
    /// Its id.
    pub id: ResourceName,
    /// Its name, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub org_name: String,
    /// Those who administrate it, as the request that made it named them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub admins: Vec<SuborganizationAdmin>,
    /// When it was made (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// The result of `POST /v1/organizations`: the members of an [`Organization`] and its first key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewOrganization {
    /// The organization.
    #[serde(flatten)]
    pub organization: Organization,
    /// Its first API key, in plaintext. It is in this response only, and in a repeat of it under the same
    /// idempotency key.
    #[serde(with = "secret_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Secret"))]
    pub api_key: Secret,
    /// The enterprise domain that it was made with. Absent where the request has none, and where another
    /// organization took the domain while this one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_domain: Option<String>,
}

/// The body of `POST /v1/organizations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrganizationCreate {
    /// Its name: 1 to 256 characters, no control characters.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::ORG_NAME_CHARS_MAX)))]
    pub org_name: String,
    /// Its tenant's name, of the same form; `org_name` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::ORG_NAME_CHARS_MAX)))]
    pub tenant_name: Option<String>,
    /// The region that orders its writes; the answering node's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_region: Option<Region>,
    /// Its id; a new one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<OrgId>,
    /// Its enterprise domain: a DNS name, which no other organization has; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_domain: Option<String>,
}

/// A change of an organization: the body of `PATCH /v1/organizations/{organization_id}`, an object with
/// exactly one of these members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrganizationPatch {
    /// What a node without a valid lease does when a client secret is read.
    StaleSecrets(StaleSecrets),
    /// Its enterprise domain: a DNS name in lower case, which no other organization has.
    EnterpriseDomain(String),
}

/// A change of an organization's home: the body of `POST /v1/organizations/{organization_id}/move`, with
/// the members of [`OrganizationMoveBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "OrganizationMoveBody", try_from = "OrganizationMoveBody")]
pub enum OrganizationMove {
    /// To this region.
    To(Region),
    /// The move in progress is canceled.
    Cancel,
}

/// The JSON of an [`OrganizationMove`]: exactly one of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("oneOf" = super::exactly_one(&["home_region", "cancel"]))))]
pub struct OrganizationMoveBody {
    /// The new home region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_region: Option<Region>,
    /// Whether to cancel the move in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<bool>,
}

impl From<OrganizationMove> for OrganizationMoveBody {
    fn from(change: OrganizationMove) -> Self {
        match change {
            OrganizationMove::To(region) => Self { home_region: Some(region), cancel: None },
            OrganizationMove::Cancel => Self { home_region: None, cancel: Some(true) },
        }
    }
}

impl TryFrom<OrganizationMoveBody> for OrganizationMove {
    type Error = IdError;
    fn try_from(body: OrganizationMoveBody) -> Result<Self, IdError> {
        match (body.home_region, body.cancel.unwrap_or(false)) {
            (Some(region), false) => Ok(Self::To(region)),
            (None, true) => Ok(Self::Cancel),
            (_, _) => Err(IdError { kind: "move of an organization" }),
        }
    }
}

/// A key: an item of `GET /organizations/api-keys`. Its text is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKey {
    /// Its id, which the node drew. It is in no way secret.
    pub id: KeyId,
    /// A name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it may do.
    #[serde(default, deserialize_with = "null_as_default")]
    pub rights: Vec<OpenEnum<Right>>,
    /// When it was made (RFC 3339, UTC); absent for the organization's first key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// From when on it opens nothing (RFC 3339, UTC); absent if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether the request was made with it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub current: bool,
}

/// A key that was made: the result of `POST /organizations/api-keys` and of `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewApiKey {
    /// Its id.
    pub id: KeyId,
    /// The key itself, in plaintext. It is in this response only, and in a repeat of it under the same
    /// idempotency key.
    #[serde(with = "secret_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Secret"))]
    pub api_key: Secret,
    /// A name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it may do.
    #[serde(default, deserialize_with = "null_as_default")]
    pub rights: Vec<OpenEnum<Right>>,
    /// When it was made (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// From when on it opens nothing (RFC 3339, UTC); absent if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// The body of `POST /organizations/api-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiKeyCreate {
    /// What it may do: at least one right, and only rights that the caller's key has.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub rights: Vec<Right>,
    /// A name, for people: at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::KEY_LABEL_CHARS_MAX)))]
    pub label: Option<String>,
    /// From when on it opens nothing (RFC 3339); it does not expire by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}
