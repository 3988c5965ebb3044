//! What of a record is shown: never a secret (contract 4 and 7).

use concordat_proto::{
    duration::format_go_duration,
    oidc::{OidcCredential, OidcOptions, ProviderOptions},
    org::{Org, OrgSettings},
    region::Region,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{REDACTED, envelope::to_json};

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
pub(super) fn credential(credential: &OidcCredential) -> Vec<u8> {
    to_json(&Credential {
        client_id: credential.client_id.as_str(),
        provider: credential.provider.as_str(),
        label: credential.label.as_deref(),
        external_cred_id: credential.external_cred_id.as_deref(),
        enable_in_slashid_oidc_authz_server: credential.enable_in_authz_server,
        options: Options(&credential.options),
    })
}

/// An organisation; its key is there only in the answer that creates it.
#[derive(Serialize)]
pub(super) struct Organization<'a> {
    id: String,
    org_name: &'a str,
    tenant_name: &'a str,
    home_region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    moving_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_secrets: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

impl<'a> Organization<'a> {
    pub(super) fn new(org: &'a Org, api_key: Option<&'a str>) -> Self {
        Self {
            id: org.id.to_string(),
            org_name: &org.org_name,
            tenant_name: &org.tenant_name,
            home_region: org.home_region.as_str(),
            moving_to: None,
            stale_secrets: None,
            api_key,
        }
    }

    pub(super) fn settings(self, settings: Option<&OrgSettings>) -> Self {
        let stale_secrets = settings.map(|settings| settings.stale_secrets.as_str());
        Self { stale_secrets, ..self }
    }

    pub(super) fn moving_to(self, region: Option<&'a Region>) -> Self {
        Self { moving_to: region.map(Region::as_str), ..self }
    }
}
