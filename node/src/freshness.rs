//! How fresh an answer is: `Concordat-Read` on everything that was computed from replicated state.
//!
//! Judged before the state is read, so that an unmarked answer is at least as new as the proof.
//!
//! A no is not like a yes. What a state shows was there as of some time, however old the state is; what
//! it lacks may be there since long, unless this process has been current with it at least once. A
//! client that does not know our marks takes a 401 or a 404 as the last word and drops its login. So a
//! state that has never been current gives none: 503 instead, and the client asks another node.

use concordat_cluster::{
    machine::query,
    planted::{self, Bug},
    raft::{AsOf, Freshness, Groups},
};
use concordat_proto::{
    header,
    id::{GroupId, OrgId},
    time::LogTime,
};

use crate::{clock::Stamp, dialect::Answer, node::Node, refuse};

/// The freshness of what is read from several groups: that of the stalest.
pub(crate) fn of(groups: &Groups, read: &[GroupId]) -> Freshness {
    let fresh = read.iter().map(|group| groups.freshness(*group));
    fresh.fold(Freshness::Current, staler)
}

/// The freshness of a word on all organisations, such as that one is not there: that of all home
/// groups, and of the list of them. A node whose state of the system group went back, or is behind,
/// may hold leases of all groups that it knows of and not know of the one that matters.
pub(crate) fn of_all(node: &Node) -> Freshness {
    let list = node.groups.list_freshness();
    staler(list, of(&node.groups, &node.home_groups()))
}

/// The freshness of a word that something is not there, or of a list: [`of_all`], and stale while an
/// organisation is on its way to a group here. One that comes back to where it was before is dropped
/// there until all of it has come, and a replica of its last home that is behind may not know it yet,
/// under a lease from before: then nobody here sees it.
pub(crate) fn of_absence(node: &Node) -> Freshness {
    let mut fresh = of_all(node);
    for group in node.home_groups() {
        let arriving = query::on_move(node.state(), group).map(|orgs| {
            let adopted = |org: &OrgId| query::away(node.state(), group, *org).ok().flatten();
            orgs.iter().filter_map(adopted).any(|away| away.adoption.is_some())
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

/// As fresh, but of a log time at most: there is something that the proof does not speak of.
pub(crate) fn at(fresh: Freshness, time: LogTime) -> Freshness {
    staler(fresh, Freshness::Stale { as_of: AsOf::Proven(time) })
}

/// Statuses by which a node says that something is not there: a key, a right, a record, a version, or
/// what else would have to be there for a yes.
const fn is_absence(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 409 | 412 | 422)
}

/// An answer from this node's own state with its mark; a no only from a state that may say so.
pub(crate) fn mark(answer: Answer, freshness: Freshness) -> Answer {
    if is_absence(answer.status) {
        return mark_absence(answer, freshness);
    }
    marked(answer, freshness)
}

/// The same of an answer that says by other means that nothing is there: an empty list.
pub(crate) fn mark_absence(answer: Answer, freshness: Freshness) -> Answer {
    if freshness.knows_absence() || planted::is(Bug::NeverCurrentSaysNo) {
        return marked(answer, freshness);
    }
    marked(refuse::never_current(), freshness)
}

fn marked(mut answer: Answer, freshness: Freshness) -> Answer {
    let value = match freshness {
        Freshness::Current => header::READ_CURRENT.to_owned(),
        Freshness::Stale { as_of } => match as_of.time() {
            Some(time) => header::read_stale(&Stamp(time).to_string()),
            None => header::READ_STALE.to_owned(),
        },
    };
    answer.headers.push((header::READ, value));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: None }
    }

    fn stale(as_of: AsOf) -> Freshness {
        Freshness::Stale { as_of }
    }

    fn read_mark(answer: &Answer) -> &str {
        let mut marks = answer.headers.iter().filter(|(name, _)| *name == header::READ);
        let (_, mark) = marks.next().expect("a mark");
        assert!(marks.next().is_none(), "one mark");
        mark
    }

    #[test]
    fn a_mark_says_since_when() {
        let marked = mark(answer(200), Freshness::Current);
        assert_eq!(marked.headers, [("concordat-read", "current".to_owned())]);
        for as_of in [AsOf::Proven(LogTime(1000)), AsOf::Applied(LogTime(1000))] {
            let marked = mark(answer(200), stale(as_of));
            assert_eq!(read_mark(&marked), "stale; as-of=1970-01-01T00:00:01Z");
        }
        assert_eq!(read_mark(&mark(answer(200), stale(AsOf::Nothing))), "stale", "since no time");
    }

    #[test]
    fn a_state_that_has_never_been_current_says_no_to_nobody() {
        let (proven, applied) = (AsOf::Proven(LogTime(5)), AsOf::Applied(LogTime(5)));
        for status in [401, 403, 404, 409, 412, 422] {
            assert_eq!(mark(answer(status), Freshness::Current).status, status);
            assert_eq!(mark(answer(status), stale(proven)).status, status, "it knew all of then");
            for as_of in [applied, AsOf::Nothing] {
                let refused = mark(answer(status), stale(as_of));
                assert_eq!(refused.status, 503, "{status}");
                let mut names = refused.headers.iter().map(|(name, _)| *name);
                assert!(names.any(|name| name == header::RETRY_AFTER), "{refused:?}");
                assert!(read_mark(&refused).starts_with("stale"), "{refused:?}");
            }
        }
        // What is there was there: logins go on.
        for status in [200, 304] {
            assert_eq!(mark(answer(status), stale(applied)).status, status);
        }
        assert_eq!(mark_absence(answer(200), stale(applied)).status, 503, "an empty list");
        assert_eq!(mark_absence(answer(200), stale(proven)).status, 200);
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
