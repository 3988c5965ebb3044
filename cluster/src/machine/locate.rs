//! Which group holds an organisation: the newest record of it over all home groups of a store.
//!
//! Derived at each look, never kept. It says where this node's own state has the organisation, not
//! where the cluster has it: a replica may be behind.

use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
};

use super::query;
use crate::store::{Reader, StoreError};

/// Where an organisation's newest record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The group whose records are the newest here.
    pub group: GroupId,
    /// Its record there.
    pub home: HomeRecord,
    /// Whether the group is closed, as whoever looked knows: nothing is written there any more.
    pub is_closed: bool,
}

impl Located {
    /// Whether writes go to this group and reads from it can be unmarked. Otherwise the organisation
    /// was released and its new home's record has not arrived here: what is here may be outdated.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.home.is_open() && !self.is_closed
    }

    /// Whether this is still what the other look saw: the same stay in the same group, with nothing
    /// of it gone.
    #[must_use]
    pub fn is_same_stay(&self, other: &Self) -> bool {
        self.group == other.group
            && self.home.org.epoch == other.home.org.epoch
            && self.is_settled() == other.is_settled()
    }
}

/// Looks into every home group.
///
/// # Errors
/// When the store is broken.
pub fn locate(
    reader: &dyn Reader,
    home_groups: &[GroupId],
    org: OrgId,
) -> Result<Option<Located>, StoreError> {
    let mut newest: Option<Located> = None;
    // An adopted record names the same epoch as the release that led to it, and is the newer one.
    let rank = |located: &Located| (located.home.newest_epoch(), located.is_settled());
    for group in home_groups {
        let Some(home) = query::home(reader, *group, org)? else { continue };
        let found = Located { group: *group, home, is_closed: false };
        if newest.as_ref().is_none_or(|newest| rank(newest) < rank(&found)) {
            newest = Some(found);
        }
    }
    Ok(newest)
}
