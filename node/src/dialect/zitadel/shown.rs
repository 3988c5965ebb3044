//! What is stored, as messages. Every credential of an organization is shown, whatever made it; its
//! secrets never.

use concordat_cluster::machine::registered::Entry;
use concordat_proto::{
    oidc::{ClaimMapping, GenericOptions, OidcCredential, Provider as Stored, ProviderOptions},
    registration::{
        AutoLinking, CredentialState, Number, Owner, Provisioning, Registration, Styling,
    },
};

use super::{
    message::{
        AppleConfig, AutoLinkingOption, AzureAdConfig, AzureAdTenant, AzureAdTenantType,
        ClientConfig, Config, Found, GenericOidcConfig, Idp, IdpFieldName, IdpOwnerType, IdpState,
        IdpStylingType, ListDetails, Listed, ObjectDetails, OidcConfig, OidcMappingField, Options,
        Provider, ProviderConfig, ProviderType, Timestamp, Uint64, Written as Response,
    },
    service::{Part, Service},
};
use crate::{
    api::{
        operation::{EntryFilter, Operation},
        outcome::{EntryWritten, List, OrgFacts, Value, Written},
    },
    dialect::common::foreign::Shown,
};

/// The response to a read.
pub(super) fn found(part: Part, value: &Value) -> Option<Shown> {
    let shown = match value {
        Value::Entry(view) => {
            let (entry, owner) = (&view.entry, view.org.number);
            match part {
                Part::Generic => ok(&Found { idp: provider(entry, owner) }),
                Part::Legacy | Part::Deactivate | Part::Reactivate => {
                    ok(&Found { idp: idp(entry, owner) })
                }
            }
        }
        Value::Entries(org, list, filter) => match part {
            Part::Generic => ok(&listed(org, list, None, provider)),
            Part::Legacy | Part::Deactivate | Part::Reactivate => {
                ok(&listed(org, list, Some(filter), idp))
            }
        },
        Value::Credential(_)
        | Value::Credentials(_)
        | Value::ClientSecret { .. }
        | Value::Organization(_)
        | Value::Organizations(_)
        | Value::Receipt(..)
        | Value::Document(_)
        | Value::Binding(..)
        | Value::Resource(_)
        | Value::Resources(..)
        | Value::Keys(..)
        | Value::Policies(_)
        | Value::Done => return None,
    };
    Some(shown)
}

/// The response to a write.
pub(super) fn written(
    service: Service,
    part: Part,
    operation: Option<Operation>,
    value: &Written,
) -> Option<Shown> {
    match value {
        Written::Entry(entry) => Some(ok(&response(service, part, operation, entry))),
        Written::Done
        | Written::Resource(..)
        | Written::NewSaml(..)
        | Written::Key(..)
        | Written::Version(_)
        | Written::Organization(_)
        | Written::NewOrganization(..)
        | Written::Domain(_)
        | Written::Registered(..) => None,
    }
}

fn ok(message: &impl serde::Serialize) -> Shown {
    Shown::json(200, message)
}

fn response(
    service: Service,
    part: Part,
    operation: Option<Operation>,
    written: &EntryWritten,
) -> Response {
    let EntryWritten { stamp, org, .. } = written;
    let details = ObjectDetails {
        sequence: Uint64(stamp.sequence),
        resource_owner: org.number.0.to_string(),
        ..ObjectDetails::default()
    };
    if operation == Some(Operation::EntryCreate) {
        let creation_date = Some(Timestamp(stamp.created_at));
        let details = Some(ObjectDetails { creation_date, ..details });
        let (id, none) = (stamp.number.0.to_string(), String::new());
        let (idp_id, id) = if part == Part::Generic { (none, id) } else { (id, none) };
        return Response { details, idp_id, id };
    }
    // The published response to this call has no fields.
    let is_empty = service == Service::Management
        && part == Part::Legacy
        && operation == Some(Operation::EntryDelete);
    let change_date = Some(Timestamp(stamp.changed_at));
    let details = (!is_empty).then_some(ObjectDetails { change_date, ..details });
    Response { details, ..Response::default() }
}

/// `filter` is given where the message names the column.
fn listed<T>(
    org: &OrgFacts,
    list: &List<Entry>,
    filter: Option<&EntryFilter>,
    shown: fn(&Entry, Number) -> T,
) -> Listed<T> {
    let by_name = filter.is_some_and(|filter| filter.by_name);
    let details = ListDetails {
        total_result: Uint64(list.total_count as u64),
        processed_sequence: Uint64(org.sequence),
        view_timestamp: Some(Timestamp(org.as_of)),
    };
    let sorting_column = if by_name { IdpFieldName::Name } else { IdpFieldName::Unspecified };
    let result = list.items.iter().map(|entry| shown(entry, org.number)).collect();
    Listed { details, sorting_column, result }
}

fn details(registration: &Registration, org: Number) -> ObjectDetails {
    ObjectDetails {
        sequence: Uint64(registration.sequence),
        creation_date: Some(Timestamp(registration.created_at)),
        change_date: Some(Timestamp(registration.changed_at)),
        resource_owner: org.0.to_string(),
    }
}

fn name(credential: &OidcCredential) -> String {
    credential.label.clone().unwrap_or_else(|| client_id(credential))
}

fn client_id(credential: &OidcCredential) -> String {
    credential.client_id.as_str().to_owned()
}

