//! A credential's bytes.

use super::mirror::{Blob, Text, V1Duration, V1Id, mirror_enum, mirror_struct};
use crate::{
    base::secret::Sealed,
    limits,
    records::{
        oidc::{
            AppleOptions, ClaimMapping, GenericOptions, OidcCredential, OidcOptions, OidcPatch,
            Provider, ProviderOptions,
        },
        scopes,
    },
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1Sealed for Sealed, check check_sealed { sealed_by: V1Id, bytes: Blob }
    V1AppleOptions for AppleOptions, check check_apple {
        private_key: Option<V1Sealed>,
        team_id: Text,
        key_id: Text,
        secret_lifetime: V1Duration,
    }
    V1GenericOptions for GenericOptions, check check_generic {
        issuer: Text,
        use_pkce: bool,
        is_id_token_mapping: bool,
        display_name_mapping: V1ClaimMapping,
        username_mapping: V1ClaimMapping,
        discovery_url: Option<Text>,
        authorization_endpoint: Option<Text>,
        token_endpoint: Option<Text>,
        userinfo_endpoint: Option<Text>,
    }
    V1OidcOptions for OidcOptions, check check_options {
        provider: V1Provider,
        scopes: Vec<Text>,
        specific: V1ProviderOptions,
    }
    V1OidcCredential for OidcCredential, check check_credential {
        client_id: Text,
        provider: V1Provider,
        client_secret: V1Sealed,
        label: Option<Text>,
        external_cred_id: Option<Text>,
        enable_in_authz_server: Option<bool>,
        options: V1OidcOptions,
        version: V1Id,
    }
    V1OidcPatch for OidcPatch, check check_patch {
        provider: Option<V1Provider>,
        client_secret: Option<V1Sealed>,
        label: Option<Text>,
        external_cred_id: Option<Text>,
        enable_in_authz_server: Option<bool>,
        options: Option<V1OidcOptions>,
    }
}

mirror_enum! {
    V1Provider for Provider {
        Google, Github, Bitbucket, Gitlab, Facebook, Line, Azuread, Okta, Apple, Oidc,
    }
    V1ProviderOptions for ProviderOptions {
        ScopesOnly,
        Azuread { tenant: Text },
        Okta { organization_url: Text },
        Apple(apple: V1AppleOptions),
        Oidc(generic: V1GenericOptions),
    }
    V1ClaimMapping for ClaimMapping { Unspecified, PreferredUsername, Email }
}

/// Whether a text is short enough to be a URL.
pub(in crate::wire) fn check_url(url: &str) -> Result<(), WireError> {
    ensure(url.len() <= limits::URL_BYTES_MAX, "URL")
}

fn check_generic(generic: &GenericOptions) -> Result<(), WireError> {
    let endpoints = [
        &generic.discovery_url,
        &generic.authorization_endpoint,
        &generic.token_endpoint,
        &generic.userinfo_endpoint,
    ];
    check_url(&generic.issuer)?;
    endpoints.into_iter().flatten().try_for_each(|url| check_url(url))
}

fn check_sealed(sealed: &Sealed) -> Result<(), WireError> {
    ensure(sealed.bytes.len() <= limits::SEALED_BYTES_MAX, "sealed secret")
}

fn check_apple(apple: &AppleOptions) -> Result<(), WireError> {
    ensure(AppleOptions::is_id(&apple.team_id), "team_id")?;
    ensure(AppleOptions::is_id(&apple.key_id), "key_id")?;
    ensure(
        (limits::APPLE_SECRET_LIFETIME_MIN..=limits::APPLE_SECRET_LIFETIME_MAX)
            .contains(&apple.secret_lifetime),
        "secret_lifetime",
    )
}

fn check_options(options: &OidcOptions) -> Result<(), WireError> {
    ensure(options.scopes.len() <= limits::EFFECTIVE_SCOPES_MAX, "number of scopes")?;
    ensure(options.scopes.iter().all(|scope| scopes::is_scope(scope)), "scope")?;
    match (&options.specific, options.provider) {
        (ProviderOptions::Azuread { tenant }, Provider::Azuread) => {
            let length = tenant.chars().count();
            ensure((1..=limits::TENANT_CHARS_MAX).contains(&length), "tenant")
        }
        (ProviderOptions::Okta { organization_url }, Provider::Okta) => {
            ensure(organization_url.len() <= limits::URL_BYTES_MAX, "organization_url")
        }
        (ProviderOptions::Apple(_), Provider::Apple)
        | (ProviderOptions::Oidc(_), Provider::Oidc) => Ok(()),
        (ProviderOptions::ScopesOnly, provider) => {
            ensure(provider.has_scopes_only(), "options of this provider")
        }
        (
            ProviderOptions::Azuread { .. }
            | ProviderOptions::Okta { .. }
            | ProviderOptions::Apple(_)
            | ProviderOptions::Oidc(_),
            _,
        ) => ensure(false, "options of this provider"),
    }
}

fn check_credential(credential: &OidcCredential) -> Result<(), WireError> {
    check_texts(credential.label.as_deref(), credential.external_cred_id.as_deref())?;
    let options = &credential.options;
    ensure(options.provider == credential.provider, "provider of the options")?;
    match &options.specific {
        ProviderOptions::Apple(apple) => ensure(apple.private_key.is_some(), "private_key"),
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Okta { .. }
        | ProviderOptions::Oidc(_) => Ok(()),
    }
}

fn check_patch(patch: &OidcPatch) -> Result<(), WireError> {
    check_texts(patch.label.as_deref(), patch.external_cred_id.as_deref())
}

fn check_texts(label: Option<&str>, external_cred_id: Option<&str>) -> Result<(), WireError> {
    let within = |text: Option<&str>, max| text.is_none_or(|text| text.chars().count() <= max);
    ensure(within(label, limits::LABEL_CHARS_MAX), "label")?;
    ensure(within(external_cred_id, limits::EXTERNAL_CRED_ID_CHARS_MAX), "external_cred_id")
}
