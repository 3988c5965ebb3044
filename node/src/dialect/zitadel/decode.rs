//! The messages of requests, from the fields of JSON. Nothing is checked here but types.

use super::{
    fields::Fields,
    request::{
        AddLegacy, GenericOidc, LegacyConfig, ListQuery, Options, Query, Search, UpdateLegacy,
        UpdateLegacyConfig,
    },
    service::Service,
};
use crate::{api::outcome::Malformed, dialect::common::malformed};

const AUTO_LINKING: [&str; 3] = [
    "AUTO_LINKING_OPTION_UNSPECIFIED",
    "AUTO_LINKING_OPTION_USERNAME",
    "AUTO_LINKING_OPTION_EMAIL",
];
const STYLING: [&str; 2] = ["STYLING_TYPE_UNSPECIFIED", "STYLING_TYPE_GOOGLE"];
const MAPPING: [&str; 3] = [
    "OIDC_MAPPING_FIELD_UNSPECIFIED",
    "OIDC_MAPPING_FIELD_PREFERRED_USERNAME",
    "OIDC_MAPPING_FIELD_EMAIL",
];
const COLUMN: [&str; 2] = ["IDP_FIELD_NAME_UNSPECIFIED", "IDP_FIELD_NAME_NAME"];
const OWNER: [&str; 3] =
    ["IDP_OWNER_TYPE_UNSPECIFIED", "IDP_OWNER_TYPE_SYSTEM", "IDP_OWNER_TYPE_ORG"];
const METHOD: [&str; 8] = [
    "TEXT_QUERY_METHOD_EQUALS",
    "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE",
    "TEXT_QUERY_METHOD_STARTS_WITH",
    "TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE",
    "TEXT_QUERY_METHOD_CONTAINS",
    "TEXT_QUERY_METHOD_CONTAINS_IGNORE_CASE",
    "TEXT_QUERY_METHOD_ENDS_WITH",
    "TEXT_QUERY_METHOD_ENDS_WITH_IGNORE_CASE",
];

/// Of the body. The id is the path's, whatever the body says; a new provider has none.
pub(super) fn generic_oidc(id: String, mut fields: Fields) -> Result<GenericOidc, Malformed> {
    Ok(GenericOidc {
        id,
        name: fields.text("name")?,
        issuer: fields.text("issuer")?,
        client_id: fields.text("clientId")?,
        client_secret: fields.secret("clientSecret")?,
        scopes: fields.texts("scopes")?,
        provider_options: match fields.message("providerOptions")? {
            Some(options) => self::options(options)?,
            None => Options::default(),
        },
        is_id_token_mapping: fields.flag("isIdTokenMapping")?,
        use_pkce: fields.flag("usePkce")?,
    })
}

fn options(mut fields: Fields) -> Result<Options, Malformed> {
    Ok(Options {
        is_linking_allowed: fields.flag("isLinkingAllowed")?,
        is_creation_allowed: fields.flag("isCreationAllowed")?,
        is_auto_creation: fields.flag("isAutoCreation")?,
        is_auto_update: fields.flag("isAutoUpdate")?,
        auto_linking: fields.enumeration("autoLinking", &AUTO_LINKING)?,
    })
}

/// Of the body.
pub(super) fn add_legacy(mut fields: Fields) -> Result<AddLegacy, Malformed> {
    Ok(AddLegacy {
        name: fields.text("name")?,
        styling_type: fields.enumeration("stylingType", &STYLING)?,
        config: legacy_config(&mut fields)?,
        auto_register: fields.flag("autoRegister")?,
    })
}

/// Of the body, with the path's id.
pub(super) fn update_legacy_config(
    idp_id: String,
    mut fields: Fields,
) -> Result<UpdateLegacyConfig, Malformed> {
    Ok(UpdateLegacyConfig { idp_id, config: legacy_config(&mut fields)? })
}

fn legacy_config(fields: &mut Fields) -> Result<LegacyConfig, Malformed> {
    Ok(LegacyConfig {
        client_id: fields.text("clientId")?,
        client_secret: fields.secret("clientSecret")?,
        issuer: fields.text("issuer")?,
        scopes: fields.texts("scopes")?,
        display_name_mapping: fields.enumeration("displayNameMapping", &MAPPING)?,
        username_mapping: fields.enumeration("usernameMapping", &MAPPING)?,
    })
}

/// Of the body, with the path's id.
pub(super) fn update_legacy(idp_id: String, mut fields: Fields) -> Result<UpdateLegacy, Malformed> {
    Ok(UpdateLegacy {
        idp_id,
        name: fields.text("name")?,
        styling_type: fields.enumeration("stylingType", &STYLING)?,
        auto_register: fields.flag("autoRegister")?,
    })
}

/// Of the body. Only the older calls have a column.
pub(super) fn search(
    service: Service,
    has_column: bool,
    mut fields: Fields,
) -> Result<Search, Malformed> {
    let query = match fields.message("query")? {
        Some(mut fields) => ListQuery {
            offset: fields.number("offset", 64)?,
            limit: fields.number("limit", 32)?,
            asc: fields.flag("asc")?,
        },
        None => ListQuery::default(),
    };
    let sorting_column =
        if has_column { fields.enumeration("sortingColumn", &COLUMN)? } else { 0 };
    let queries = fields.messages("queries")?;
    let queries = queries.into_iter().map(|query| self::query(service, query));
    Ok(Search { query, sorting_column, queries: queries.collect::<Result<_, _>>()? })
}

fn query(service: Service, mut fields: Fields) -> Result<Query, Malformed> {
    let mut found = Vec::new();
    if let Some(mut query) = fields.message("idpIdQuery")? {
        found.push(Query::Id(query.text("id")?));
    }
    if let Some(mut query) = fields.message("idpNameQuery")? {
        let (name, method) = (query.text("name")?, query.enumeration("method", &METHOD)?);
        found.push(Query::Name { name, method });
    }
    // Of another service it is an unknown field.
    if service == Service::Management
        && let Some(mut query) = fields.message("ownerTypeQuery")?
    {
        found.push(Query::OwnerType(query.enumeration("ownerType", &OWNER)?));
    }
    match found.len() {
        0 | 1 => Ok(found.pop().unwrap_or(Query::Nothing)),
        _ => Err(malformed("a query may be one of idpIdQuery, idpNameQuery and ownerTypeQuery")),
    }
}
