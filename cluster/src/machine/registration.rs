//! The rules of registrations: a credential's identity, and the changes of credentials in the terms of
//! any dialect.
//!
//! A number is given once and never again, and a credential keeps its own for life, through moves and
//! changes of its client id. A setting that a dialect does not know survives that dialect's changes. A
//! sealed secret opens only for the client id that it was sealed for, so a rename keeps that one
//! beside it.
//!
//! Replicas of a build without registrations must have the same state as those of one with them, so
//! nothing here is written before the group's log has noted the feature level, or a record shows that
//! the cluster has it.

use concordat_proto::{
    command::Precondition,
    id::{ClientId, OrgId},
    oidc::{GenericOptions, OidcCredential, OidcOptions, Provider, ProviderOptions},
    refusal::Refusal,
    registration::{
        Binding, CredentialChange, CredentialState, CredentialTarget, GenericChange, Number, Owner,
        Registration, Styling,
    },
    reply::Reply,
    scopes, version,
};

use super::{
    entry::txn::{ApplyError, ApplyResult, ApplyTxn},
    registered::{self, Entry},
};
use crate::{
    planted,
    store::{StoreError, keys},
};

/// Registers a credential that was made here and now.
pub(super) fn created(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    credential: &OidcCredential,
) -> Result<(), StoreError> {
    if txn.level < version::LEVEL_OF_REGISTRATIONS {
        return Ok(());
    }
    let registration = new_registration(txn, org, Owner::Organization)?;
    registered::put(txn, org, &credential.client_id, &registration);
    Ok(())
}

/// Notes a change of a credential that keeps its client id.
pub(super) fn changed(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    before: &OidcCredential,
    after: &OidcCredential,
) -> Result<(), StoreError> {
    let stored = registered::stored(txn.view(), txn.group, org, &before.client_id)?;
    if stored.is_none() && txn.level < version::LEVEL_OF_REGISTRATIONS {
        return Ok(());
    }
    let has_index = stored.is_some();
    let mut registration = stored.unwrap_or_else(|| Registration::of_earlier(before.version));
    note_new_secrets(&mut registration, before, after);
    note_change(txn, org, &mut registration)?;
    if has_index {
        registered::put_again(txn, org, &after.client_id, &registration);
    } else {
        registered::put(txn, org, &after.client_id, &registration);
    }
    Ok(())
}

/// Forgets the registration of a credential that has ended.
pub(super) fn ended(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
) -> Result<(), StoreError> {
    let stored = registered::stored(txn.view(), txn.group, org, client_id)?;
    if let Some(registration) = stored {
        txn.remove(keys::registration(txn.group, org, client_id));
        txn.remove(keys::credential_number(txn.group, org, registration.number));
        return advance(txn, org, Some(registration.number)).map(drop);
    }
    if txn.level >= version::LEVEL_OF_REGISTRATIONS {
        advance(txn, org, None)?;
    }
    Ok(())
}

/// Changes a credential, or makes it where the target says so.
pub(super) fn change(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    target: &CredentialTarget,
    change: &CredentialChange,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    let found = find(txn, org, target)?;
    let Some(before) = found else { return make(txn, org, target, change, precondition) };
    require_match(&before, precondition)?;
    if change.oidc_only && !is_shown_as_oidc(before.credential.provider) {
        return Err(Refusal::CredentialNotFound.into());
    }
    let mut after = Entry {
        credential: changed_credential(&before.credential, change)?,
        registration: changed_registration(&before, change),
    };
    if after == before && change.client_secret.is_none() {
        if change.refuse_unchanged {
            return Err(Refusal::Unchanged.into());
        }
        let (version, stamp) = (before.credential.version, before.registration.stamp());
        return Ok(Reply::Registered { version, stamp });
    }
    let (old, new) = (&before.credential.client_id, after.credential.client_id.clone());
    if *old != new {
        require_free(txn, org, &new)?;
        txn.remove(keys::oidc(txn.group, org, old));
        txn.remove(keys::registration(txn.group, org, old));
    }
    note_new_secrets(&mut after.registration, &before.credential, &after.credential);
    note_change(txn, org, &mut after.registration)?;
    Ok(put(txn, org, after))
}

/// Ends a credential.
pub(super) fn remove(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    target: &CredentialTarget,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    let Some(found) = find(txn, org, target)? else {
        return Err(Refusal::CredentialNotFound.into());
    };
    require_match(&found, precondition)?;
    let client_id = found.credential.client_id;
    txn.remove(keys::oidc(txn.group, org, &client_id));
    // Its registration may be one that was never stored.
    txn.remove(keys::registration(txn.group, org, &client_id));
    txn.remove(keys::credential_number(txn.group, org, found.registration.number));
    let sequence = advance(txn, org, Some(found.registration.number))?;
    let stamp = Registration { sequence, changed_at: txn.log_time, ..found.registration }.stamp();
    Ok(Reply::Registered { version: txn.write_id, stamp })
}

