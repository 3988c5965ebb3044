//! The rules of OIDC credentials.
//!
//! A secret is never removed by leaving it out, a credential never changes its provider, and its
//! version is always the write that made it. Invalid values are refused before a mismatch of
//! `If-Match`.

use concordat_proto::{
    command::Precondition,
    id::{ClientId, OrgId, WriteId},
    oidc::{OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
    refusal::Refusal,
    reply::Reply,
};

use super::{
    entry::txn::{ApplyError, ApplyResult, ApplyTxn},
    query, registration,
};
use crate::{planted, store::keys};

/// Makes a credential.
pub(super) fn create(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    credential: &OidcCredential,
) -> ApplyResult {
    require_org(txn)?;
    require_own_options(credential.provider, &credential.options)?;
    if query::oidc(txn.view(), txn.group, org, &credential.client_id)?.is_some() {
        return Err(Refusal::CredentialExists.into());
    }
    registration::created(txn, org, credential)?;
    put(txn, org, credential.clone(), txn.write_id)
}

/// Changes the given fields of a credential.
pub(super) fn patch(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
    patch: &OidcPatch,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    let stored = require_credential(txn, org, client_id)?;
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
    let version = planted::on_version(txn.write_id, stored.version);
    let after = patched(stored.clone(), patch.clone());
    registration::changed(txn, org, &stored, &after)?;
    put(txn, org, after, version)
}

/// Ends a credential.
pub(super) fn delete(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    let stored = require_credential(txn, org, client_id)?;
    require_match(&stored, precondition)?;
    txn.remove(keys::oidc(txn.group, org, client_id));
    registration::ended(txn, org, client_id)?;
    Ok(Reply::Done)
}

fn put(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    credential: OidcCredential,
    version: WriteId,
) -> ApplyResult {
    let credential = OidcCredential { version, ..credential };
    txn.put(keys::oidc(txn.group, org, &credential.client_id), &credential);
    Ok(Reply::Version(txn.write_id))
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

/// By the time a rule is asked, an organization that is here takes writes.
fn require_org(txn: &ApplyTxn<'_>) -> Result<(), ApplyError> {
    if txn.home.is_some() { Ok(()) } else { Err(Refusal::OrgNotFound.into()) }
}

fn require_credential(
    txn: &ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
) -> Result<OidcCredential, ApplyError> {
    require_org(txn)?;
    query::oidc(txn.view(), txn.group, org, client_id)?
        .ok_or(ApplyError::Refused(Refusal::CredentialNotFound))
}

fn require_own_options(actual: Provider, options: &OidcOptions) -> Result<(), Refusal> {
    let given = options.provider;
    if given == actual { Ok(()) } else { Err(Refusal::ForeignOptions { given, actual }) }
}

fn require_match(
    stored: &OidcCredential,
    precondition: Option<&Precondition>,
) -> Result<(), Refusal> {
    planted::on_match(match precondition {
        None | Some(Precondition::Exists) => Ok(()),
        Some(Precondition::AnyOf(versions)) if versions.contains(&stored.version) => Ok(()),
        Some(Precondition::AnyOf(_)) => Err(Refusal::VersionMismatch),
    })
}
