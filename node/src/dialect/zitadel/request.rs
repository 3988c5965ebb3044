//! The messages of requests, whatever they were encoded in. Nothing is checked yet: texts have any
//! length, and enums are numbers, which may have no name.
//!
//! None has `Debug`: they hold secrets.

use concordat_proto::secret::Secret;

/// `GetProviderByIDRequest` and all others that name one object and nothing else.
pub(super) struct ById {
    /// Its id, in decimal digits.
    pub(super) id: String,
}

/// `AddGenericOIDCProviderRequest`, and with an id `UpdateGenericOIDCProviderRequest`.
pub(super) struct GenericOidc {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) scopes: Vec<String>,
    pub(super) provider_options: Options,
    pub(super) is_id_token_mapping: bool,
    pub(super) use_pkce: bool,
}

/// `zitadel.idp.v1.Options`.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) is_linking_allowed: bool,
    pub(super) is_creation_allowed: bool,
    pub(super) is_auto_creation: bool,
    pub(super) is_auto_update: bool,
    pub(super) auto_linking: u64,
}

/// `AddOIDCIDPRequest` and `AddOrgOIDCIDPRequest`.
pub(super) struct AddLegacy {
    pub(super) name: String,
    pub(super) styling_type: u64,
    pub(super) config: LegacyConfig,
    pub(super) auto_register: bool,
}

/// `UpdateIDPOIDCConfigRequest` and `UpdateOrgIDPOIDCConfigRequest`.
pub(super) struct UpdateLegacyConfig {
    pub(super) idp_id: String,
    pub(super) config: LegacyConfig,
}

/// The fields that the two above have in common.
pub(super) struct LegacyConfig {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) issuer: String,
    pub(super) scopes: Vec<String>,
    pub(super) display_name_mapping: u64,
    pub(super) username_mapping: u64,
}

/// `UpdateIDPRequest` and `UpdateOrgIDPRequest`.
#[derive(Debug)]
pub(super) struct UpdateLegacy {
    pub(super) idp_id: String,
    pub(super) name: String,
    pub(super) styling_type: u64,
    pub(super) auto_register: bool,
}

/// `ListProvidersRequest`, `ListIDPsRequest` and `ListOrgIDPsRequest`.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) query: ListQuery,
    /// The older calls only.
    pub(super) sorting_column: u64,
    pub(super) queries: Vec<Query>,
}

/// `zitadel.v1.ListQuery`.
#[derive(Debug, Default)]
pub(super) struct ListQuery {
    pub(super) offset: u64,
    pub(super) limit: u64,
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
