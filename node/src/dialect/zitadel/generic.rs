//! The generic OIDC providers: their messages as actions. A field that a change leaves out has its zero
//! value afterwards; only the secret stays when none is given.

use std::ops::RangeInclusive;

use concordat_proto::{
    limits,
    registration::{
        AutoLinking, CredentialChange, CredentialTarget, GenericChange, Owner, Provisioning,
    },
};

use super::{
    error::Reason,
    request::{GENERIC_SECRET_MAX as SECRET_MAX, GenericOidc, Options, SCOPE_MAX, SCOPES_MAX},
    service::Service,
    validate::{Message, TEXT, trimmed},
};
use crate::api::{
    draft::ChangeDraft,
    operation::{Action, CredentialWrite, EntryNeeds},
    outcome::Malformed,
};

const ADD: Message = Message("AddGenericOIDCProviderRequest");
const UPDATE: Message = Message("UpdateGenericOIDCProviderRequest");
const OPTIONS: Message = Message("Options");
const SCOPE: RangeInclusive<usize> = 1..=SCOPE_MAX;
const _: () = assert!(4 * SECRET_MAX <= limits::CLIENT_SECRET_BYTES_MAX, "every secret fits");

/// Makes a provider.
pub(super) fn add(service: Service, request: GenericOidc) -> Result<Action, Malformed> {
    let provisioning = checked(ADD, &request, 1)?;
    let reasons = [Reason::ADD_NAME, Reason::ADD_ISSUER, Reason::ADD_CLIENT_ID];
    let draft = draft(service, ADD, request, provisioning, reasons)?;
    let target = CredentialTarget::New(owner(service));
    Ok(Action::CredentialWrite(CredentialWrite::EntryCreate(target, Box::new(draft))))
}

/// Replaces a provider's settings.
pub(super) fn update(service: Service, request: GenericOidc) -> Result<Action, Malformed> {
    let number = UPDATE.id("Id", &request.id)?;
    let provisioning = checked(UPDATE, &request, 0)?;
    let reasons = [Reason::UPDATE_NAME, Reason::UPDATE_ISSUER, Reason::UPDATE_CLIENT_ID];
    let mut draft = draft(service, UPDATE, request, provisioning, reasons)?;
    draft.change.oidc_only = true;
    let target = CredentialTarget::Number(number);
    let write = CredentialWrite::EntryChange(target, Box::new(draft), EntryNeeds::default());
    Ok(Action::CredentialWrite(write))
}

/// Who owns what is made under a service.
pub(super) const fn owner(service: Service) -> Owner {
    match service {
        Service::Admin => Owner::System,
        Service::Management => Owner::Organization,
    }
}

/// The rules of the fields after the id, in the order of the message.
fn checked(
    message: Message,
    request: &GenericOidc,
    secret_min: usize,
) -> Result<Provisioning, Malformed> {
    message.length("Name", &request.name, TEXT)?;
    message.length("Issuer", &request.issuer, TEXT)?;
    message.length("ClientId", &request.client_id, TEXT)?;
    message.length("ClientSecret", request.client_secret.expose(), secret_min..=SECRET_MAX)?;
    message.items("Scopes", &request.scopes, SCOPES_MAX, &SCOPE)?;
    provisioning(&request.provider_options)
        .map_err(|cause| message.embedded("ProviderOptions", &cause))
}

fn provisioning(options: &Options) -> Result<Provisioning, Malformed> {
    const VALUES: [AutoLinking; 3] =
        [AutoLinking::Unspecified, AutoLinking::Username, AutoLinking::Email];
    Ok(Provisioning {
        is_linking_allowed: options.is_linking_allowed,
        is_creation_allowed: options.is_creation_allowed,
        is_auto_creation: options.is_auto_creation,
        is_auto_update: options.is_auto_update,
        auto_linking: OPTIONS.defined("AutoLinking", options.auto_linking, &VALUES)?,
    })
}

/// `reasons`: without a name, an issuer, a client id.
fn draft(
    service: Service,
    message: Message,
    request: GenericOidc,
    provisioning: Provisioning,
    reasons: [Reason; 3],
) -> Result<ChangeDraft, Malformed> {
    let [no_name, no_issuer, no_client_id] = reasons;
    let name = trimmed(&request.name, service, no_name)?;
    let issuer = trimmed(&request.issuer, service, no_issuer)?;
    let client_id = trimmed(&request.client_id, service, no_client_id)?;
    let client_secret = message.secret(request.client_secret, service)?;
    let generic = GenericChange {
        use_pkce: Some(request.use_pkce),
        is_id_token_mapping: Some(request.is_id_token_mapping),
        ..GenericChange::default()
    };
    let change = CredentialChange {
        issuer: Some(message.issuer(issuer)?),
        client_id: Some(message.client_id(&client_id)?),
        label: Some(Some(name)),
        scopes: Some(message.scopes(request.scopes)?),
        generic,
        provisioning: Some(provisioning),
        ..CredentialChange::default()
    };
    Ok(ChangeDraft { client_secret, change })
}
