//! The only place that draws randomness from the operating system, and the ids made from it.

use std::fmt;

use concordat_cluster::raft::WallClock;
use concordat_proto::id::{ClusterId, KeyId, NodeId, OrgId, WriteId};
use uuid::{Builder, Uuid};

/// A source of random bytes fit for keys.
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer)
            .expect("an operating system without randomness cannot keep secrets");
    }
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// Names a write: UUIDv7, so that names sort about by the time of acceptance.
pub fn write_id(clock: &dyn WallClock, entropy: &dyn Entropy) -> WriteId {
    WriteId(version_7(clock, entropy))
}

/// An id for an organization whose creator gave none.
pub fn org_id(clock: &dyn WallClock, entropy: &dyn Entropy) -> OrgId {
    OrgId(version_7(clock, entropy))
}

/// An id for a suborganization: UUIDv8, with the time where a UUIDv7 has it.
pub fn suborganization_id(clock: &dyn WallClock, entropy: &dyn Entropy) -> OrgId {
    let bytes = version_7(clock, entropy).into_bytes();
    OrgId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// Names a key.
pub fn key_id(entropy: &dyn Entropy) -> KeyId {
    KeyId(version_4(entropy))
}

/// Names a cluster.
pub fn cluster_id(entropy: &dyn Entropy) -> ClusterId {
    ClusterId(version_4(entropy))
}

/// Names a node; never zero, which reads too much like nothing.
pub fn node_id(entropy: &dyn Entropy) -> NodeId {
    NodeId(u64::from_be_bytes(random(entropy)).max(1))
}

fn version_7(clock: &dyn WallClock, entropy: &dyn Entropy) -> Uuid {
    Builder::from_unix_timestamp_millis(clock.now().0, &random(entropy)).into_uuid()
}

fn version_4(entropy: &dyn Entropy) -> Uuid {
    Builder::from_random_bytes(random(entropy)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn ids_have_their_versions_and_differ() {
        let (one, two) = (write_id(&SystemClock, &OsEntropy), write_id(&SystemClock, &OsEntropy));
        assert_eq!(one.0.get_version_num(), 7);
        assert_ne!(one, two);
        assert!(suborganization_id(&SystemClock, &OsEntropy).is_of_suborganization());
        assert!(!org_id(&SystemClock, &OsEntropy).is_of_suborganization());
        assert_eq!(key_id(&OsEntropy).0.get_version_num(), 4);
        assert_ne!(node_id(&OsEntropy), node_id(&OsEntropy));
    }
}
