//! The group that holds an organization: the newest record of it over all home groups of a store.
//!
//! Computed on each call, never cached. It returns where this node's own state has the
//! organization, not where the cluster has it: a replica may be behind.

use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
};

use super::query;
use crate::store::{Reader, StoreError};

/// The place of an organization's newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The group that has the newest record here.
    pub group: GroupId,
    /// Its record there.
    pub home: HomeRecord,
    /// Whether the group is closed, as far as the caller knows: it gets no writes any more.
    pub is_closed: bool,
}

impl Located {
    /// Whether writes go to this group and reads from it can be fresh. Otherwise the organization
    /// is moving and its new home's record has not arrived here: this state may be outdated.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.home.is_open() && !self.is_closed
    }

    /// Whether this is still the same home as in the earlier result: the same epoch in the same
    /// group, and not frozen.
    #[must_use]
    pub fn is_same_epoch(&self, other: &Self) -> bool {
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
