//! The older configurations: their messages as actions. The two services have other names for the same
//! messages, and the fields of one in another order.

use std::ops::RangeInclusive;

use concordat_proto::{
    oidc::ClaimMapping,
    registration::{CredentialChange, CredentialState, CredentialTarget, GenericChange, Styling},
};

use super::{
    error::Reason,
    generic::owner,
    request::{
        AddLegacy, ById, LEGACY_SECRET_MAX as SECRET_MAX, LegacyConfig, UpdateLegacy,
        UpdateLegacyConfig,
    },
    service::Service,
    validate::{Message, TEXT, trimmed},
};
use crate::api::{
    draft::ChangeDraft,
    operation::{Action, CredentialWrite, EntryNeeds},
    outcome::Malformed,
};

const STYLINGS: [Styling; 2] = [Styling::Unspecified, Styling::Google];
const MAPPINGS: [ClaimMapping; 3] =
    [ClaimMapping::Unspecified, ClaimMapping::PreferredUsername, ClaimMapping::Email];

/// The name of a message under each service.
const fn named(service: Service, admin: &'static str, management: &'static str) -> Message {
    match service {
        Service::Admin => Message(admin),
        Service::Management => Message(management),
    }
}

/// Makes one.
pub(super) fn add(service: Service, request: AddLegacy) -> Result<Action, Malformed> {
    let message = named(service, "AddOIDCIDPRequest", "AddOrgOIDCIDPRequest");
    let config = request.config;
    message.length("Name", &request.name, TEXT)?;
    let styling = message.defined("StylingType", request.styling_type, &STYLINGS)?;
    message.length("ClientId", &config.client_id, TEXT)?;
    secret_length(message, &config, 1..=SECRET_MAX)?;
    message.length("Issuer", &config.issuer, TEXT)?;
    let mappings = mappings(message, &config)?;
    let name = trimmed(&request.name, service, Reason::ADD_NAME)?;
    let reasons = [Reason::ADD_ISSUER, Reason::ADD_CLIENT_ID];
    let mut draft = draft(service, message, config, mappings, reasons)?;
    draft.change.label = Some(Some(name));
    draft.change.styling = Some(styling);
    draft.change.auto_register = Some(request.auto_register);
    let target = CredentialTarget::New(owner(service));
    Ok(Action::CredentialWrite(CredentialWrite::EntryCreate(target, Box::new(draft))))
}

/// Replaces the settings of OpenID Connect of one; a change that changes nothing is refused.
pub(super) fn update_config(
    service: Service,
    request: UpdateLegacyConfig,
) -> Result<Action, Malformed> {
    let message = named(service, "UpdateIDPOIDCConfigRequest", "UpdateOrgIDPOIDCConfigRequest");
    let number = message.id("IdpId", &request.idp_id)?;
    let config = request.config;
    match service {
        Service::Admin => {
            message.length("Issuer", &config.issuer, TEXT)?;
            message.length("ClientId", &config.client_id, TEXT)?;
            secret_length(message, &config, 0..=SECRET_MAX)?;
        }
        Service::Management => {
            message.length("ClientId", &config.client_id, TEXT)?;
            secret_length(message, &config, 0..=SECRET_MAX)?;
            message.length("Issuer", &config.issuer, TEXT)?;
        }
    }
    let mappings = mappings(message, &config)?;
    let reasons = [Reason::UPDATE_ISSUER, Reason::UPDATE_CLIENT_ID];
    let mut draft = draft(service, message, config, mappings, reasons)?;
    draft.change.oidc_only = true;
    draft.change.refuse_unchanged = true;
    Ok(change(CredentialTarget::Number(number), draft))
}

/// Changes the name and the look of one.
pub(super) fn update(service: Service, request: UpdateLegacy) -> Result<Action, Malformed> {
    let message = named(service, "UpdateIDPRequest", "UpdateOrgIDPRequest");
    let number = message.id("IdpId", &request.idp_id)?;
    message.length("Name", &request.name, TEXT)?;
    let styling = message.defined("StylingType", request.styling_type, &STYLINGS)?;
    let name = trimmed(&request.name, service, Reason::UPDATE_NAME)?;
    let set = CredentialChange {
        label: Some(Some(name)),
        styling: Some(styling),
        auto_register: Some(request.auto_register),
        ..CredentialChange::default()
    };
    let draft = ChangeDraft { client_secret: None, change: set };
    Ok(change(CredentialTarget::Number(number), draft))
}

/// Sets one aside; one that is aside already is refused.
pub(super) fn deactivate(service: Service, request: &ById) -> Result<Action, Malformed> {
    let message = named(service, "DeactivateIDPRequest", "DeactivateOrgIDPRequest");
    set_state(message, request, CredentialState::Inactive)
}

/// Takes one back into use; one that is in use is refused.
pub(super) fn reactivate(service: Service, request: &ById) -> Result<Action, Malformed> {
    let message = named(service, "ReactivateIDPRequest", "ReactivateOrgIDPRequest");
    set_state(message, request, CredentialState::Active)
}

/// Deletes one.
pub(super) fn remove(service: Service, request: &ById) -> Result<Action, Malformed> {
    let message = named(service, "RemoveIDPRequest", "RemoveOrgIDPRequest");
    let target = CredentialTarget::Number(message.id("IdpId", &request.id)?);
    Ok(Action::CredentialWrite(CredentialWrite::EntryDelete(target)))
}

fn set_state(
    message: Message,
    request: &ById,
    state: CredentialState,
) -> Result<Action, Malformed> {
    let target = CredentialTarget::Number(message.id("IdpId", &request.id)?);
    let set = CredentialChange {
        state: Some(state),
        refuse_unchanged: true,
        ..CredentialChange::default()
    };
    Ok(change(target, ChangeDraft { client_secret: None, change: set }))
}

fn change(target: CredentialTarget, draft: ChangeDraft) -> Action {
    let write = CredentialWrite::EntryChange(target, Box::new(draft), EntryNeeds::default());
    Action::CredentialWrite(write)
}

fn secret_length(
    message: Message,
    config: &LegacyConfig,
    range: RangeInclusive<usize>,
) -> Result<(), Malformed> {
    message.length("ClientSecret", config.client_secret.expose(), range)
}

fn mappings(message: Message, config: &LegacyConfig) -> Result<GenericChange, Malformed> {
    let defined = |field, number| message.defined(field, number, &MAPPINGS);
    Ok(GenericChange {
        display_name_mapping: Some(defined("DisplayNameMapping", config.display_name_mapping)?),
        username_mapping: Some(defined("UsernameMapping", config.username_mapping)?),
        ..GenericChange::default()
    })
}

/// `reasons`: without an issuer, a client id.
fn draft(
    service: Service,
    message: Message,
    config: LegacyConfig,
    mappings: GenericChange,
    reasons: [Reason; 2],
) -> Result<ChangeDraft, Malformed> {
    let [no_issuer, no_client_id] = reasons;
    let issuer = trimmed(&config.issuer, service, no_issuer)?;
    let client_id = trimmed(&config.client_id, service, no_client_id)?;
    let client_secret = message.secret(config.client_secret, service)?;
    let change = CredentialChange {
        issuer: Some(message.issuer(issuer)?),
        client_id: Some(message.client_id(&client_id)?),
        scopes: Some(message.scopes(config.scopes)?),
        generic: mappings,
        ..CredentialChange::default()
    };
    Ok(ChangeDraft { client_secret, change })
}
