//! `If-Match` and `If-None-Match` (RFC 9110, 13): which of them the log decides, and what becomes of
//! the others.
//!
//! A condition is never passed over: where it is false nothing is done, and the answer is 412.

use concordat_proto::{command::Precondition, header, id::WriteId, refusal::Refusal};

use crate::dialect::{Answer, CommonHeaders, Operation, slashid::render};

/// The answer to a read, if `If-Match` allows it. What has no version matches `*` only.
pub(crate) fn of_read(answer: Answer, if_match: Option<&Precondition>) -> Answer {
    let is_there = matches!(answer.status, 200 | 304);
    let Some(Precondition::AnyOf(versions)) = if_match.filter(|_| is_there) else { return answer };
    let tag = answer.headers.iter().find(|(name, _)| *name == header::ETAG);
    if tag.is_some_and(|(_, tag)| versions.iter().any(|version| header::etag(*version) == *tag)) {
        return answer;
    }
    // As fresh as what was looked at.
    let kept = answer.headers.into_iter();
    let kept = kept.filter(|(name, _)| matches!(*name, header::READ | header::POSITION));
    let mut refused = failed();
    refused.headers.extend(kept);
    refused
}

/// The answer to a write whose condition is false wherever it is carried out: what is to be created is
/// not there, and everything but a credential has no version.
pub(crate) fn of_write(operation: Operation, common: &CommonHeaders) -> Result<(), Answer> {
    let is_false = match operation {
        Operation::OidcPatch | Operation::OidcDelete => false,
        Operation::OidcCreate | Operation::OrgCreate => common.if_match.is_some(),
        Operation::OrgPatch
        | Operation::OrgMove
        | Operation::ClusterPatch
        | Operation::NodePatch
        | Operation::NodeDelete
        | Operation::RegionPatch
        | Operation::RegionDelete
        | Operation::RegionFailover
        | Operation::RegionAdd => {
            matches!(common.if_match, Some(Precondition::AnyOf(_)))
                || common.if_none_match == Some(Precondition::Exists)
        }
        Operation::OidcList
        | Operation::OidcGet
        | Operation::OrgList
        | Operation::OrgGet
        | Operation::ReceiptGet
        | Operation::ClusterGet
        | Operation::DemoCut
        | Operation::DemoHeal
        | Operation::NodeList
        | Operation::RegionList
        | Operation::DivergenceGet
        | Operation::SecretGet => false,
    };
    if is_false { Err(failed()) } else { Ok(()) }
}

/// What the log is asked to decide of a credential. It compares for equality only, so unwanted
/// versions are turned round: `current` is the version that this node knows, and the write is done
/// only to that one, if it is wanted. So one that another write has changed meanwhile, or that this
/// node does not have yet, is 412 too; a write whose condition is false is never done.
pub(crate) fn of_credential<E>(
    common: &CommonHeaders,
    current: impl FnOnce() -> Result<Option<WriteId>, E>,
) -> Result<Option<Precondition>, E> {
    let wanted = common.if_match.clone();
    let unwanted = match &common.if_none_match {
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

fn failed() -> Answer {
    render::refused(&Refusal::VersionMismatch, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::slashid;

    fn version(number: u8) -> WriteId {
        WriteId::from_bytes([number; 16])
    }

    fn any_of(numbers: &[u8]) -> Option<Precondition> {
        Some(Precondition::AnyOf(numbers.iter().copied().map(version).collect()))
    }

    fn common(
        if_match: Option<Precondition>,
        if_none_match: Option<Precondition>,
    ) -> CommonHeaders {
        let none = http::HeaderMap::new();
        let common = slashid::parse_common(&none, true).expect("no headers");
        CommonHeaders { if_match, if_none_match, ..common }
    }

    #[test]
    fn a_read_of_another_version_is_412_and_as_fresh() {
        let headers = vec![
            (header::ETAG, header::etag(version(1))),
            (header::READ, "current".to_owned()),
            (header::POSITION, "p".to_owned()),
        ];
        let found = Answer { status: 200, headers, body: Some(b"{}".to_vec()) };
        for right in [None, Some(Precondition::Exists), any_of(&[2, 1])] {
            assert_eq!(of_read(found.clone(), right.as_ref()), found);
        }
        for wrong in [any_of(&[2]), any_of(&[])] {
            let answer = of_read(found.clone(), wrong.as_ref());
            assert_eq!(answer.status, 412);
            assert_eq!(answer.headers, found.headers[1..]);
        }
        let not_modified = Answer { status: 304, body: None, ..found.clone() };
        assert_eq!(of_read(not_modified, any_of(&[2]).as_ref()).status, 412);
        let list = Answer { headers: Vec::new(), ..found };
        assert_eq!(of_read(list.clone(), any_of(&[1]).as_ref()).status, 412);
        assert_eq!(of_read(list.clone(), Some(&Precondition::Exists)), list);
        let absent = Answer { status: 404, ..list };
        assert_eq!(of_read(absent.clone(), any_of(&[1]).as_ref()), absent);
    }

    #[test]
    fn unwanted_versions_are_turned_round() {
        let asked = |if_match, if_none_match, current: Option<u8>| {
            let current = || Ok::<_, ()>(current.map(version));
            of_credential(&common(if_match, if_none_match), current).expect("no error")
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
            of_write(operation, &common(if_match, if_none_match)).is_ok()
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
