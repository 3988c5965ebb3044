//! The messages of requests, whatever they were encoded in. Nothing is checked yet: texts have any
//! length, and enums are numbers, which may have no name.
//!
//! None has `Debug`: they hold secrets.

use concordat_proto::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::message::{
    AutoLinkingOption, IdpFieldName, IdpOwnerType, IdpStylingType, OidcMappingField,
};

/// The length of an id, a name, an issuer or a client id, in characters.
pub(super) const TEXT_MAX: usize = 200;
/// Scopes of a generic provider.
pub(super) const SCOPES_MAX: usize = 20;
/// The length of one of them, in characters.
pub(super) const SCOPE_MAX: usize = 100;
/// The length of a generic provider's secret, in characters.
pub(super) const GENERIC_SECRET_MAX: usize = 1000;
/// The length of an older configuration's secret, in characters.
pub(super) const LEGACY_SECRET_MAX: usize = 200;
/// Providers of a page.
pub(super) const PAGE_MAX: u64 = 1000;
/// How a name is compared; the names are those of 0, 1 and so on.
pub(super) const METHOD: [&str; 8] = [
    "TEXT_QUERY_METHOD_EQUALS",
    "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE",
    "TEXT_QUERY_METHOD_STARTS_WITH",
    "TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE",
    "TEXT_QUERY_METHOD_CONTAINS",
    "TEXT_QUERY_METHOD_CONTAINS_IGNORE_CASE",
    "TEXT_QUERY_METHOD_ENDS_WITH",
    "TEXT_QUERY_METHOD_ENDS_WITH_IGNORE_CASE",
];

/// `GetProviderByIDRequest` and all others that name one object and nothing else.
pub(super) struct ById {
    /// Its id, in decimal digits.
    pub(super) id: String,
}

/// `AddGenericOIDCProviderRequest`, and with an id `UpdateGenericOIDCProviderRequest`.
#[derive(JsonSchema)]
#[schemars(rename = "ZitadelGenericOidcInput", rename_all = "camelCase")]
pub(super) struct GenericOidc {
    #[schemars(skip)]
    pub(super) id: String,
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) name: String,
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) issuer: String,
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) client_id: String,
    #[schemars(with = "Option<Secret>", length(max = GENERIC_SECRET_MAX))]
    pub(super) client_secret: Secret,
    #[schemars(
        default,
        length(max = SCOPES_MAX),
        inner(length(min = 1, max = SCOPE_MAX))
    )]
    pub(super) scopes: Vec<String>,
    #[schemars(default)]
    pub(super) provider_options: Options,
    #[schemars(default)]
    pub(super) is_id_token_mapping: bool,
    #[schemars(default)]
    pub(super) use_pkce: bool,
}

/// `zitadel.idp.v1.Options`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "ZitadelOptionsInput", rename_all = "camelCase")]
pub(super) struct Options {
    #[schemars(default)]
    pub(super) is_linking_allowed: bool,
    #[schemars(default)]
    pub(super) is_creation_allowed: bool,
    #[schemars(default)]
    pub(super) is_auto_creation: bool,
    #[schemars(default)]
    pub(super) is_auto_update: bool,
    #[schemars(default, with = "AutoLinkingOption")]
    pub(super) auto_linking: u64,
}

/// `AddOIDCIDPRequest` and `AddOrgOIDCIDPRequest`.
#[derive(JsonSchema)]
#[schemars(rename = "ZitadelIdpInput", rename_all = "camelCase")]
pub(super) struct AddLegacy {
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) name: String,
    #[schemars(default, with = "IdpStylingType")]
    pub(super) styling_type: u64,
    #[schemars(flatten)]
    pub(super) config: LegacyConfig,
    #[schemars(default)]
    pub(super) auto_register: bool,
}

/// `UpdateIDPOIDCConfigRequest` and `UpdateOrgIDPOIDCConfigRequest`.
#[derive(JsonSchema)]
#[schemars(rename = "ZitadelOidcConfigInput", rename_all = "camelCase")]
pub(super) struct UpdateLegacyConfig {
    #[schemars(skip)]
    pub(super) idp_id: String,
    #[schemars(flatten)]
    pub(super) config: LegacyConfig,
}

/// The fields that the two above have in common.
#[derive(JsonSchema)]
#[schemars(rename = "ZitadelLegacyConfigInput", rename_all = "camelCase")]
pub(super) struct LegacyConfig {
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) client_id: String,
    #[schemars(with = "Option<Secret>", length(max = LEGACY_SECRET_MAX))]
    pub(super) client_secret: Secret,
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) issuer: String,
    #[schemars(default, length(max = concordat_proto::limits::SCOPES_MAX))]
    pub(super) scopes: Vec<String>,
    #[schemars(default, with = "OidcMappingField")]
    pub(super) display_name_mapping: u64,
    #[schemars(default, with = "OidcMappingField")]
    pub(super) username_mapping: u64,
}

/// `UpdateIDPRequest` and `UpdateOrgIDPRequest`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ZitadelIdpChangeInput", rename_all = "camelCase")]
pub(super) struct UpdateLegacy {
    #[schemars(skip)]
    pub(super) idp_id: String,
    #[schemars(length(min = 1, max = TEXT_MAX))]
    pub(super) name: String,
    #[schemars(default, with = "IdpStylingType")]
    pub(super) styling_type: u64,
    #[schemars(default)]
    pub(super) auto_register: bool,
}

/// `ListProvidersRequest`, `ListIDPsRequest` and `ListOrgIDPsRequest`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ZitadelSearchInput", rename_all = "camelCase")]
pub(super) struct Search {
    #[schemars(default)]
    pub(super) query: ListQuery,
    /// The older calls only.
    #[schemars(default, with = "IdpFieldName")]
    pub(super) sorting_column: u64,
    #[schemars(default)]
    pub(super) queries: Vec<Query>,
}

/// `zitadel.v1.ListQuery`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "ZitadelListQueryInput", rename_all = "camelCase")]
pub(super) struct ListQuery {
    #[schemars(default)]
    pub(super) offset: u64,
    #[schemars(default, range(max = PAGE_MAX))]
    pub(super) limit: u64,
    #[schemars(default)]
    pub(super) asc: bool,
}

/// `ProviderQuery` and `IDPQuery`: one of these.
#[derive(Debug)]
pub(super) enum Query {
    /// None was given.
    Nothing,
    Id(String),
    Name {
        name: String,
        method: u64,
    },
    /// The management service only.
    OwnerType(u64),
}

impl JsonSchema for Query {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ZitadelQueryInput".into()
    }

    /// Each is an object of its own, by its name.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "maxLength": TEXT_MAX });
        let owner = generator.subschema_for::<IdpOwnerType>();
        let one = |name: &str, members: Schema| {
            json_schema!({
                "type": "object",
                "properties": { name: { "type": "object", "properties": members } },
                "required": [name],
            })
        };
        json_schema!({
            "oneOf": [
                one("idpIdQuery", json_schema!({ "id": text })),
                one("idpNameQuery", json_schema!({
                    "name": text,
                    "method": { "type": "string", "enum": METHOD },
                })),
                one("ownerTypeQuery", json_schema!({ "ownerType": owner })),
            ],
        })
    }
}
