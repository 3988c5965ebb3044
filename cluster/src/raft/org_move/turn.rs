//! Requests a turn at the leader of an organization's home group, and grants turns there.
//!
//! The queue itself is in `queue.rs`.

use std::time::Duration;

use concordat_proto::id::{GroupId, OrgId};

use crate::{
    machine::{query, steps},
    raft::{core::Core, org_move::queue::Turn},
    store::StoreError,
};

impl Core {
    /// Waits, at the leader of an organization's home group, until it is its turn to be released; how
    /// many go first when it was not in time.
    ///
    /// # Errors
    /// That number.
    pub(crate) async fn turn(
        &self,
        group: GroupId,
        org: OrgId,
        to: GroupId,
        limit: Duration,
    ) -> Result<Option<Turn>, usize> {
        // It changes nothing then: the log has the answer.
        let home = query::home(&**self.shadow_store(), group, org).ok().flatten();
        if home.is_none_or(|home| home.release.is_some()) {
            return Ok(None);
        }
        self.turns().turn(group, org, to, limit).await.map(Some)
    }

    /// Gives the free slots of a group that this node leads to those whose turn it is.
    pub(crate) fn call_up(&self, group: GroupId, term: u64) -> Result<(), StoreError> {
        let (reader, system) = (&**self.shadow_store(), self.system());
        self.turns().call_up(group, term, |org| steps::on_its_way(reader, &system, group, org))
    }
}
