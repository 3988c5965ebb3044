//! The words of a failover: a home group that was closed because its region is lost, what took its
//! place, and what the lost region had that nobody else did.
//!
//! Nothing here decides; the protocol is told in `concordat_cluster::raft`'s `failover`, its rules in
//! the machine's. No secret is ever in here.

use crate::{
    id::{ClientId, GroupId, NodeId, OrgId, WriteId},
    log::{LogId, LogIndex},
    region::Region,
    time::LogTime,
};

/// A home group that takes nothing any more, whoever leads it. The record stays for good: a replica
/// of the group may come back at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedGroup {
    /// The group.
    pub group: GroupId,
    /// The region whose organisations are in it.
    pub region: Region,
    /// The lost region: where its voters stood.
    pub lost: Region,
    /// Where its successor is to stand.
    pub to: Region,
    /// Why its leader cannot go on.
    pub basis: FailoverBasis,
    /// Nodes outside the lost region that need not be asked what they have: the operator's word that
    /// they are lost too.
    pub absent: Vec<NodeId>,
    /// What took its place; none until all the others have been asked.
    pub succession: Option<Succession>,
}

/// What makes sure that the closed group's leader neither proposes nor grants leases any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverBasis {
    /// The operator's word that all nodes of the lost region are stopped.
    Fenced,
    /// The group's own log: it has noted that its leaders fence themselves, in this generation of
    /// the setting, which is the present one.
    Isolation {
        /// [`crate::org::Isolation::generation`].
        generation: u32,
    },
}

/// A closed group's successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// Its group.
    pub group: GroupId,
    /// The survivor whose replica it is made from.
    pub founder: NodeId,
    /// The newest entry of that replica's log. All up to it lives on; what is beyond it in term and
    /// index is lost, unless somebody reports it.
    pub last: LogId,
    /// The newest entry that some survivor had applied: every acknowledged position up to it is
    /// contained. Of one between this and `last` its index alone does not say that the entry there is
    /// the one that was acknowledged; its term does ([`crate::record::InheritedTerms`]).
    pub certain: LogIndex,
}

impl Succession {
    /// Whether an entry of the closed group was not in the replica that its successor was made from.
    #[must_use]
    pub fn lacks(&self, entry: LogId) -> bool {
        // As elections compare logs: no log that ends at `last` has an entry of a later term, and it
        // has every entry of its own last term up to its end.
        (entry.term, entry.index) > (self.last.term, self.last.index)
    }
}

/// A write that only a replica of the lost region had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DivergedWrite {
    /// Its entry.
    pub log_id: LogId,
    /// Its name.
    pub write_id: WriteId,
    /// The wall time of the leader that appended it.
    pub at: LogTime,
    /// The organisation, if it was of one.
    pub org: Option<OrgId>,
    /// What it was, as in `oidc.patch`.
    pub operation: String,
    /// The credential, if it was of one.
    pub client_id: Option<ClientId>,
    /// Whether the replica knew it to be committed. If not, nobody was told that it was.
    pub committed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Term;

    #[test]
    fn a_successor_lacks_later_terms_and_later_entries_of_its_last_term() {
        let id = |term, index| LogId { term: Term(term), index: LogIndex(index) };
        let succession = Succession {
            group: GroupId(4),
            founder: NodeId(1),
            last: id(3, 10),
            certain: LogIndex(9),
        };
        for (entry, lacked) in [
            (id(3, 10), false),
            (id(3, 11), true),
            (id(4, 8), true),
            (id(2, 12), false),
            (id(1, 1), false),
        ] {
            assert_eq!(succession.lacks(entry), lacked, "{entry:?}");
        }
    }
}
