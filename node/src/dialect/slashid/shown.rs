//! What of a credential is shown: never a secret, but to a caller that asks for one (contract 4).

use concordat_proto::{
    duration::format_go_duration,
    id::ClientId,
    oidc::{OidcCredential, OidcOptions, ProviderOptions},
    secret::Secret,
    time::LogTime,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::{clock::Stamp, dialect::common::envelope::raw};

/// What stands in the place of a private key, in answers and in changes that keep it.
pub(super) const REDACTED: &str = "[redacted]";

#[derive(Serialize)]
struct Credential<'a> {
    client_id: &'a str,
    provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_cred_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_in_slashid_oidc_authz_server: Option<bool>,
    options: Options<'a>,
}

/// One member, named after the provider.
struct Options<'a>(&'a OidcOptions);

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0.provider.as_str(), &SubObject::from(self.0))?;
        map.end()
    }
}

#[derive(Serialize, Default)]
struct SubObject<'a> {
    authorize_scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_lifetime: Option<String>,
}

impl<'a> From<&'a OidcOptions> for SubObject<'a> {
    fn from(options: &'a OidcOptions) -> Self {
        let scopes_only = Self { authorize_scopes: &options.scopes, ..Self::default() };
        match &options.specific {
            ProviderOptions::ScopesOnly => scopes_only,
            ProviderOptions::Azuread { tenant } => Self { tenant: Some(tenant), ..scopes_only },
            ProviderOptions::Okta { organization_url } => {
                Self { organization_url: Some(organization_url), ..scopes_only }
            }
            ProviderOptions::Apple(apple) => {
                let lifetime = i64::try_from(apple.secret_lifetime.as_nanos()).unwrap_or(i64::MAX);
                Self {
                    private_key: Some(REDACTED),
                    team_id: Some(&apple.team_id),
                    key_id: Some(&apple.key_id),
                    secret_lifetime: Some(format_go_duration(lifetime)),
                    ..scopes_only
                }
            }
        }
    }
}

/// A credential's object, as it stands in lists and alone.
pub(super) fn credential(credential: &OidcCredential) -> Box<RawValue> {
    raw(&object(credential))
}

/// A list of them.
pub(super) fn credentials(credentials: &[OidcCredential]) -> Box<RawValue> {
    raw(&credentials.iter().map(object).collect::<Vec<_>>())
}

fn object(credential: &OidcCredential) -> Credential<'_> {
    Credential {
        client_id: credential.client_id.as_str(),
        provider: credential.provider.as_str(),
        label: credential.label.as_deref(),
        external_cred_id: credential.external_cred_id.as_deref(),
        enable_in_slashid_oidc_authz_server: credential.enable_in_authz_server,
        options: Options(&credential.options),
    }
}

#[derive(Serialize)]
struct ClientSecret<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// A client secret in the clear, for a caller that may read it.
pub(super) fn client_secret(
    client_id: &ClientId,
    secret: &Secret,
    expires_at: Option<LogTime>,
) -> Box<RawValue> {
    raw(&ClientSecret {
        client_id: client_id.as_str(),
        client_secret: secret.expose(),
        expires_at: expires_at.map(|time| Stamp(time).to_string()),
    })
}
