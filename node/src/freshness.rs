//! How fresh an answer is: `Concordat-Read` on everything that was computed from replicated state.
//!
//! Judged before the state is read, so that an unmarked answer is at least as new as the proof.

use concordat_cluster::{
    machine::query,
    raft::{Freshness, Groups},
};
use concordat_proto::{
    header,
    id::{GroupId, OrgId},
};

use crate::{clock::Stamp, dialect::Answer, node::Node};

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
            let as_of = query::applied(node.state(), group).unwrap_or_default().log_time;
            fresh = staler(fresh, Freshness::Stale { as_of });
        }
    }
    fresh
}

/// The staler of two.
pub(crate) fn staler(one: Freshness, other: Freshness) -> Freshness {
    match (one, other) {
        (Freshness::Current, other) | (other, Freshness::Current) => other,
        (Freshness::Stale { as_of: one }, Freshness::Stale { as_of: two }) => {
            Freshness::Stale { as_of: one.min(two) }
        }
    }
}

/// An answer with its mark.
pub(crate) fn mark(mut answer: Answer, freshness: Freshness) -> Answer {
    let value = match freshness {
        Freshness::Current => header::READ_CURRENT.to_owned(),
        Freshness::Stale { as_of } => header::read_stale(&Stamp(as_of).to_string()),
    };
    answer.headers.push((header::READ, value));
    answer
}

#[cfg(test)]
mod tests {
    use concordat_proto::time::LogTime;

    use super::*;

    #[test]
    fn a_mark_says_since_when() {
        let answer = || Answer { status: 200, headers: Vec::new(), body: None };
        let marked = mark(answer(), Freshness::Current);
        assert_eq!(marked.headers, [("concordat-read", "current".to_owned())]);
        let marked = mark(answer(), Freshness::Stale { as_of: LogTime(1000) });
        let expected = "stale; as-of=1970-01-01T00:00:01Z".to_owned();
        assert_eq!(marked.headers, [("concordat-read", expected)]);
    }
}
