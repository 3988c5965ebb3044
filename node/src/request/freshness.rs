//! The freshness of answers that are computed from replicated state.
//!
//! Evaluated before the state is read, so that a fresh answer is at least as new as the proof.
//!
//! A negative answer needs more than a positive one. An object in a state existed at some time,
//! however old the state is; a missing one may have existed for long, unless this process has been
//! current with the state at least once. A client that does not know our headers takes a 401 or a
//! 404 as final and drops its login. So a node that has never been current gives none: it answers
//! 503, and the client asks another node.

use concordat_cluster::{
    machine::query,
    planted,
    raft::{AsOf, Freshness, Groups},
};
use concordat_proto::{
    id::{GroupId, OrgId},
    time::LogTime,
};

use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    node::Node,
};

/// The freshness of a read from several groups: that of the stalest.
pub(crate) fn of(groups: &Groups, read: &[GroupId]) -> Freshness {
    let fresh = read.iter().map(|group| groups.freshness(*group));
    fresh.fold(Freshness::Current, staler)
}

/// The freshness of an answer about all organizations, such as that one does not exist: that of all
/// home groups, and of the list of them. A node whose state of the system group went back, or is
/// behind, may hold leases of all groups that it knows of and not know of the one that matters.
pub(crate) fn of_all(node: &Node) -> Freshness {
    let list = node.groups.list_freshness();
    staler(list, of(&node.groups, &node.home_groups()))
}

/// The freshness of an answer that something does not exist, or of a list: [`of_all`], and stale
/// while an organization is moving to a group here. One that returns to an earlier home is dropped
/// there until all of it has arrived, and a replica of its last home that is behind may not know it
/// yet, under a lease from before: then no replica here has it.
pub(crate) fn for_not_found(node: &Node) -> Freshness {
    let mut fresh = of_all(node);
    for group in node.home_groups() {
        let arriving = query::on_move(node.state(), group).map(|orgs| {
            let adopted = |org: &OrgId| query::away(node.state(), group, *org).ok().flatten();
            orgs.iter().filter_map(adopted).any(|away| away.import.is_some())
        });
        if arriving.unwrap_or(true) {
            let applied = query::applied(node.state(), group).unwrap_or_default();
            fresh = at(fresh, applied.log_time);
        }
    }
    fresh
}

/// The staler of two.
pub(crate) fn staler(one: Freshness, other: Freshness) -> Freshness {
    match (one, other) {
        (Freshness::Current, other) | (other, Freshness::Current) => other,
        (Freshness::Stale { as_of: one }, Freshness::Stale { as_of: two }) => {
            Freshness::Stale { as_of: one.earlier(two) }
        }
    }
}

/// The same, but at most as of a log time: there is something that the proof does not cover.
pub(crate) fn at(fresh: Freshness, time: LogTime) -> Freshness {
    staler(fresh, Freshness::Stale { as_of: AsOf::Proven(time) })
}

/// An answer from this node's own state with its freshness. An answer that something is not there is
/// given only from a state that has been current.
pub(crate) fn mark(answer: impl Into<Answer>, freshness: Freshness) -> Answer {
    let mut answer = answer.into();
    let may_say = planted::on_knows_absence(freshness.knows_absence());
    if answer.outcome.is_absence() && !may_say {
        answer = Outcome::Unavailable(Unavailable::NeverCurrent).into();
    }
    Answer { freshness: Some(freshness), ..answer }
}

#[cfg(test)]
mod tests {
    use concordat_proto::refusal::Refusal;

    use super::*;
    use crate::api::{
        operation::Page,
        outcome::{Blocked, List, Value, What},
    };

    fn stale(as_of: AsOf) -> Freshness {
        Freshness::Stale { as_of }
    }

    fn list(total_count: usize) -> Outcome {
        let page = Page::default();
        Outcome::Found(Value::Credentials(List {
            items: Vec::new(),
            page,
            total_count,
            next: None,
        }))
    }

    #[test]
    fn a_state_that_has_never_been_current_says_no_to_nobody() {
        let (proven, applied) = (AsOf::Proven(LogTime(5)), AsOf::Applied(LogTime(5)));
        let noes = [
            Outcome::Unauthenticated,
            Outcome::Forbidden(Vec::new()),
            Outcome::NotFound(What::Credential),
            Outcome::Blocked(Blocked::PoliciesNotEvaluated),
            Outcome::refused(Refusal::CredentialExists),
            Outcome::refused(Refusal::VersionMismatch),
            Outcome::refused(Refusal::IdempotencyKeyReused),
            list(0),
        ];
        let is_kept = |outcome: &Outcome, fresh| {
            let marked = mark(outcome.clone(), fresh);
            assert_eq!(marked.freshness, Some(fresh));
            let never = Outcome::Unavailable(Unavailable::NeverCurrent);
            format!("{:?}", marked.outcome) != format!("{never:?}")
        };
        for no in noes {
            assert!(is_kept(&no, Freshness::Current), "{no:?}");
            assert!(is_kept(&no, stale(proven)), "it knew all of then: {no:?}");
            for as_of in [applied, AsOf::Nothing] {
                assert!(!is_kept(&no, stale(as_of)), "{no:?}");
            }
        }
        // An existing object is answered: logins continue.
        for yes in [list(1), Outcome::DONE] {
            assert!(is_kept(&yes, stale(applied)), "{yes:?}");
        }
    }

    #[test]
    fn of_two_states_the_earlier_and_the_less_proven_counts() {
        let (proven, applied) = (AsOf::Proven(LogTime(5)), AsOf::Applied(LogTime(7)));
        assert_eq!(staler(Freshness::Current, stale(proven)), stale(proven));
        assert_eq!(staler(stale(proven), stale(applied)), stale(AsOf::Applied(LogTime(5))));
        assert_eq!(staler(stale(AsOf::Nothing), stale(proven)), stale(AsOf::Nothing));
        assert_eq!(at(Freshness::Current, LogTime(3)), stale(AsOf::Proven(LogTime(3))));
        assert_eq!(at(stale(applied), LogTime(3)), stale(AsOf::Applied(LogTime(3))));
    }
}
