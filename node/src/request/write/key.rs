//! Writes of an organization's keys.
//!
//! A key's text is drawn and sealed for the write that makes the key (`seal_command.rs`). The reply in the log has it
//! sealed, so that a repeat under the same idempotency key shows it again: to the key that asked first, and
//! to no other one, which may have fewer rights.

use std::sync::Arc;

use concordat_proto::{command::RequestDigest, id::KeyId, key::NewKey, secret::Secret, version};
use sha2::{Digest, Sha256};

use super::{
    audit::Action,
    commit::WriteRequest,
    org_write::{self, Draft},
};
use crate::{
    api::{
        draft::KeyDraft,
        outcome::{Answer, Malformed, Outcome, Unavailable, Written},
    },
    auth::OrgPrincipal,
    node::Node,
    request::{
        freshness,
        unavailable::{no_key, unavailable},
    },
    seal::{Field, SealError},
};

/// Carries a change of keys out, with its line in the audit trail.
pub(super) async fn answer(
    node: &Node,
    org: Arc<OrgPrincipal>,
    draft: KeyDraft,
    request: WriteRequest,
) -> Answer {
    if node.groups.feature_level() < version::LEVEL_OF_REGISTRATIONS {
        return unavailable(Unavailable::FeatureLevel);
    }
    let audited = match Action::of_keys(&org, &draft).audited() {
        Ok(audited) => audited,
        Err(answer) => return answer,
    };
    let answer = Box::pin(changed(node, org, draft, request)).await;
    audited.end(&answer.outcome);
    answer
}

async fn changed(
    node: &Node,
    org: Arc<OrgPrincipal>,
    draft: KeyDraft,
    mut request: WriteRequest,
) -> Answer {
    if let Err(outcome) = check(node, &org, &draft, &request) {
        return freshness::mark(outcome, freshness::of_all(node));
    }
    if !matches!(draft, KeyDraft::Revoke(_)) {
        request.digest = of_caller(&request.digest, org.key);
    }
    let by = org.clone();
    let mut answer = org_write::answer(node, Draft::Keys { org, draft }, request).await;
    if let Outcome::Written { value, .. } = &mut answer.outcome
        && let Written::Key(new, text) = value
    {
        match opened(node, &by, new) {
            Ok(found) => *text = Some(found),
            Err(error) => return no_key(error),
        }
    }
    answer
}

/// What needs no log to be refused: the rights of a key never change.
fn check(
    node: &Node,
    org: &OrgPrincipal,
    draft: &KeyDraft,
    request: &WriteRequest,
) -> Result<(), Outcome> {
    // All that a replaced key may write is what it has written.
    if org.replaced_by.is_some() && request.terms.idempotency_key.is_none() {
        return Err(Outcome::Unauthenticated);
    }
    let KeyDraft::Issue { rights, expires_at, .. } = draft else { return Ok(()) };
    if !org.rights.contain(*rights) {
        return Err(Outcome::Forbidden(Vec::new()));
    }
    if expires_at.is_some_and(|expires_at| expires_at <= node.now()) {
        let text = "expires_at must be in the future".to_owned();
        return Err(Outcome::Malformed(Malformed::Syntax(text)));
    }
    Ok(())
}

/// The digest of a request that shows a key: as this caller asks it.
pub(super) fn of_caller(request: &RequestDigest, caller: KeyId) -> RequestDigest {
    Sha256::new().chain_update(request).chain_update(caller.to_bytes()).finalize().into()
}

fn opened(node: &Node, org: &OrgPrincipal, new: &NewKey) -> Result<Secret, SealError> {
    let data_key = node.sealer.data_key(org.id(), &org.at.home.org.data_key)?;
    data_key.open(&new.sealed, Field::ApiKey(&new.key.key.id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_by_another_key_is_another_request() {
        let of = |request: u8, key: u8| of_caller(&[request; 32], KeyId::from_bytes([key; 16]));
        assert_eq!(of(1, 1), of(1, 1));
        assert_ne!(of(1, 1), of(1, 2));
        assert_ne!(of(1, 1), of(2, 1));
    }
}