const fn state(registration: &Registration) -> IdpState {
    match registration.state {
        CredentialState::Active => IdpState::Active,
        CredentialState::Inactive => IdpState::Inactive,
    }
}

const fn owner(registration: &Registration) -> IdpOwnerType {
    match registration.owner {
        Owner::Organization => IdpOwnerType::Org,
        Owner::System => IdpOwnerType::System,
    }
}

fn idp(entry: &Entry, org: Number) -> Idp {
    let Entry { credential, registration } = entry;
    Idp {
        id: registration.number.0.to_string(),
        details: details(registration, org),
        state: state(registration),
        name: name(credential),
        styling_type: match registration.styling {
            Styling::Unspecified => IdpStylingType::Unspecified,
            Styling::Google => IdpStylingType::Google,
        },
        owner: owner(registration),
        oidc_config: oidc_config(credential),
        auto_register: registration.auto_register,
    }
}

/// Of those that are shown as providers of OpenID Connect.
fn oidc_config(credential: &OidcCredential) -> Option<OidcConfig> {
    let generic = generic(credential)?;
    Some(OidcConfig {
        client_id: client_id(credential),
        issuer: generic.issuer,
        scopes: credential.options.scopes.clone(),
        display_name_mapping: mapping(generic.display_name_mapping),
        username_mapping: mapping(generic.username_mapping),
    })
}

/// The settings of OpenID Connect; of Okta its URL and no others.
fn generic(credential: &OidcCredential) -> Option<GenericOptions> {
    match &credential.options.specific {
        ProviderOptions::Oidc(generic) => Some(generic.clone()),
        ProviderOptions::Okta { organization_url } => {
            Some(GenericOptions { issuer: organization_url.clone(), ..GenericOptions::default() })
        }
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Apple(_) => None,
    }
}

const fn mapping(stored: ClaimMapping) -> OidcMappingField {
    match stored {
        ClaimMapping::Unspecified => OidcMappingField::Unspecified,
        ClaimMapping::PreferredUsername => OidcMappingField::PreferredUsername,
        ClaimMapping::Email => OidcMappingField::Email,
    }
}

fn provider(entry: &Entry, org: Number) -> Provider {
    let Entry { credential, registration } = entry;
    let (kind, config) = config(credential);
    Provider {
        id: registration.number.0.to_string(),
        details: details(registration, org),
        state: state(registration),
        name: name(credential),
        owner: owner(registration),
        kind,
        config: ProviderConfig { options: options(&registration.provisioning), config },
    }
}

const fn options(provisioning: &Provisioning) -> Options {
    Options {
        is_linking_allowed: provisioning.is_linking_allowed,
        is_creation_allowed: provisioning.is_creation_allowed,
        is_auto_creation: provisioning.is_auto_creation,
        is_auto_update: provisioning.is_auto_update,
        auto_linking: match provisioning.auto_linking {
            AutoLinking::Unspecified => AutoLinkingOption::Unspecified,
            AutoLinking::Username => AutoLinkingOption::Username,
            AutoLinking::Email => AutoLinkingOption::Email,
        },
    }
}

fn config(credential: &OidcCredential) -> (ProviderType, Config) {
    let (client_id, scopes) = (client_id(credential), credential.options.scopes.clone());
    match &credential.options.specific {
        ProviderOptions::Oidc(_) | ProviderOptions::Okta { .. } => {
            let generic = generic(credential).unwrap_or_default();
            let config = GenericOidcConfig {
                issuer: generic.issuer,
                client_id,
                scopes,
                is_id_token_mapping: generic.is_id_token_mapping,
                use_pkce: generic.use_pkce,
            };
            (ProviderType::Oidc, Config::Oidc(config))
        }
        ProviderOptions::Azuread { tenant } => {
            let tenant = self::tenant(tenant);
            (ProviderType::AzureAd, Config::AzureAd(AzureAdConfig { client_id, tenant, scopes }))
        }
        ProviderOptions::Apple(apple) => {
            let (team_id, key_id) = (apple.team_id.clone(), apple.key_id.clone());
            let config = AppleConfig { client_id, team_id, key_id, scopes };
            (ProviderType::Apple, Config::Apple(config))
        }
        ProviderOptions::ScopesOnly => {
            scopes_only(credential.provider, ClientConfig { client_id, scopes })
        }
    }
}

const fn scopes_only(provider: Stored, config: ClientConfig) -> (ProviderType, Config) {
    match provider {
        Stored::Google => (ProviderType::Google, Config::Google(config)),
        Stored::Github => (ProviderType::Github, Config::Github(config)),
        Stored::Gitlab => (ProviderType::Gitlab, Config::Gitlab(config)),
        // The last four have options of their own.
        Stored::Bitbucket
        | Stored::Facebook
        | Stored::Line
        | Stored::Azuread
        | Stored::Okta
        | Stored::Apple
        | Stored::Oidc => (ProviderType::Oauth, Config::Oauth(config)),
    }
}

fn tenant(stored: &str) -> AzureAdTenant {
    match stored {
        "common" => AzureAdTenant::TenantType(AzureAdTenantType::Common),
        "organizations" => AzureAdTenant::TenantType(AzureAdTenantType::Organisations),
        // The native API knows both spellings.
        "consumers" | "consumer" => AzureAdTenant::TenantType(AzureAdTenantType::Consumers),
        id => AzureAdTenant::TenantId(id.to_owned()),
    }
}
