//! The messages of responses, and their JSON mapping: names in lowerCamelCase, fields with their zero
//! value left out, enums by name, 64-bit numbers as texts, times in RFC 3339.
//!
//! No message has a field for a secret.

use concordat_proto::time::LogTime;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::clock::Stamp;

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `uint64`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub(super) struct Uint64(
    #[schemars(with = "String", regex(pattern = "^[0-9]{1,20}$"))] pub(super) u64,
);

impl Serialize for Uint64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// `google.protobuf.Timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub(super) struct Timestamp(
    #[schemars(with = "String", extend("format" = "date-time"))] pub(super) LogTime,
);

impl Serialize for Timestamp {
    /// With no digit of a second's fraction, or three.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Stamp(self.0).to_string();
        let whole = text.strip_suffix('Z').and_then(|text| text.split_once('.'));
        match whole {
            Some((second, fraction)) => {
                serializer.collect_str(&format_args!("{second}.{fraction:0<3}Z"))
            }
            None => serializer.serialize_str(&text),
        }
    }
}

/// `zitadel.v1.ObjectDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelObjectDetails")]
pub(super) struct ObjectDetails {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) sequence: Uint64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) creation_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) change_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) resource_owner: String,
}

/// `zitadel.v1.ListDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelListDetails")]
pub(super) struct ListDetails {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) total_result: Uint64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) processed_sequence: Uint64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) view_timestamp: Option<Timestamp>,
}

/// The response to every write: `idp_id` or `id` where it has made something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelWritten")]
pub(super) struct Written {
    /// `RemoveOrgIDPResponse` alone has none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) details: Option<ObjectDetails>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) idp_id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) id: String,
}

/// `GetIDPByIDResponse`, `GetOrgIDPByIDResponse` and `GetProviderByIDResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ZitadelFound_{T}")]
pub(super) struct Found<T> {
    pub(super) idp: T,
}

/// `ListIDPsResponse`, `ListOrgIDPsResponse` and `ListProvidersResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelListed_{T}")]
pub(super) struct Listed<T> {
    pub(super) details: ListDetails,
    /// The older calls only.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) sorting_column: IdpFieldName,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) result: Vec<T>,
}

/// `zitadel.idp.v1.IDP`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelIdp")]
pub(super) struct Idp {
    pub(super) id: String,
    pub(super) details: ObjectDetails,
    pub(super) state: IdpState,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) styling_type: IdpStylingType,
    pub(super) owner: IdpOwnerType,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) oidc_config: Option<OidcConfig>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) auto_register: bool,
}

/// `zitadel.idp.v1.OIDCConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelOidcConfig")]
pub(super) struct OidcConfig {
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) issuer: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) display_name_mapping: OidcMappingField,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) username_mapping: OidcMappingField,
}

/// `zitadel.idp.v1.Provider`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ZitadelProvider")]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) details: ObjectDetails,
    pub(super) state: IdpState,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) name: String,
    pub(super) owner: IdpOwnerType,
    #[serde(rename = "type")]
    pub(super) kind: ProviderType,
    pub(super) config: ProviderConfig,
}

/// `zitadel.idp.v1.ProviderConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ZitadelProviderConfig")]
pub(super) struct ProviderConfig {
    pub(super) options: Options,
    #[serde(flatten)]
    pub(super) config: Config,
}

/// The config of a provider of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelConfig")]
pub(super) enum Config {
    Google(ClientConfig),
    Oauth(ClientConfig),
    Oidc(GenericOidcConfig),
    Github(ClientConfig),
    Gitlab(ClientConfig),
    AzureAd(AzureAdConfig),
    Apple(AppleConfig),
}

/// `GoogleConfig`, `GitHubConfig`, `GitLabConfig`; of `OAuthConfig` the fields that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelClientConfig")]
pub(super) struct ClientConfig {
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
}

/// `zitadel.idp.v1.GenericOIDCConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelGenericOidcConfig")]
pub(super) struct GenericOidcConfig {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) issuer: String,
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_id_token_mapping: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) use_pkce: bool,
}

/// `zitadel.idp.v1.AzureADConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelAzureAdConfig")]
pub(super) struct AzureAdConfig {
    pub(super) client_id: String,
    pub(super) tenant: AzureAdTenant,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
}

/// `zitadel.idp.v1.AzureADTenant`: one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelAzureAdTenant")]
pub(super) enum AzureAdTenant {
    TenantType(AzureAdTenantType),
    TenantId(String),
}

/// `zitadel.idp.v1.AppleConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelAppleConfig")]
pub(super) struct AppleConfig {
    pub(super) client_id: String,
    pub(super) team_id: String,
    pub(super) key_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
}

/// `zitadel.idp.v1.Options`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ZitadelOptions")]
pub(super) struct Options {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_linking_allowed: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_creation_allowed: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_auto_creation: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) is_auto_update: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) auto_linking: AutoLinkingOption,
}

