//! Sets of policies, and the test of what they decide: `/v1/policies`, `/organizations/policies`.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    base::{id::OrgId, region::Region},
    consistency::RequiredConsistency,
    records::key::Right,
};

/// The result of `GET /v1/policies` and of `GET /organizations/policies`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Policies {
    /// The set, in the language Cedar; empty where none was set.
    #[serde(default)]
    pub policies: String,
    /// Counts the cluster-wide sets; 0 where none was ever set. Absent for an organization's own set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The default set, which is always in force. Absent for an organization's own set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policies: Option<String>,
    /// The schema that a set must fit. Absent for an organization's own set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// The body of `PUT /v1/policies` and of `PUT /organizations/policies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoliciesSet {
    /// The set, in the language Cedar. An empty one has no policies.
    pub policies: String,
}

/// The body of `POST /v1/policies/test`: a request that is decided, and not carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyTest {
    /// The operation, by its name in metrics.
    pub operation: String,
    /// The organization whose key asks, or that an operator's request is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrgId>,
    /// The rights of the key that asks: `read`, `write`, `secrets:read`, `admin`. Absent for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<Right>>,
    /// The credential that the request is about: its client id, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// The kind of that credential: `oidc` (the default), `saml` or `external`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_kind: Option<String>,
    /// The region of the node that is asked; that of this node by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The required consistency; `local_region` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_consistency: Option<RequiredConsistency>,
    /// The address that the request comes from; that of this request by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<IpAddr>,
    /// When the request is made, in RFC 3339; now by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub time: Option<String>,
    /// A cluster-wide set to be tried in place of the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<String>,
    /// An organization's own set to be tried in place of the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_policies: Option<String>,
}

/// The result of `POST /v1/policies/test`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyVerdict {
    /// Whether the request would be allowed.
    #[serde(default)]
    pub allowed: bool,
    /// The policies that determine this: those that permit it, or those that forbid it. Empty where nothing
    /// permits it.
    #[serde(default)]
    pub determining: Vec<PolicyName>,
    /// What the caller would be shown.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The policies that could not be evaluated, which denies the request.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// The name of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyName {
    /// Its set: `default`, `cluster` or `organization`.
    pub set: String,
    /// Its `@id`, or `policy` and its place in the set, counted from 0.
    pub id: String,
}
