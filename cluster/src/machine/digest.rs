//! A digest of one group's state that does not depend on order: replicas that have applied the same
//! entry must have the same.
//!
//! Each pair is hashed and the hashes are added. The group's own position ([`Kind::Applied`]) is left
//! out. It finds replicas that went apart, not an attacker: sums of hashes can be forged.

use std::fmt;

use concordat_proto::id::GroupId;
use sha2::{Digest as _, Sha256};

use super::query;
use crate::store::{
    Reader, StoreError,
    keys::{self, Kind},
};

/// A group's state in brief.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateDigest {
    /// The sum of the pairs' hashes.
    pub sum: u128,
    /// The number of pairs.
    pub pairs: u64,
}

impl StateDigest {
    /// Counts a pair in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.sum = self.sum.wrapping_add(pair_hash(key, value));
        self.pairs = self.pairs.wrapping_add(1);
    }
}

impl fmt::Display for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}/{}", self.sum, self.pairs)
    }
}

/// The digest of a group, read in pages. Use a snapshot's reader where others write meanwhile.
///
/// # Errors
/// When the store is broken.
pub fn of_group(reader: &dyn Reader, group: GroupId) -> Result<StateDigest, StoreError> {
    let mut digest = StateDigest::default();
    query::each(reader, &keys::group_prefix(group), |key, value| {
        if keys::parse(key).is_none_or(|parsed| parsed.kind != Kind::Applied) {
            digest.add(key, value);
        }
        Ok(())
    })?;
    Ok(digest)
}

fn pair_hash(key: &[u8], value: &[u8]) -> u128 {
    // The length first: no two pairs may look alike by a byte moving from one side to the other.
    let hash = Sha256::new()
        .chain_update(key.len().to_be_bytes())
        .chain_update(key)
        .chain_update(value)
        .finalize();
    hash.iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
