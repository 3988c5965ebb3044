//! The rules of a group's own replicas: which of them serve, which are leaving, and the length of
//! leases.
//!
//! Nothing here is ever taken back: a mark only advances, and the longest lease that ever applied
//! is remembered, because a new leader must wait for leases that earlier leaders may have granted.

use concordat_proto::{
    id::NodeId,
    lease::{LeaseTerms, ReplicaMark},
    reply::Reply,
};

use super::{
    entry::txn::{ApplyResult, ApplyTxn},
    query,
};
use crate::store::keys;

/// Notes marks. One that is there, or beyond, stays.
pub(super) fn mark(txn: &mut ApplyTxn<'_>, marks: &[(NodeId, ReplicaMark)]) -> ApplyResult {
    for (node, mark) in marks {
        let present = query::replica_mark(txn.view(), txn.group, *node)?;
        if present < Some(*mark) {
            txn.put(keys::replica_mark(txn.group, *node), mark);
        }
    }
    Ok(Reply::Done)
}

/// Sets the group's lease terms.
pub(super) fn set_leases(txn: &mut ApplyTxn<'_>, terms: LeaseTerms) -> ApplyResult {
    let record = query::leases(txn.view(), txn.group)?.followed_by(terms);
    txn.put(keys::leases(txn.group), &record);
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use concordat_proto::{command::Command, lease::LeaseRecord};

    use super::{
        super::testkit::{HOME, Replica},
        *,
    };

    fn marks(replica: &Replica, write: u8, mark: ReplicaMark) {
        replica.done(write, Command::MarkReplicas { marks: vec![(NodeId(4), mark)] });
    }

    #[test]
    fn a_mark_only_goes_on() {
        let replica = Replica::new(HOME);
        let read = |replica: &Replica| query::replica_marks(&*replica.store, HOME).unwrap();
        assert!(read(&replica).is_empty());
        for (write, mark, kept) in [
            (1, ReplicaMark::Serving, ReplicaMark::Serving),
            (2, ReplicaMark::Leaving, ReplicaMark::Leaving),
            (3, ReplicaMark::Serving, ReplicaMark::Leaving),
        ] {
            marks(&replica, write, mark);
            assert_eq!(read(&replica), [(NodeId(4), kept)].into());
        }
    }

    #[test]
    fn the_longest_lease_is_remembered() {
        let replica = Replica::new(HOME);
        let long = LeaseTerms { away: Duration::from_secs(5), ..LeaseTerms::DEFAULT };
        replica.done(1, Command::SetLeases(long));
        replica.done(2, Command::SetLeases(LeaseTerms::DEFAULT));
        let record = query::leases(&*replica.store, HOME).unwrap();
        let longest = Duration::from_secs(5);
        assert_eq!(record, LeaseRecord { longest, ..LeaseRecord::default() });
    }
}