/// Binds a dialect to an existing credential.
pub(super) fn bind(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    binding: &Binding,
    client_id: &ClientId,
) -> ApplyResult {
    if txn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    let found = registered::by_client_id(txn.view(), txn.group, org, client_id)?;
    let Some(entry) = found else { return Err(Refusal::CredentialNotFound.into()) };
    let mut profile = registered::profile(txn.view(), txn.group, org)?;
    if !profile.bind(binding, entry.registration.number) {
        return Err(Refusal::BindingsFull.into());
    }
    profile.sequence += 1;
    txn.put(keys::org_profile(txn.group, org), &profile);
    // A credential from before there were registrations gets its record now: its number must not
    // change with its next version.
    registered::put(txn, org, client_id, &entry.registration);
    let (version, stamp) = (entry.credential.version, entry.registration.stamp());
    Ok(Reply::Registered { version, stamp })
}

fn find(
    txn: &ApplyTxn<'_>,
    org: OrgId,
    target: &CredentialTarget,
) -> Result<Option<Entry>, ApplyError> {
    if txn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    let found = registered::target(txn.view(), txn.group, org, target)?;
    match (found, target) {
        (None, CredentialTarget::Number(_)) => Err(Refusal::CredentialNotFound.into()),
        (found, _) => Ok(found),
    }
}

/// Makes a credential of provider `oidc`.
fn make(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    target: &CredentialTarget,
    change: &CredentialChange,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    if precondition.is_some() {
        return Err(Refusal::VersionMismatch.into());
    }
    let (Some(client_id), Some(client_secret)) = (&change.client_id, &change.client_secret) else {
        return Err(Refusal::Incomplete.into());
    };
    require_free(txn, org, client_id)?;
    let blank = OidcCredential {
        client_id: client_id.clone(),
        provider: Provider::Oidc,
        client_secret: client_secret.clone(),
        label: None,
        external_cred_id: None,
        enable_in_authz_server: None,
        options: OidcOptions {
            provider: Provider::Oidc,
            scopes: Vec::new(),
            specific: ProviderOptions::Oidc(GenericOptions::default()),
        },
        version: txn.write_id,
    };
    let owner = match target {
        CredentialTarget::New(owner) => *owner,
        CredentialTarget::Number(_) | CredentialTarget::Bound(_) => Owner::Organization,
    };
    let credential = changed_credential(&blank, change)?;
    let registration = new_registration(txn, org, owner)?;
    let made = Entry { credential: blank, registration };
    let registration = changed_registration(&made, change);
    if let CredentialTarget::Bound(binding) = target {
        let mut profile = registered::profile(txn.view(), txn.group, org)?;
        if !profile.bind(binding, registration.number) {
            return Err(Refusal::BindingsFull.into());
        }
        txn.put(keys::org_profile(txn.group, org), &profile);
    }
    Ok(put(txn, org, Entry { credential, registration }))
}

fn put(txn: &mut ApplyTxn<'_>, org: OrgId, entry: Entry) -> Reply {
    let version = txn.write_id;
    let credential = OidcCredential { version, ..entry.credential };
    txn.put(keys::oidc(txn.group, org, &credential.client_id), &credential);
    registered::put(txn, org, &credential.client_id, &entry.registration);
    Reply::Registered { version, stamp: entry.registration.stamp() }
}

fn new_registration(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    owner: Owner,
) -> Result<Registration, StoreError> {
    let number = Number::given_by(txn.group, txn.index, txn.write_id);
    let all = || registered::all(txn.view(), txn.group, org);
    let number = planted::on_number(number, txn.home.as_deref(), all)?;
    let sequence = advance(txn, org, None)?;
    Ok(Registration {
        number,
        created_at: txn.log_time,
        changed_at: txn.log_time,
        sequence,
        owner,
        ..Registration::of_earlier(txn.write_id)
    })
}

fn note_change(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    registration: &mut Registration,
) -> Result<(), StoreError> {
    registration.changed_at = txn.log_time;
    registration.sequence = advance(txn, org, None)?;
    Ok(())
}

/// Counts a write of the organization that is not about its credentials.
pub(super) fn count_write(txn: &mut ApplyTxn<'_>, org: OrgId) -> Result<(), StoreError> {
    advance(txn, org, None).map(drop)
}

/// Counts a write of the organization, and drops what is bound to a credential that has ended; the
/// organization's sequence.
fn advance(txn: &mut ApplyTxn<'_>, org: OrgId, ended: Option<Number>) -> Result<u64, StoreError> {
    let mut profile = registered::profile(txn.view(), txn.group, org)?;
    profile.sequence += 1;
    if let Some(number) = ended {
        profile.unbind(number);
    }
    txn.put(keys::org_profile(txn.group, org), &profile);
    Ok(profile.sequence)
}

fn require_free(txn: &ApplyTxn<'_>, org: OrgId, client_id: &ClientId) -> Result<(), ApplyError> {
    let found = super::query::oidc(txn.view(), txn.group, org, client_id)?;
    if found.is_none() { Ok(()) } else { Err(Refusal::CredentialExists.into()) }
}

