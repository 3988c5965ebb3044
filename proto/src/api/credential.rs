//! OIDC credentials: `/organizations/sso/oidc/provider-credentials`; and to which of them a dialect that knows
//! one is bound: `/v1/bindings/{binding}`.
//!
//! Only the shape is here. What a value may be, which defaults are filled in and how a request is refused
//! is the dialect's.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{OpenEnum, lenient::null_as_default, secret_text};
use crate::{
    base::{id::ClientId, schema::text_schema, secret::Secret},
    records::{
        oidc::{ClaimMapping, Provider},
        registration::Binding as DialectBinding,
    },
};

/// What stands in the place of a private key in a response, and in a change that keeps the stored one.
pub const REDACTED: &str = "[redacted]";

/// A credential as it is shown, never with its secret: the result of `GET …/{oauth_client_id}`, and an item
/// of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OidcCredential {
    /// The OAuth client id, unique in its organization.
    pub client_id: ClientId,
    /// The identity provider.
    #[serde(default, deserialize_with = "null_as_default")]
    pub provider: OpenEnum<Provider>,
    /// A name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// An external credential's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_cred_id: Option<String>,
    /// Whether the authorization server may use it.
    #[serde(
        rename = "enable_in_slashid_oidc_authz_server",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_in_authz_server: Option<bool>,
    /// The options of its provider, defaults filled in.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub options: OptionsByProvider,
}

/// Options under their provider's name: one entry.
pub type OptionsByProvider = BTreeMap<OpenEnum<Provider>, ProviderOptions>;

/// The options of a request, for its schema: known are the providers' names, and null is absent.
#[cfg(feature = "schema")]
struct RequestedOptions;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RequestedOptions {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequestedOptions".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let options = generator.subschema_for::<Option<ProviderOptions>>().to_value();
        let members = Provider::ALL.map(|provider| (provider.to_string(), options.clone()));
        let members: serde_json::Map<_, _> = members.into_iter().collect();
        schemars::json_schema!({ "type": "object", "properties": members })
    }
}

/// The options of one provider, in requests and in responses. A request gives what it sets; a response
/// holds what is in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderOptions {
    /// The scopes to request. A response also holds those that are always requested.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::EFFECTIVE_SCOPES_MAX),
        inner(length(min = 1, max = crate::limits::SCOPE_CHARS_MAX))))]
    pub authorize_scopes: Vec<String>,
    /// Azure AD's: a GUID, a domain, `common`, `organizations` or `consumers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Okta's: the organization's https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub organization_url: Option<String>,
    /// Apple's: the private key, PKCS#8 PEM, in a request only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKey>,
    /// Apple's: the team id, 10 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9]{10}$")))]
    pub team_id: Option<String>,
    /// Apple's: the key id, 10 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9]{10}$")))]
    pub key_id: Option<String>,
    /// Apple's: the lifetime of generated client secrets, a Go duration such as `24h0m0s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_lifetime: Option<String>,
    /// Those of a provider of kind `oidc`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub generic: Option<GenericOptions>,
}

/// The options of an OpenID provider that is none of the named ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenericOptions {
    /// The issuer: an https URL, or an http URL of the machine itself.
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub issuer: String,
    /// Whether requests use PKCE.
    #[serde(default, deserialize_with = "null_as_default")]
    pub use_pkce: bool,
    /// Whether user data are read from the id token.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_id_token_mapping: bool,
    /// The claim that the display name is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name_mapping: Option<OpenEnum<ClaimMapping>>,
    /// The claim that the user name is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_mapping: Option<OpenEnum<ClaimMapping>>,
    /// The URL of the discovery document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub discovery_url: Option<String>,
    /// The URL of the authorization endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub authorization_endpoint: Option<String>,
    /// The URL of the token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub token_endpoint: Option<String>,
    /// The URL of the user info endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::URL_BYTES_MAX)))]
    pub userinfo_endpoint: Option<String>,
}

/// Apple's private key in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateKey {
    /// The stored one, which is not shown. In a request: it is kept, which only a change may ask for.
    Redacted,
    /// A new one.
    New(Secret),
}

text_schema!(PrivateKey, { "format": "password", "maxLength": crate::limits::PRIVATE_KEY_BYTES_MAX });

impl Serialize for PrivateKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Redacted => serializer.serialize_str(REDACTED),
            Self::New(key) => secret_text::serialize(key, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PrivateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = secret_text::deserialize(deserializer)?;
        Ok(if key.expose() == REDACTED { Self::Redacted } else { Self::New(key) })
    }
}

/// The body of `POST /organizations/sso/oidc/provider-credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialCreate {
    /// The OAuth client id.
    pub client_id: ClientId,
    /// The client secret, at most 4096 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CLIENT_SECRET_BYTES_MAX)))]
    #[serde(with = "secret_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Secret"))]
    pub client_secret: Secret,
    /// The identity provider.
    pub provider: Provider,
    /// A name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::LABEL_CHARS_MAX)))]
    pub label: Option<String>,
    /// An external credential's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::EXTERNAL_CRED_ID_CHARS_MAX)))]
    pub external_cred_id: Option<String>,
    /// Whether the authorization server may use it.
    #[serde(
        rename = "enable_in_slashid_oidc_authz_server",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_in_authz_server: Option<bool>,
    /// The provider's options; its defaults if they are absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RequestedOptions>"))]
    pub options: Option<OptionsByProvider>,
}

/// The body of `PATCH …/{oauth_client_id}`: what is present is set, what is absent or null is left as it
/// is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialPatch {
    /// A new client secret, at most 4096 bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CLIENT_SECRET_BYTES_MAX)))]
    #[serde(default, with = "secret_text::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Secret>"))]
    pub client_secret: Option<Secret>,
    /// The provider as the caller knows it; another one than the stored one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// A new name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::LABEL_CHARS_MAX)))]
    pub label: Option<String>,
    /// A new external credential's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::EXTERNAL_CRED_ID_CHARS_MAX)))]
    pub external_cred_id: Option<String>,
    /// Whether the authorization server may use it.
    #[serde(
        rename = "enable_in_slashid_oidc_authz_server",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_in_authz_server: Option<bool>,
    /// New options; they replace the stored ones as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RequestedOptions>"))]
    pub options: Option<OptionsByProvider>,
}

/// A client secret in plaintext: the result of `GET …/{oauth_client_id}/client-secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientSecret {
    /// The credential that it belongs to.
    pub client_id: ClientId,
    /// The secret. For Apple it is a token that was generated just now.
    #[serde(with = "secret_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Secret"))]
    pub client_secret: Secret,
    /// When it expires (RFC 3339, UTC); absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// The result of `GET /v1/bindings/{binding}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Binding {
    /// The dialect's name.
    pub binding: DialectBinding,
    /// The credential that it knows.
    pub client_id: ClientId,
}

/// The body of `PUT /v1/bindings/{binding}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BindingSet {
    /// The credential that the dialect is to know.
    pub client_id: ClientId,
}
