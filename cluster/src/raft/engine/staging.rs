//! Copies a group's state from one store into the spare slot of another, on one node.
//!
//! Nothing reads the spare slot before the whole state is in it.

use concordat_proto::id::GroupId;

use crate::store::{Store, StoreError, keys, shadow::ShadowStore};

/// Records read from the store at a time.
pub(crate) const SCAN_PAIRS: usize = 512;

/// Copies a group's state from one store into the spare slot of another. Blocks.
pub(crate) fn stage(
    from: &ShadowStore,
    to: &ShadowStore,
    group: GroupId,
) -> Result<(), StoreError> {
    to.clear_shadow(group)?;
    let prefix = keys::group_prefix(group);
    from.read_snapshot(&mut |reader| {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let pairs = reader.scan(&prefix, after.as_deref(), SCAN_PAIRS)?;
            let last = pairs.len() < SCAN_PAIRS;
            after = pairs.last().map(|(key, _)| key.clone());
            to.write_shadow(group, pairs)?;
            if last {
                return Ok(());
            }
        }
    })
}
