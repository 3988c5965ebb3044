//! The organizations that have their home in a region, by the states of all groups.
//!
//! It only reads: a region that is leaving is removed by `raft/membership/decommission.rs`.

use concordat_proto::{id::OrgId, region::Region};

use super::{SystemView, query};
use crate::store::{Reader, StoreError};

/// Claims read at a time.
const PAGE_CLAIMS: usize = 256;

/// An organization that is at home in a region: its group holds it, or it was claimed for the
/// region and no group holds it yet. One that has moved away is in another group, with a higher
/// epoch.
///
/// # Errors
/// When the store is broken.
pub fn org_at_home(
    reader: &dyn Reader,
    system: &SystemView,
    region: &Region,
) -> Result<Option<OrgId>, StoreError> {
    let Some(record) = system.regions.get(region) else { return Ok(None) };
    let others = || system.regions.values().filter(|other| other.group != record.group);
    let elsewhere = |id: OrgId, least: u32| -> Result<bool, StoreError> {
        for other in others() {
            let home = query::home(reader, other.group, id)?;
            if home.is_some_and(|home| home.org.epoch >= least) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    // One that is moving to it counts: it may arrive at any moment.
    for other in others() {
        for id in query::on_move(reader, other.group)? {
            let release = query::home(reader, other.group, id)?.and_then(|home| home.release);
            if release.is_some_and(|release| system.successor(release.to) == record.group) {
                return Ok(Some(id));
            }
        }
    }
    let mut after = None;
    loop {
        let held = query::homes(reader, record.group, after, PAGE_CLAIMS)?;
        let Some(last) = held.last() else { break };
        after = Some(last.org.id);
        let held = held.into_iter().filter(|home| !home.is_ended());
        for org in held.map(|home| home.org) {
            if !elsewhere(org.id, org.epoch.saturating_add(1))? {
                return Ok(Some(org.id));
            }
        }
    }
    let mut after = None;
    loop {
        let claims = query::claims(reader, after, PAGE_CLAIMS)?;
        let Some(last) = claims.last() else { return Ok(None) };
        after = Some(last.org.id);
        let claims = claims.iter().filter(|claim| !claim.is_ended()).map(|claim| &claim.org);
        for claim in claims.filter(|claim| claim.home_region == *region) {
            if !elsewhere(claim.id, 0)? {
                return Ok(Some(claim.id));
            }
        }
    }
}
