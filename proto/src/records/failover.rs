//! The records of a failover: a closed home group whose region is lost, its successor, and the
//! writes that only the lost region had.
//!
//! Nothing here decides. The protocol is described in `concordat_cluster::raft`'s `failover`, its
//! rules in the machine's. No record here contains a secret.

use crate::base::{
    id::{ClientId, GroupId, NodeId, OrgId, WriteId},
    log::{LogId, LogIndex},
    region::Region,
    time::LogTime,
};

/// A home group that accepts no entry any more, from any leader. The record is permanent: a replica
/// of the group may return at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedGroup {
    /// The group.
    pub group: GroupId,
    /// The region whose organizations are in the group.
    pub region: Region,
    /// The lost region, which had the voters.
    pub lost: Region,
    /// The region of the successor.
    pub to: Region,
    /// Why the group's leader cannot continue.
    pub basis: FailoverBasis,
    /// Nodes outside the lost region whose logs are not waited for: the operator confirms that they
    /// are lost too.
    pub absent: Vec<NodeId>,
    /// The successor; none until all other nodes have reported their logs.
    pub succession: Option<Succession>,
}

/// What guarantees that the closed group's leader neither proposes nor grants leases any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverBasis {
    /// The operator's confirmation that all nodes of the lost region are stopped.
    Fenced,
    /// The group's own log: it has noted that its leaders fence themselves, in this generation of
    /// the setting, which is the present one.
    SelfFencing {
        /// [`crate::org::PartitionPolicyRecord::generation`].
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
    /// The last entry of that replica's log. The successor has all entries up to it. Later ones, by
    /// term and index, are lost, unless a node reports them.
    pub last: LogId,
    /// The newest entry that some survivor had applied: the successor contains every acknowledged
    /// position up to it. Between this and `last` an index alone does not identify the acknowledged
    /// entry; its term does ([`crate::record::InheritedTerms`]).
    pub safe_index: LogIndex,
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
    /// The organization, if it was of one.
    pub org: Option<OrgId>,
    /// The operation, like `oidc.patch`.
    pub operation: String,
    /// The credential, if it was of one.
    pub client_id: Option<ClientId>,
    /// Whether the replica knew it to be committed. If not, no client got a success for it.
    pub committed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::log::Term;

    #[test]
    fn a_successor_lacks_later_terms_and_later_entries_of_its_last_term() {
        let id = |term, index| LogId { term: Term(term), index: LogIndex(index) };
        let succession = Succession {
            group: GroupId(4),
            founder: NodeId(1),
            last: id(3, 10),
            safe_index: LogIndex(9),
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
