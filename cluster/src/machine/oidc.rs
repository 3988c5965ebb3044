//! The rules of OIDC credentials.
//!
//! A secret is never wiped by leaving it out, a credential never changes its provider, and its
//! version is always the write that made it. What is wrong in itself is refused before what is
//! wrong with `If-Match`.

use concordat_proto::{
    command::Precondition,
    id::{ClientId, OrgId},
    oidc::{OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
    refusal::Refusal,
    reply::Reply,
};

use super::{
    query,
    turn::{Halt, Ruling, Turn},
};
use crate::planted::{self, Bug};
use crate::store::keys;

/// Makes a credential.
pub(super) fn create(turn: &mut Turn<'_>, org: OrgId, credential: &OidcCredential) -> Ruling {
    require_org(turn)?;
    require_own_options(credential.provider, &credential.options)?;
    if query::oidc(turn.view(), turn.group, org, &credential.client_id)?.is_some() {
        return Err(Refusal::CredentialExists.into());
    }
    put(turn, org, credential.clone())
}

/// Changes what is given of a credential.
pub(super) fn patch(
    turn: &mut Turn<'_>,
    org: OrgId,
    client_id: &ClientId,
    patch: &OidcPatch,
    precondition: Option<&Precondition>,
) -> Ruling {
    let stored = require_credential(turn, org, client_id)?;
    if patch.provider.is_some_and(|provider| provider != stored.provider) {
        return Err(Refusal::ProviderFixed { actual: stored.provider }.into());
    }
    if let Some(options) = &patch.options {
        require_own_options(stored.provider, options)?;
    }
    require_match(&stored, precondition)?;
    if patch.is_empty() {
        return Ok(Reply::Version(stored.version));
    }
    if planted::is(Bug::VersionStays) {
        let credential = patched(stored, patch.clone());
        turn.put(keys::oidc(turn.group, org, client_id), &credential);
        return Ok(Reply::Version(turn.write_id));
    }
    put(turn, org, patched(stored, patch.clone()))
}

/// Ends a credential.
pub(super) fn delete(
    turn: &mut Turn<'_>,
    org: OrgId,
    client_id: &ClientId,
    precondition: Option<&Precondition>,
) -> Ruling {
    let stored = require_credential(turn, org, client_id)?;
    require_match(&stored, precondition)?;
    turn.remove(keys::oidc(turn.group, org, client_id));
    Ok(Reply::Done)
}

fn put(turn: &mut Turn<'_>, org: OrgId, mut credential: OidcCredential) -> Ruling {
    credential.version = turn.write_id;
    turn.put(keys::oidc(turn.group, org, &credential.client_id), &credential);
    Ok(Reply::Version(turn.write_id))
}

fn patched(stored: OidcCredential, patch: OidcPatch) -> OidcCredential {
    OidcCredential {
        client_secret: patch.client_secret.unwrap_or(stored.client_secret),
        label: patch.label.or(stored.label),
        external_cred_id: patch.external_cred_id.or(stored.external_cred_id),
        enable_in_authz_server: patch.enable_in_authz_server.or(stored.enable_in_authz_server),
        options: match patch.options {
            Some(options) => keep_private_key(options, &stored.options),
            None => stored.options,
        },
        ..stored
    }
}

/// The new options, with the stored private key where they bring none.
fn keep_private_key(mut new: OidcOptions, stored: &OidcOptions) -> OidcOptions {
    if let (ProviderOptions::Apple(new), ProviderOptions::Apple(stored)) =
        (&mut new.specific, &stored.specific)
        && new.private_key.is_none()
    {
        new.private_key.clone_from(&stored.private_key);
    }
    new
}

/// By the time a rule is asked, an organisation that is here takes writes.
fn require_org(turn: &Turn<'_>) -> Result<(), Halt> {
    if turn.home.is_some() { Ok(()) } else { Err(Refusal::OrgNotFound.into()) }
}

fn require_credential(
    turn: &Turn<'_>,
    org: OrgId,
    client_id: &ClientId,
) -> Result<OidcCredential, Halt> {
    require_org(turn)?;
    query::oidc(turn.view(), turn.group, org, client_id)?
        .ok_or(Halt::Refused(Refusal::CredentialNotFound))
}

fn require_own_options(actual: Provider, options: &OidcOptions) -> Result<(), Refusal> {
    let given = options.provider;
    if given == actual { Ok(()) } else { Err(Refusal::ForeignOptions { given, actual }) }
}

fn require_match(
    stored: &OidcCredential,
    precondition: Option<&Precondition>,
) -> Result<(), Refusal> {
    if planted::is(Bug::IfMatchIgnored) {
        return Ok(());
    }
    match precondition {
        None | Some(Precondition::Exists) => Ok(()),
        Some(Precondition::AnyOf(versions)) if versions.contains(&stored.version) => Ok(()),
        Some(Precondition::AnyOf(_)) => Err(Refusal::VersionMismatch),
    }
}
