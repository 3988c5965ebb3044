//! Positions: the position of a read, and the fate of a position that names an entry of a closed
//! group.
//!
//! The rule is in `consistency/inheritance.rs`; this file has its input on this node. It must never
//! name a term while a member of the cluster may not support such positions.

use concordat_proto::{
    consistency::Position,
    id::GroupId,
    record::{AppliedRecord, InheritedTerms},
};

use crate::{
    consistency::{Fate, inheritance},
    machine::{lost, names_terms, query},
    raft::core::Core,
    store::StoreError,
};

impl Core {
    /// The present position of an organization in its group: that of reads that begin now.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) fn position(&self, epoch: u32, group: GroupId) -> Result<Position, StoreError> {
        if !names_terms(self.feature_level()) {
            return Ok(Position { epoch, group, index: self.applied(group), term: None });
        }
        let AppliedRecord { log_id, .. } = query::applied(&**self.shadow_store(), group)?;
        let id = log_id.unwrap_or_default();
        Ok(Position { epoch, group, index: id.index, term: log_id.map(|id| id.term) })
    }

    /// The fate of the entry at a position of a closed group; none where the group is open, or its
    /// successor is not named, as far as this node knows.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) fn fate(&self, position: &Position) -> Result<Option<Fate>, StoreError> {
        let Some(succession) = self.closed(position.group).and_then(|it| it.succession) else {
            return Ok(None);
        };
        let Some(entry) = position.log_id() else {
            return Ok(Some(inheritance::of_index(&succession, position.index)));
        };
        let successor =
            lost::local_successor(&**self.shadow_store(), &self.system().closed, &succession)?;
        let terms: Option<InheritedTerms> = match successor {
            Some(successor) => {
                query::inherited_terms(&**self.shadow_store(), successor, position.group)?
            }
            None => None,
        };
        Ok(Some(inheritance::of_entry(&succession, terms.as_ref(), entry)))
    }

    /// Whether this node has the state of a closed group's successor.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) fn has_local_successor(&self, closed: GroupId) -> Result<bool, StoreError> {
        let Some(succession) = self.closed(closed).and_then(|it| it.succession) else {
            return Ok(false);
        };
        let successor =
            lost::local_successor(&**self.shadow_store(), &self.system().closed, &succession)?;
        Ok(successor.is_some())
    }
}
