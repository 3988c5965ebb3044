//! The messages of requests, from their fields. Nothing is checked here; the names of fields are those of the
//! description, and a field that a service does not have is never given.

use super::{
    fields::Fields,
    request::{
        AddLegacy, ById, GenericOidc, LegacyConfig, ListQuery, Options, Query, Search,
        UpdateLegacy, UpdateLegacyConfig,
    },
};

/// The id of a request that has no other field: the older calls name it otherwise.
pub(super) fn by_id(mut fields: Fields) -> ById {
    let (id, idp_id) = (fields.text("id"), fields.text("idp_id"));
    ById { id: if id.is_empty() { idp_id } else { id } }
}

/// A new provider has no id.
pub(super) fn generic_oidc(mut fields: Fields) -> GenericOidc {
    GenericOidc {
        id: fields.text("id"),
        name: fields.text("name"),
        issuer: fields.text("issuer"),
        client_id: fields.text("client_id"),
        client_secret: fields.secret("client_secret"),
        scopes: fields.texts("scopes"),
        provider_options: fields.message("provider_options").map(options).unwrap_or_default(),
        is_id_token_mapping: fields.flag("is_id_token_mapping"),
        use_pkce: fields.flag("use_pkce"),
    }
}

fn options(mut fields: Fields) -> Options {
    Options {
        is_linking_allowed: fields.flag("is_linking_allowed"),
        is_creation_allowed: fields.flag("is_creation_allowed"),
        is_auto_creation: fields.flag("is_auto_creation"),
        is_auto_update: fields.flag("is_auto_update"),
        auto_linking: fields.enumeration("auto_linking"),
    }
}

/// A new configuration.
pub(super) fn add_legacy(mut fields: Fields) -> AddLegacy {
    AddLegacy {
        name: fields.text("name"),
        styling_type: fields.enumeration("styling_type"),
        config: legacy_config(&mut fields),
        auto_register: fields.flag("auto_register"),
    }
}

/// Other settings of a configuration.
pub(super) fn update_legacy_config(mut fields: Fields) -> UpdateLegacyConfig {
    UpdateLegacyConfig { idp_id: fields.text("idp_id"), config: legacy_config(&mut fields) }
}

fn legacy_config(fields: &mut Fields) -> LegacyConfig {
    LegacyConfig {
        client_id: fields.text("client_id"),
        client_secret: fields.secret("client_secret"),
        issuer: fields.text("issuer"),
        scopes: fields.texts("scopes"),
        display_name_mapping: fields.enumeration("display_name_mapping"),
        username_mapping: fields.enumeration("username_mapping"),
    }
}

/// Another name and look of a configuration.
pub(super) fn update_legacy(mut fields: Fields) -> UpdateLegacy {
    UpdateLegacy {
        idp_id: fields.text("idp_id"),
        name: fields.text("name"),
        styling_type: fields.enumeration("styling_type"),
        auto_register: fields.flag("auto_register"),
    }
}

/// Only the older calls have a column.
pub(super) fn search(mut fields: Fields) -> Search {
    let query = fields.message("query").map(|mut fields| ListQuery {
        offset: fields.number("offset"),
        limit: fields.number("limit"),
        asc: fields.flag("asc"),
    });
    Search {
        query: query.unwrap_or_default(),
        sorting_column: fields.enumeration("sorting_column"),
        queries: fields.messages("queries").into_iter().map(self::query).collect(),
    }
}

/// One of these at most. Only the management service knows owners.
fn query(mut fields: Fields) -> Query {
    if let Some(mut query) = fields.message("idp_id_query") {
        return Query::Id(query.text("id"));
    }
    if let Some(mut query) = fields.message("idp_name_query") {
        return Query::Name { name: query.text("name"), method: query.enumeration("method") };
    }
    match fields.message("owner_type_query") {
        Some(mut query) => Query::OwnerType(query.enumeration("owner_type")),
        None => Query::Nothing,
    }
}
