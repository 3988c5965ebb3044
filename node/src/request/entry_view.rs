//! A credential with its registration and the facts of its organization, as further dialects show it.
//!
//! A secret is opened here only where a dialect shows its end, and nothing but that end is kept.

use concordat_cluster::{
    machine::{
        locate::Located,
        query,
        registered::{self, Entry},
    },
    store::StoreError,
};
use concordat_proto::secret::Secret;

use super::unavailable::{broken, no_key};
use crate::{
    api::{
        operation::EntryNeeds,
        outcome::{Answer, EntryView, OrgFacts},
    },
    node::Node,
    seal::{DataKey, Field, SealError},
};

/// Characters of a client secret that are shown at most, of one that has four times as many.
const TAIL_CHARS: usize = 4;

/// The view of a credential.
///
/// # Errors
/// The answer, when the state cannot be read or the secret not opened.
pub(crate) fn of(
    node: &Node,
    at: &Located,
    entry: Entry,
    needs: EntryNeeds,
) -> Result<EntryView, Answer> {
    let org = facts(node, at).map_err(|error| broken("reading an organization", &error))?;
    let secret_tail = if needs.secret_tail { tail(node, at, &entry)? } else { None };
    Ok(EntryView { entry, org, secret_tail })
}

/// The facts of an organization.
///
/// # Errors
/// When the store is broken.
pub(crate) fn facts(node: &Node, at: &Located) -> Result<OrgFacts, StoreError> {
    let id = at.home.org.id;
    let profile = registered::profile(node.state(), at.group, id)?;
    let domain = registered::domain_of(node.state(), id)?;
    let as_of = query::applied(node.state(), at.group)?.log_time;
    Ok(OrgFacts { id, number: profile.number, sequence: profile.sequence, domain, as_of })
}

/// The client secret of a credential, for the client id that it was sealed for.
///
/// # Errors
/// When it does not open.
pub(crate) fn open_secret(key: &DataKey, entry: &Entry) -> Result<Secret, SealError> {
    let sealed_for = entry.registration.secret_sealed_for.as_ref();
    let client_id = sealed_for.unwrap_or(&entry.credential.client_id);
    key.open(&entry.credential.client_secret, Field::ClientSecret(client_id.as_str()))
}

fn tail(node: &Node, at: &Located, entry: &Entry) -> Result<Option<Secret>, Answer> {
    let org = &at.home.org;
    let key = node.sealer.data_key(org.id, &org.data_key).map_err(no_key)?;
    let secret = open_secret(&key, entry).map_err(no_key)?;
    Ok(tail_of(&secret))
}

fn tail_of(secret: &Secret) -> Option<Secret> {
    let text = secret.expose();
    let count = text.chars().count();
    let from = text.char_indices().nth(count.saturating_sub(TAIL_CHARS));
    let tail = from.map(|(at, _)| Secret::new(text[at..].to_owned()));
    tail.filter(|_| count >= 4 * TAIL_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_secret_only_is_shown() {
        let tail = |text: &str| {
            let tail = tail_of(&Secret::new(text.to_owned()));
            tail.map(|tail| tail.expose().to_owned())
        };
        assert_eq!(tail(""), None);
        assert_eq!(tail("abcdefghijklmno"), None);
        assert_eq!(tail("abcdefghijklmnop").as_deref(), Some("mnop"));
        assert_eq!(tail("abcdefghijklmnoü日本語").as_deref(), Some("ü日本語"));
    }
}