fn require_match(found: &Entry, precondition: Option<&Precondition>) -> Result<(), Refusal> {
    match precondition {
        Some(Precondition::AnyOf(versions)) if !versions.contains(&found.credential.version) => {
            Err(Refusal::VersionMismatch)
        }
        None | Some(Precondition::Exists | Precondition::AnyOf(_)) => Ok(()),
    }
}

const fn is_shown_as_oidc(provider: Provider) -> bool {
    matches!(provider, Provider::Oidc | Provider::Okta)
}

/// For which client ids the secrets after a change were sealed. One that the change brings was sealed
/// for the client id that the credential has after it.
fn note_new_secrets(
    registration: &mut Registration,
    before: &OidcCredential,
    after: &OidcCredential,
) {
    let sealed_for = |kept: Option<ClientId>, is_new: bool| {
        let kept = kept.unwrap_or_else(|| before.client_id.clone());
        (!is_new && kept != after.client_id).then_some(kept)
    };
    let is_new = before.client_secret != after.client_secret;
    registration.secret_sealed_for = sealed_for(registration.secret_sealed_for.take(), is_new);
    let key = |credential: &OidcCredential| match &credential.options.specific {
        ProviderOptions::Apple(apple) => apple.private_key.clone(),
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Okta { .. }
        | ProviderOptions::Oidc(_) => None,
    };
    let (before_key, after_key) = (key(before), key(after));
    if before_key.is_some() {
        let is_new = before_key != after_key;
        registration.key_sealed_for = sealed_for(registration.key_sealed_for.take(), is_new);
    }
}

/// A credential after a change.
fn changed_credential(
    before: &OidcCredential,
    change: &CredentialChange,
) -> Result<OidcCredential, Refusal> {
    if change.client_secret.is_some() && change.client_id.is_none() {
        return Err(Refusal::Incomplete);
    }
    let mut after = before.clone();
    if let Some(client_id) = &change.client_id {
        after.client_id.clone_from(client_id);
    }
    if let Some(secret) = planted::on_kept_secret(change.client_secret.as_ref()) {
        after.client_secret = secret.into_owned();
    }
    if let Some(label) = &change.label {
        after.label.clone_from(label);
    }
    if let Some(given) = &change.scopes {
        after.options.scopes = scopes::effective_scopes(before.provider, given);
    }
    if let Some(issuer) = &change.issuer {
        set_issuer(&mut after, issuer)?;
    }
    change_generic(&mut after, &change.generic)?;
    Ok(after)
}

fn set_issuer(credential: &mut OidcCredential, issuer: &str) -> Result<(), Refusal> {
    let actual = credential.provider;
    let is_same = credential.issuer() == issuer;
    match &mut credential.options.specific {
        ProviderOptions::Oidc(generic) => issuer.clone_into(&mut generic.issuer),
        ProviderOptions::Okta { organization_url } => issuer.clone_into(organization_url),
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Apple(_) => {
            if !is_same {
                return Err(Refusal::IssuerFixed { actual });
            }
        }
    }
    Ok(())
}

/// On other providers a change may give the defaults only: it has nowhere to keep another value.
fn change_generic(credential: &mut OidcCredential, change: &GenericChange) -> Result<(), Refusal> {
    let actual = credential.provider;
    let mut none = GenericOptions::default();
    let stored = match &mut credential.options.specific {
        ProviderOptions::Oidc(generic) => generic,
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Okta { .. }
        | ProviderOptions::Apple(_) => &mut none,
    };
    set(&mut stored.use_pkce, change.use_pkce.as_ref());
    set(&mut stored.is_id_token_mapping, change.is_id_token_mapping.as_ref());
    set(&mut stored.display_name_mapping, change.display_name_mapping.as_ref());
    set(&mut stored.username_mapping, change.username_mapping.as_ref());
    set(&mut stored.discovery_url, change.discovery_url.as_ref());
    set(&mut stored.authorization_endpoint, change.authorization_endpoint.as_ref());
    set(&mut stored.token_endpoint, change.token_endpoint.as_ref());
    set(&mut stored.userinfo_endpoint, change.userinfo_endpoint.as_ref());
    if none == GenericOptions::default() { Ok(()) } else { Err(Refusal::GenericOnly { actual }) }
}

fn set<T: Clone>(stored: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        stored.clone_from(given);
    }
}

fn changed_registration(before: &Entry, change: &CredentialChange) -> Registration {
    let mut after = before.registration.clone();
    after.provisioning = planted::on_untouched(after.provisioning);
    set::<CredentialState>(&mut after.state, change.state.as_ref());
    set(&mut after.provisioning, change.provisioning.as_ref());
    set::<Styling>(&mut after.styling, change.styling.as_ref());
    set(&mut after.auto_register, change.auto_register.as_ref());
    after
}

#[cfg(test)]
#[path = "registration_test.rs"]
mod tests;
