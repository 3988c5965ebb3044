//! Resources of an organization beside its OIDC credentials: SAML credentials
//! (`/organizations/sso/saml/provider-credentials`), external credentials
//! (`/organizations/config/external-credentials`) and attributes (`/organizations/attributes`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{OpenEnum, lenient::null_as_default};
use crate::{
    base::id::OrgId,
    records::resource::{ExternalProvider, ExternalType, ResourceName},
};

/// A SAML credential: the result of `GET …/{id}`, an item of the list, and the result of its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlCredential {
    /// Its id, which the node drew.
    pub id: ResourceName,
    /// Where the identity provider's metadata are: an absolute http or https URL.
    #[serde(default, deserialize_with = "null_as_default")]
    pub idp_metadata_url: String,
    /// A name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The claims that hold an email address: at most 3.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub email_claims: Vec<String>,
    /// Whether the authorization server may use it.
    #[serde(
        default,
        rename = "enable_in_slashid_oidc_authz_server",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_in_authz_server: Option<bool>,
}

/// The body of `POST /organizations/sso/saml/provider-credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlCreate {
    /// Where the identity provider's metadata are: an absolute http or https URL.
    pub idp_metadata_url: String,
    /// What may be left out.
    #[serde(flatten)]
    pub members: SamlMembers,
}

/// The body of `PATCH …/{id}`: what is present is set, what is absent or null is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlPatch {
    /// Where the identity provider's metadata are: an absolute http or https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_metadata_url: Option<String>,
    /// The other members.
    #[serde(flatten)]
    pub members: SamlMembers,
}

/// The members of a SAML credential that may be left out of a creation and of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlMembers {
    /// A name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The claims that hold an email address: at most 3, none empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::EMAIL_CLAIMS_MAX),
        inner(length(min = 1, max = crate::limits::EMAIL_CLAIM_CHARS_MAX))))]
    pub email_claims: Option<Vec<String>>,
    /// Whether the authorization server may use it.
    #[serde(
        rename = "enable_in_slashid_oidc_authz_server",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_in_authz_server: Option<bool>,
}

/// An external credential: an item of the list, without its object, or the result of `GET …/{cred_id}`,
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalCredential {
    /// Its id, which the node drew.
    pub external_cred_id: ResourceName,
    /// The organization.
    pub organization_id: OrgId,
    /// Whose service.
    #[serde(default, deserialize_with = "null_as_default")]
    pub extcred_provider: OpenEnum<ExternalProvider>,
    /// What it is made of.
    #[serde(default, deserialize_with = "null_as_default")]
    pub extcred_type: OpenEnum<ExternalType>,
    /// A name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extcred_label: Option<String>,
    /// The secret itself: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "object_schema"))]
    pub json_blob: Option<JsonText>,
}

/// The body of `POST /organizations/config/external-credentials`. Its answer is an array of one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalCreate {
    /// Whose service.
    pub extcred_provider: ExternalProvider,
    /// What it is made of.
    pub extcred_type: ExternalType,
    /// A name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extcred_label: Option<String>,
    /// The secret itself: a JSON object.
    #[cfg_attr(feature = "schema", schemars(schema_with = "object_schema"))]
    pub json_blob: JsonText,
}

/// The body of `PATCH …/{cred_id}`: what is absent or null is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalPatch {
    /// A new name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extcred_label: Option<String>,
    /// A new secret: a JSON object, which replaces the stored one as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "object_schema"))]
    pub json_blob: Option<JsonText>,
}

/// An attribute: the result of `GET …/{name}`. Items of the list have no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attribute {
    /// Its name: at most 70 bytes.
    pub name: ResourceName,
    /// Its value: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<JsonText>,
}

/// The body of `PUT /organizations/attributes/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttributeSet {
    /// The value: any JSON but `null`.
    pub value: JsonText,
}

/// A JSON value, kept as its text. It may be a secret: its `Debug` shows the length alone.
#[derive(Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Checks and wraps.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn new(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self)
    }

    /// The JSON of a value.
    ///
    /// # Errors
    /// When the value has no JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value.
    ///
    /// # Errors
    /// When the value is not one of this type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonText {}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.as_str().len())
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

#[cfg(feature = "schema")]
fn object_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object" })
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for JsonText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonText".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Any JSON but `null`, which is the same as an absent member.
        schemars::json_schema!({
            "type": ["object", "array", "string", "number", "boolean"],
        })
    }
}
