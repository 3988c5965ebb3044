//! Positions: what a read is given, and what has become of one that names an entry of a closed group.
//!
//! The rule is `consistency/inheritance.rs`; here is what this node knows for it. It must never name a
//! term while a member of the cluster may not know such positions.

use concordat_proto::{
    consistency::Position,
    id::GroupId,
    record::{AppliedRecord, InheritedTerms},
};

use super::{divergence, groups::Groups};
use crate::{
    consistency::{Fate, inheritance},
    machine::query,
    store::StoreError,
};

/// The feature level from which on positions have a term.
const TERMS_ARE_NAMED: u32 = 2;

impl Groups {
    /// How far an organization's group is here: the position of reads that begin now.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn position(&self, epoch: u32, group: GroupId) -> Result<Position, StoreError> {
        if self.feature_level() < TERMS_ARE_NAMED {
            return Ok(Position { epoch, group, index: self.applied(group), term: None });
        }
        let AppliedRecord { log_id, .. } = query::applied(&**self.slotted(), group)?;
        let id = log_id.unwrap_or_default();
        Ok(Position { epoch, group, index: id.index, term: log_id.map(|id| id.term) })
    }

    /// What has become of the entry at a position of a closed group; nothing where the group is open,
    /// or its successor is not named, as far as this node knows.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn fate(&self, position: &Position) -> Result<Option<Fate>, StoreError> {
        let Some(succession) = self.closed(position.group).and_then(|it| it.succession) else {
            return Ok(None);
        };
        let Some(entry) = position.log_id() else {
            return Ok(Some(inheritance::of_index(&succession, position.index)));
        };
        let heir = divergence::heir_here(self.slotted(), &self.system(), &succession)?;
        let terms: Option<InheritedTerms> = match heir {
            Some(heir) => query::inherited_terms(&**self.slotted(), heir, position.group)?,
            None => None,
        };
        Ok(Some(inheritance::of_entry(&succession, terms.as_ref(), entry)))
    }

    /// Whether this node has the state of what took a closed group's place.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn has_heir(&self, closed: GroupId) -> Result<bool, StoreError> {
        let Some(succession) = self.closed(closed).and_then(|it| it.succession) else {
            return Ok(false);
        };
        let heir = divergence::heir_here(self.slotted(), &self.system(), &succession)?;
        Ok(heir.is_some())
    }
}
