//! The rules of the feature level: from which entry on a group's replicas write and do what builds of
//! an earlier release do not know.
//!
//! The cluster's level stands in its record in the system group. Each home group has a copy in its own
//! log, so that all of its replicas change at the same entry. A level never goes down, and is never
//! raised while a member may not know it: an entry that a member cannot read ends that member, on
//! every node that runs its build at the same time.

use std::collections::BTreeSet;

use concordat_proto::{id::NodeId, log::Term, org::ClusterRecord, refusal::Refusal, reply::Reply};

use super::{
    context::ApplyContext,
    query,
    turn::{Ruling, Turn},
};
use crate::store::{Reader, StoreError, keys};

/// The level from which on answers name the term of their entry.
const TERMS_ARE_NAMED: u32 = 2;

/// The term that answers of an entry name: none until the group's own log has noted that all of its
/// replicas know such answers.
pub(super) fn named_term(
    view: &dyn Reader,
    context: &ApplyContext,
) -> Result<Option<Term>, StoreError> {
    let names = query::feature_level(view, context.group)? >= TERMS_ARE_NAMED;
    Ok(names.then_some(context.log_id.term))
}

/// Raises the cluster's level, if every member has said that it knows it.
pub(super) fn raise(turn: &mut Turn<'_>, level: u32, known_by: &[NodeId]) -> Ruling {
    let Some(cluster) = query::cluster(turn.view())? else {
        return Err(Refusal::AlreadyFormed.into());
    };
    let known_by: BTreeSet<&NodeId> = known_by.iter().collect();
    let nodes = query::nodes(turn.view())?;
    // A node that joined after the question was asked may be of an earlier release.
    if let Some(node) = nodes.values().find(|it| it.is_there() && !known_by.contains(&it.id)) {
        return Err(Refusal::FeatureLevelUnknown { node: node.id }.into());
    }
    if level > cluster.feature_level {
        turn.put(keys::cluster(), &ClusterRecord { feature_level: level, ..cluster });
    }
    Ok(Reply::Done)
}

/// Notes the cluster's level in a home group.
pub(super) fn note(turn: &mut Turn<'_>, level: u32) -> Ruling {
    if level > query::feature_level(turn.view(), turn.group)? {
        turn.put(keys::feature_level(turn.group), &u64::from(level));
    }
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use concordat_proto::{command::Command, id::GroupId, oidc::Provider};

    use super::{
        super::testkit::{BEGIN, HOME, Replica, credential, node, org_id, proposal},
        *,
    };

    #[test]
    fn a_level_is_raised_only_when_every_member_knows_it() {
        let replica = Replica::formed();
        let read =
            |replica: &Replica| query::feature_level(&*replica.store, GroupId::SYSTEM).unwrap();
        replica.done(101, Command::RegisterNode(node(1, 0, 1)));
        replica.done(102, Command::RegisterNode(node(2, 0, 2)));
        let raise = |level, known_by: &[u64]| Command::RaiseFeatureLevel {
            level,
            known_by: known_by.iter().copied().map(NodeId).collect(),
        };
        assert_eq!(read(&replica), 1);
        let refused = replica.refused(103, raise(2, &[0, 1]));
        assert_eq!(refused, Refusal::FeatureLevelUnknown { node: NodeId(2) });
        assert_eq!(read(&replica), 1);
        replica.done(104, raise(3, &[2, 1, 0]));
        assert_eq!(read(&replica), 3);
        replica.done(105, raise(2, &[0, 1, 2, 9]));
        assert_eq!(read(&replica), 3, "it never goes down");
    }

    #[test]
    fn an_answer_names_its_term_once_the_level_is_noted() {
        let replica = Replica::with_orgs();
        let create = |number| Command::CreateOidc {
            org: org_id(0),
            credential: credential(number, Provider::Google, 1),
        };
        let answered = |write, command| replica.one(&proposal(write, BEGIN, command));
        let before = answered(1, create(1)).position.expect("of an organization");
        replica.done(2, Command::NoteFeatureLevel(2));
        let after = answered(3, create(2)).position.expect("of an organization");
        let log_id = replica.applied().log_id.expect("applied");
        assert_eq!((before.term, after.log_id()), (None, Some(log_id)));
        // What was remembered before stays as it was; what is refused has a term like what is done.
        assert_eq!(answered(1, create(1)).position, Some(before));
        let refused = answered(4, create(2));
        assert!(refused.outcome.is_err());
        assert_eq!(refused.position.and_then(|it| it.term), Some(log_id.term));
    }

    #[test]
    fn a_home_group_has_the_first_level_until_another_is_noted() {
        let replica = Replica::new(HOME);
        let read = |replica: &Replica| query::feature_level(&*replica.store, HOME).unwrap();
        assert_eq!(read(&replica), 1);
        replica.done(1, Command::NoteFeatureLevel(2));
        assert_eq!(read(&replica), 2);
        replica.done(2, Command::NoteFeatureLevel(1));
        assert_eq!(read(&replica), 2, "it never goes down");
    }
}
