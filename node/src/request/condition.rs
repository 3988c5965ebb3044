//! `If-Match` and `If-None-Match` (RFC 9110, 13): which of them the log decides, and how the others
//! are decided.
//!
//! A condition is never ignored: where it is false nothing is done, and the answer is 412.

use concordat_proto::{command::Precondition, id::WriteId, refusal::Refusal};

use crate::api::{
    operation::Operation,
    outcome::{Answer, Outcome},
    request::Terms,
};

/// The answer to a read, if `If-Match` allows it. A value without a version matches `*` only.
pub(crate) fn of_read(answer: Answer, if_match: Option<&Precondition>) -> Answer {
    let is_there = matches!(answer.outcome, Outcome::Found(_) | Outcome::NotModified(_));
    let Some(Precondition::AnyOf(versions)) = if_match.filter(|_| is_there) else { return answer };
    if answer.outcome.version().is_some_and(|version| versions.contains(&version)) {
        return answer;
    }
    // As fresh as the state that was read.
    Answer { outcome: failed(), ..answer }
}

/// The answer to a write whose condition is false in every state: an object that is to be created
/// does not exist, and everything but a credential has no version.
pub(crate) fn of_write(operation: Operation, terms: &Terms) -> Result<(), Outcome> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only credentials and resources have versions"
    )]
    let is_false = match operation {
        Operation::OidcPatch
        | Operation::OidcDelete
        | Operation::EntryChange
        | Operation::EntryDelete
        | Operation::SamlPatch
        | Operation::SamlDelete
        | Operation::ExternalPatch
        | Operation::ExternalDelete
        | Operation::AttributePut
        | Operation::PoliciesPut
        | Operation::OrgPoliciesPut
        | Operation::AttributeDelete => false,
        Operation::OidcCreate
        | Operation::EntryCreate
        | Operation::SamlCreate
        | Operation::ExternalCreate
        | Operation::KeyIssue
        | Operation::OrgCreate => terms.if_match.is_some(),
        _ => {
            matches!(terms.if_match, Some(Precondition::AnyOf(_)))
                || terms.if_none_match == Some(Precondition::Exists)
        }
    };
    if is_false { Err(failed()) } else { Ok(()) }
}

/// The condition that the log decides for a credential. It compares for equality only, so unwanted
/// versions are inverted: `current` is the version that this node knows, and the write is done only
/// for that one, if it is wanted. So one that another write has changed meanwhile, or that this
/// node does not have yet, is 412 too; a write whose condition is false is never done.
pub(crate) fn of_credential<E>(
    terms: &Terms,
    current: impl FnOnce() -> Result<Option<WriteId>, E>,
) -> Result<Option<Precondition>, E> {
    let wanted = terms.if_match.clone();
    let unwanted = match &terms.if_none_match {
        None => return Ok(wanted),
        Some(Precondition::Exists) => return Ok(Some(Precondition::AnyOf(Vec::new()))),
        Some(Precondition::AnyOf(unwanted)) => unwanted,
    };
    let mut versions = match wanted {
        Some(Precondition::AnyOf(versions)) => versions,
        Some(Precondition::Exists) | None => current()?.into_iter().collect(),
    };
    versions.retain(|version| !unwanted.contains(version));
    Ok(Some(Precondition::AnyOf(versions)))
}

/// Whether `If-None-Match` of a read names this version: the caller has it.
pub(crate) fn is_known(if_none_match: Option<&Precondition>, version: WriteId) -> bool {
    match if_none_match {
        None => false,
        Some(Precondition::Exists) => true,
        Some(Precondition::AnyOf(versions)) => versions.contains(&version),
    }
}

const fn failed() -> Outcome {
    Outcome::refused(Refusal::VersionMismatch)
}

#[cfg(test)]
mod tests {
    use concordat_cluster::raft::Freshness;

    use super::*;
    use crate::api::outcome::What;

    fn version(number: u8) -> WriteId {
        WriteId::from_bytes([number; 16])
    }

    fn any_of(numbers: &[u8]) -> Option<Precondition> {
        Some(Precondition::AnyOf(numbers.iter().copied().map(version).collect()))
    }

    fn terms(if_match: Option<Precondition>, if_none_match: Option<Precondition>) -> Terms {
        Terms { if_match, if_none_match, ..Terms::default() }
    }

    #[test]
    fn if_none_match_compares_versions() {
        let (one, two) = (version(1), version(2));
        assert!(!is_known(None, one));
        assert!(is_known(Some(&Precondition::Exists), one));
        assert!(is_known(any_of(&[2, 1]).as_ref(), one));
        assert!(!is_known(any_of(&[1]).as_ref(), two));
    }

    #[test]
    fn a_read_of_another_version_is_refused_and_as_fresh() {
        let found = Outcome::NotModified(version(1));
        let is_refused = |outcome: Outcome, if_match: Option<Precondition>| {
            let answer = of_read(Answer { outcome, ..answer() }, if_match.as_ref());
            assert_eq!(answer.freshness, Some(Freshness::Current));
            matches!(
                answer.outcome,
                Outcome::Refused { refusal: Refusal::VersionMismatch, receipt: None }
            )
        };
        for right in [None, Some(Precondition::Exists), any_of(&[2, 1])] {
            assert!(!is_refused(found.clone(), right));
        }
        for wrong in [any_of(&[2]), any_of(&[])] {
            assert!(is_refused(found.clone(), wrong));
        }
        assert!(is_refused(Outcome::DONE, any_of(&[1])), "it has no version");
        assert!(!is_refused(Outcome::DONE, Some(Precondition::Exists)));
        assert!(!is_refused(Outcome::NotFound(What::Credential), any_of(&[1])));
    }

    fn answer() -> Answer {
        Answer { freshness: Some(Freshness::Current), ..Outcome::DONE.into() }
    }

    #[test]
    fn unwanted_versions_are_turned_round() {
        let asked = |if_match, if_none_match, current: Option<u8>| {
            let current = || Ok::<_, ()>(current.map(version));
            of_credential(&terms(if_match, if_none_match), current).expect("no error")
        };
        assert_eq!(asked(None, None, Some(1)), None);
        assert_eq!(asked(any_of(&[2]), None, Some(1)), any_of(&[2]));
        assert_eq!(asked(None, Some(Precondition::Exists), Some(1)), any_of(&[]));
        assert_eq!(asked(None, any_of(&[2]), Some(1)), any_of(&[1]));
        assert_eq!(asked(None, any_of(&[1, 2]), Some(1)), any_of(&[]));
        assert_eq!(asked(None, any_of(&[1]), None), any_of(&[]));
        assert_eq!(asked(Some(Precondition::Exists), any_of(&[2]), Some(1)), any_of(&[1]));
        assert_eq!(asked(any_of(&[1, 2]), any_of(&[2]), Some(2)), any_of(&[1]));
    }

    #[test]
    fn what_has_no_version_matches_none() {
        let is_done = |operation, if_match, if_none_match| {
            of_write(operation, &terms(if_match, if_none_match)).is_ok()
        };
        let any = || Some(Precondition::Exists);
        assert!(is_done(Operation::OidcCreate, None, any()));
        assert!(!is_done(Operation::OidcCreate, any(), None));
        assert!(!is_done(Operation::OrgCreate, any_of(&[1]), None));
        assert!(is_done(Operation::OrgPatch, any(), any_of(&[1])));
        assert!(!is_done(Operation::OrgPatch, any_of(&[1]), None));
        assert!(!is_done(Operation::OrgPatch, None, any()));
        assert!(is_done(Operation::OidcPatch, any_of(&[1]), any()));
    }
}
