//! Drafts become commands: their secrets are encrypted here, the last place that has their
//! plaintext.

use concordat_cluster::{
    machine::{query, registered, resource},
    store::StoreError,
};
use concordat_proto::{
    command::{Command, Precondition},
    id::{ClientId, WriteId},
    key::KeyChange,
    oidc::{AppleOptions, OidcCredential, OidcOptions, OidcPatch, ProviderOptions},
    org::ApiKey,
    refusal::Refusal,
    registration::{CredentialChange, CredentialTarget},
    resource::{
        ExternalCredential, ExternalPatch, ResourceBody, ResourceChange, ResourceKind,
        ResourceName, ResourcePatch,
    },
    secret::{Sealed, Secret},
};

use super::commit::WriteRequest;
use crate::{
    api::{
        draft::{
            ChangeDraft, ExternalDraft, ExternalPatchDraft, KeyDraft, OidcDraft, OidcPatchDraft,
            OptionsDraft, ResourceDraft, SpecificDraft,
        },
        operation::CredentialWrite,
        outcome::{Answer, Outcome},
    },
    auth::{self, OrgPrincipal},
    node::Node,
    request::{
        condition,
        unavailable::{broken, no_key},
    },
    seal::{DataKey, Field},
};

/// The command that an organization's write becomes.
pub(super) fn command(
    node: &Node,
    principal: &OrgPrincipal,
    write: CredentialWrite,
    request: &WriteRequest,
) -> Result<Command, Answer> {
    let org = principal.id();
    let key = || node.sealer.data_key(org, &principal.at.home.org.data_key).map_err(no_key);
    let precondition = |client_id: &ClientId| {
        let current = || query::oidc(node.state(), principal.at.group, org, client_id);
        condition::of_credential(&request.terms, || Ok(current()?.map(|found| found.version)))
            .map_err(|error: StoreError| broken("reading a credential", &error))
    };
    match write {
        CredentialWrite::Create(draft) => {
            let credential = credential(&key()?, *draft, request.write_id);
            Ok(Command::CreateOidc { org, credential })
        }
        CredentialWrite::Patch(client_id, draft) => {
            let patch = patch(&key()?, &client_id, *draft, request.write_id);
            let precondition = precondition(&client_id)?;
            Ok(Command::PatchOidc { org, client_id, patch, precondition })
        }
        CredentialWrite::Delete(client_id) => {
            let precondition = precondition(&client_id)?;
            Ok(Command::DeleteOidc { org, client_id, precondition })
        }
        CredentialWrite::EntryCreate(target, draft) => {
            let change = Box::new(change(key, *draft, request.write_id)?);
            Ok(Command::ChangeCredential { org, target, change, precondition: None })
        }
        CredentialWrite::EntryChange(target, draft, _) => {
            let precondition = of_target(node, principal, &target, request)?;
            let change = Box::new(change(key, *draft, request.write_id)?);
            Ok(Command::ChangeCredential { org, target, change, precondition })
        }
        CredentialWrite::EntryDelete(target) => {
            let precondition = of_target(node, principal, &target, request)?;
            Ok(Command::RemoveCredential { org, target, precondition })
        }
        CredentialWrite::Resource(draft) => resource(node, principal, key, draft, request),
        CredentialWrite::Bind(binding, client_id) => {
            Ok(Command::BindCredential { org, binding, client_id })
        }
    }
}

/// The command that a change of keys becomes. The text of a new key is drawn here.
pub(super) fn keys(
    node: &Node,
    org: &OrgPrincipal,
    draft: &KeyDraft,
    request: &WriteRequest,
) -> Result<Command, Answer> {
    let drawn = || -> Result<(ApiKey, Sealed), Answer> {
        let (text, key) = auth::new_org_key(org.id(), &*node.environment.entropy);
        let data_key = node.sealer.data_key(org.id(), &org.at.home.org.data_key);
        let field = Field::ApiKey(&key.id.to_string());
        let sealed = data_key.map_err(no_key)?.seal(&text, field, request.write_id);
        Ok((key, sealed))
    };
    let change = match draft {
        KeyDraft::Issue { label, rights, expires_at } => {
            let (key, sealed) = drawn()?;
            let key = ApiKey { rights: *rights, ..key };
            KeyChange::Issue { key, label: label.clone(), expires_at: *expires_at, sealed }
        }
        KeyDraft::Revoke(id) => KeyChange::Revoke(*id),
        KeyDraft::Rotate => {
            let (ApiKey { id, hash, .. }, sealed) = drawn()?;
            KeyChange::Rotate { replaces: org.key, id, hash, sealed }
        }
    };
    Ok(Command::ChangeKeys { org: org.id(), change: Box::new(change) })
}