/// An enum by its published names and numbers; the first value is its zero.
macro_rules! enumeration {
    ($name:ident, $what:literal, { $zero:ident => $zero_text:literal, $($value:ident = $number:literal => $text:literal,)+ }) => {
        #[doc = $what]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
        pub(super) enum $name {
            #[default]
            #[serde(rename = $zero_text)]
            $zero = 0,
            $(#[serde(rename = $text)] $value = $number,)+
        }

        #[cfg(test)]
        impl $name {
            const ALL: &[Self] = &[Self::$zero, $(Self::$value,)+];
        }
    };
}

enumeration!(IdpState, "`zitadel.idp.v1.IDPState`.", {
    Unspecified => "IDP_STATE_UNSPECIFIED",
    Active = 1 => "IDP_STATE_ACTIVE",
    Inactive = 2 => "IDP_STATE_INACTIVE",
});
enumeration!(IdpOwnerType, "`zitadel.idp.v1.IDPOwnerType`.", {
    Unspecified => "IDP_OWNER_TYPE_UNSPECIFIED",
    System = 1 => "IDP_OWNER_TYPE_SYSTEM",
    Org = 2 => "IDP_OWNER_TYPE_ORG",
});
enumeration!(IdpStylingType, "`zitadel.idp.v1.IDPStylingType`.", {
    Unspecified => "STYLING_TYPE_UNSPECIFIED",
    Google = 1 => "STYLING_TYPE_GOOGLE",
});
enumeration!(IdpFieldName, "`zitadel.idp.v1.IDPFieldName`.", {
    Unspecified => "IDP_FIELD_NAME_UNSPECIFIED",
    Name = 1 => "IDP_FIELD_NAME_NAME",
});
enumeration!(OidcMappingField, "`zitadel.idp.v1.OIDCMappingField`.", {
    Unspecified => "OIDC_MAPPING_FIELD_UNSPECIFIED",
    PreferredUsername = 1 => "OIDC_MAPPING_FIELD_PREFERRED_USERNAME",
    Email = 2 => "OIDC_MAPPING_FIELD_EMAIL",
});
enumeration!(AutoLinkingOption, "`zitadel.idp.v1.AutoLinkingOption`.", {
    Unspecified => "AUTO_LINKING_OPTION_UNSPECIFIED",
    Username = 1 => "AUTO_LINKING_OPTION_USERNAME",
    Email = 2 => "AUTO_LINKING_OPTION_EMAIL",
});
enumeration!(AzureAdTenantType, "`zitadel.idp.v1.AzureADTenantType`.", {
    Common => "AZURE_AD_TENANT_TYPE_COMMON",
    Organisations = 1 => "AZURE_AD_TENANT_TYPE_ORGANISATIONS",
    Consumers = 2 => "AZURE_AD_TENANT_TYPE_CONSUMERS",
});
enumeration!(ProviderType, "`zitadel.idp.v1.ProviderType`, those that are stored.", {
    Unspecified => "PROVIDER_TYPE_UNSPECIFIED",
    Oidc = 1 => "PROVIDER_TYPE_OIDC",
    Oauth = 4 => "PROVIDER_TYPE_OAUTH",
    AzureAd = 5 => "PROVIDER_TYPE_AZURE_AD",
    Github = 6 => "PROVIDER_TYPE_GITHUB",
    Gitlab = 8 => "PROVIDER_TYPE_GITLAB",
    Google = 10 => "PROVIDER_TYPE_GOOGLE",
    Apple = 11 => "PROVIDER_TYPE_APPLE",
});

/// Each enum by its published name, with the names and the numbers of its values.
#[cfg(test)]
pub(super) fn enumerations() -> Vec<(&'static str, Vec<(String, i32)>)> {
    fn values<T: Serialize + Copy>(all: &[T], number: fn(T) -> i32) -> Vec<(String, i32)> {
        let name = |value: &T| serde_json::to_value(value).expect("a name");
        let name = |value: &T| name(value).as_str().expect("a text").to_owned();
        all.iter().map(|value| (name(value), number(*value))).collect()
    }
    vec![
        ("IDPState", values(IdpState::ALL, |value| value as i32)),
        ("IDPOwnerType", values(IdpOwnerType::ALL, |value| value as i32)),
        ("IDPStylingType", values(IdpStylingType::ALL, |value| value as i32)),
        ("IDPFieldName", values(IdpFieldName::ALL, |value| value as i32)),
        ("OIDCMappingField", values(OidcMappingField::ALL, |value| value as i32)),
        ("AutoLinkingOption", values(AutoLinkingOption::ALL, |value| value as i32)),
        ("AzureADTenantType", values(AzureAdTenantType::ALL, |value| value as i32)),
        ("ProviderType", values(ProviderType::ALL, |value| value as i32)),
    ]
}
