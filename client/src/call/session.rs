//! The newest position that this client has seen of each organization, by its writes and reads, so
//! that no read goes back in time, through whichever node and region.
//!
//! The last position is always remembered, and sent with reads (`Concordat-At-Least`) unless
//! [`crate::ClientBuilder::monotonic_reads`] turned that off.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use concordat_proto::{consistency::Position, id::OrgId};

#[derive(Debug, Default)]
pub(crate) struct Session {
    reads_wait: bool,
    last: Mutex<BTreeMap<OrgId, Position>>,
}

impl Session {
    pub(crate) fn new(reads_wait: bool) -> Self {
        Self { reads_wait, last: Mutex::default() }
    }

    /// Notes the position of a write or a read. Answers may overtake each other: the furthest one
    /// counts.
    pub(crate) fn on_position(&self, org: OrgId, position: Position) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.entry(org).and_modify(|known| *known = position.max(*known)).or_insert(position);
    }

    /// The furthest known.
    pub(crate) fn position(&self, org: OrgId) -> Option<Position> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&org).copied()
    }

    /// The position is lost: a failover does not have it.
    pub(crate) fn forget(&self, org: OrgId) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(&org);
    }

    /// The position that a read has to wait for.
    pub(crate) fn at_least(&self, org: OrgId) -> Option<Position> {
        self.reads_wait.then(|| self.position(org)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::{id::GroupId, log::LogIndex};

    use super::*;

    #[test]
    fn the_furthest_position_of_each_organization() {
        let at = |epoch, index| Position {
            epoch,
            group: GroupId(1),
            index: LogIndex(index),
            term: None,
        };
        let (a, b) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let session = Session::new(true);
        session.on_position(a, at(1, 9));
        session.on_position(a, at(1, 7));
        assert_eq!(session.at_least(a), Some(at(1, 9)));
        session.on_position(a, at(2, 1));
        assert_eq!(session.at_least(a), Some(at(2, 1)), "a move begins a new epoch");
        assert_eq!(session.at_least(b), None);
        session.forget(a);
        assert_eq!(session.at_least(a), None);

        let quiet = Session::new(false);
        quiet.on_position(a, at(1, 1));
        assert_eq!((quiet.at_least(a), quiet.position(a)), (None, Some(at(1, 1))));
    }
}