/// A change of a resource. One that gets an id has that of the write that creates it.
fn resource(
    node: &Node,
    principal: &OrgPrincipal,
    key: impl Fn() -> Result<DataKey, Answer>,
    draft: ResourceDraft,
    request: &WriteRequest,
) -> Result<Command, Answer> {
    let (org, write_id) = (principal.id(), request.write_id);
    let new_name = || ResourceName::of_write(write_id);
    let sealed = |name: &ResourceName, secret: &Secret| {
        let field = Field::ExternalBlob(name.as_str());
        key().map(|key| key.seal(secret, field, write_id))
    };
    let change = match draft {
        ResourceDraft::CreateSaml(saml) => {
            ResourceChange::Create(new_name(), ResourceBody::Saml(saml))
        }
        ResourceDraft::PatchSaml(name, patch) => {
            ResourceChange::Patch(name, ResourcePatch::Saml(patch))
        }
        ResourceDraft::CreateExternal(draft) => {
            let ExternalDraft { provider, credential_type, label, json_blob } = *draft;
            let name = new_name();
            let json_blob = sealed(&name, &json_blob)?;
            let external = ExternalCredential { provider, credential_type, label, json_blob };
            ResourceChange::Create(name, ResourceBody::External(external))
        }
        ResourceDraft::PatchExternal(name, ExternalPatchDraft { label, json_blob }) => {
            let json_blob = json_blob.map(|blob| sealed(&name, &blob)).transpose()?;
            let patch = ResourcePatch::External(ExternalPatch { label, json_blob });
            ResourceChange::Patch(name, patch)
        }
        ResourceDraft::PutAttribute(name, value) => {
            ResourceChange::Put(name, ResourceBody::Attribute(value))
        }
        ResourceDraft::PutPolicies(text) => {
            ResourceChange::Put(ResourceName::policies(), ResourceBody::Policies(text))
        }
        ResourceDraft::Delete(kind, name) => {
            let is_absent_ok = kind == ResourceKind::External;
            ResourceChange::Delete { kind, name, is_absent_ok }
        }
        ResourceDraft::DeleteAll(kind) => ResourceChange::DeleteAll(kind),
    };
    let precondition = of_resource(node, principal, &change, request)?;
    Ok(Command::ChangeResource { org, change: Box::new(change), precondition })
}

/// The condition for a resource.
fn of_resource(
    node: &Node,
    principal: &OrgPrincipal,
    change: &ResourceChange,
    request: &WriteRequest,
) -> Result<Option<Precondition>, Answer> {
    let name = match change {
        ResourceChange::Create(..) | ResourceChange::DeleteAll(_) => return Ok(None),
        ResourceChange::Put(name, _)
        | ResourceChange::Patch(name, _)
        | ResourceChange::Delete { name, .. } => name,
    };
    let (group, org) = (principal.at.group, principal.id());
    let current = || resource::get(node.state(), group, org, change.kind(), name);
    let condition =
        condition::of_credential(&request.terms, || Ok(current()?.map(|found| found.version)))
            .map_err(|error: StoreError| broken("reading a resource", &error))?;
    // Without a version left, `Put` creates what is absent; `If-Match` wants what is there.
    let is_false = request.terms.if_match.is_some()
        && matches!(&condition, Some(Precondition::AnyOf(versions)) if versions.is_empty());
    if is_false { Err(Outcome::refused(Refusal::VersionMismatch).into()) } else { Ok(condition) }
}

/// The condition for a credential that is named as dialects name it.
fn of_target(
    node: &Node,
    principal: &OrgPrincipal,
    target: &CredentialTarget,
    request: &WriteRequest,
) -> Result<Option<Precondition>, Answer> {
    let (group, org) = (principal.at.group, principal.id());
    let current = || registered::target(node.state(), group, org, target);
    let version = || Ok(current()?.map(|found| found.credential.version));
    condition::of_credential(&request.terms, version)
        .map_err(|error: StoreError| broken("reading a credential", &error))
}

/// A change, its secret sealed for the client id that the credential has after it. The data key is
/// opened only where there is a secret.
fn change(
    key: impl Fn() -> Result<DataKey, Answer>,
    draft: ChangeDraft,
    write_id: WriteId,
) -> Result<CredentialChange, Answer> {
    let ChangeDraft { client_secret, mut change } = draft;
    if let (Some(secret), Some(client_id)) = (&client_secret, &change.client_id) {
        let field = Field::ClientSecret(client_id.as_str());
        change.client_secret = Some(key()?.seal(secret, field, write_id));
    }
    Ok(change)
}

fn credential(key: &DataKey, draft: OidcDraft, write_id: WriteId) -> OidcCredential {
    let field = Field::ClientSecret(draft.client_id.as_str());
    OidcCredential {
        client_secret: key.seal(&draft.client_secret, field, write_id),
        options: options(key, &draft.client_id, draft.options, write_id),
        client_id: draft.client_id,
        provider: draft.provider,
        label: draft.label,
        external_cred_id: draft.external_cred_id,
        enable_in_authz_server: draft.enable_in_authz_server,
        version: write_id,
    }
}

fn patch(
    key: &DataKey,
    client_id: &ClientId,
    draft: OidcPatchDraft,
    write_id: WriteId,
) -> OidcPatch {
    let field = Field::ClientSecret(client_id.as_str());
    OidcPatch {
        provider: draft.provider,
        client_secret: draft.client_secret.map(|secret| key.seal(&secret, field, write_id)),
        label: draft.label,
        external_cred_id: draft.external_cred_id,
        enable_in_authz_server: draft.enable_in_authz_server,
        options: draft.options.map(|draft| options(key, client_id, draft, write_id)),
    }
}

fn options(
    key: &DataKey,
    client_id: &ClientId,
    draft: OptionsDraft,
    write_id: WriteId,
) -> OidcOptions {
    let specific = match draft.specific {
        SpecificDraft::ScopesOnly => ProviderOptions::ScopesOnly,
        SpecificDraft::Azuread { tenant } => ProviderOptions::Azuread { tenant },
        SpecificDraft::Okta { organization_url } => ProviderOptions::Okta { organization_url },
        SpecificDraft::Oidc(generic) => ProviderOptions::Oidc(generic),
        SpecificDraft::Apple { private_key, team_id, key_id, secret_lifetime } => {
            let field = Field::PrivateKey(client_id.as_str());
            ProviderOptions::Apple(AppleOptions {
                private_key: private_key.map(|secret| key.seal(&secret, field, write_id)),
                team_id,
                key_id,
                secret_lifetime,
            })
        }
    };
    OidcOptions { provider: draft.provider, scopes: draft.scopes, specific }
}
