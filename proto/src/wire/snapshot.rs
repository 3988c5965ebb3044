//! A snapshot's bytes: chunks of records, each checksummed together with all chunks before it.
//!
//! `crc32c u32 big-endian | version byte | payload`. The checksum continues that of the chunk
//! before, so a chunk that is lost, repeated or from another snapshot is detected at the next one.

use super::{
    codec,
    error::WireError,
    frozen::mirror::{Blob, Mirror, mirror_struct},
};
use crate::{limits, version};

/// Records of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the snapshot, from 0.
    pub sequence: u64,
    /// Keys and values.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether this is the last chunk.
    pub last: bool,
}

mirror_struct! {
    V1Chunk for Chunk { sequence: u64, pairs: Vec<(Blob, Blob)>, last: bool }
}

impl Chunk {
    /// The chain before the first chunk.
    pub const CHAIN_START: u32 = 0;

    /// The bytes, and the checksum after this chunk. `chain` is the checksum after the chunk
    /// before.
    #[must_use]
    pub fn encode_after(&self, chain: u32) -> (Vec<u8>, u32) {
        let frozen: V1Chunk = self.freeze();
        let body = codec::encode(version::SNAPSHOT, &frozen, limits::SNAPSHOT_CHUNK_BYTES_MAX);
        let chain = crc32c::crc32c_append(chain, &body);
        let mut bytes = Vec::with_capacity(4 + body.len());
        bytes.extend_from_slice(&chain.to_be_bytes());
        bytes.extend_from_slice(&body);
        (bytes, chain)
    }

    /// The reverse of [`Chunk::encode_after`], with the same chain.
    ///
    /// # Errors
    /// When the bytes are damaged or do not follow the chunk before.
    pub fn decode_after(bytes: &[u8], chain: u32) -> Result<(Self, u32), WireError> {
        let (head, body) = bytes.split_first_chunk::<4>().ok_or(WireError::Empty)?;
        let (found, payload) = codec::split(body, limits::SNAPSHOT_CHUNK_BYTES_MAX)?;
        let chain = crc32c::crc32c_append(chain, body);
        if chain != u32::from_be_bytes(*head) {
            return Err(WireError::Checksum);
        }
        match found {
            1 => Ok((Self::thaw(codec::decode::<V1Chunk>(payload)?)?, chain)),
            found => Err(WireError::Version { found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..20)
    }

    proptest! {
        #[test]
        fn chunks_follow_one_another(contents in vec(vec((bytes(), bytes()), 0..5), 1..5)) {
            let (mut sent, mut received) = (Chunk::CHAIN_START, Chunk::CHAIN_START);
            for (sequence, pairs) in (0..).zip(contents) {
                let chunk = Chunk { sequence, pairs, last: false };
                let (bytes, chain) = chunk.encode_after(sent);
                let (back, next) = Chunk::decode_after(&bytes, received).expect("in order");
                prop_assert_eq!(back, chunk);
                prop_assert_eq!(next, chain);
                let again = Chunk::decode_after(&bytes, next);
                prop_assert!(matches!(again, Err(WireError::Checksum)), "a repeated chunk");
                (sent, received) = (chain, next);
            }
        }

        #[test]
        fn damage_is_noticed(pairs in vec((bytes(), bytes()), 0..5), at: prop::sample::Index, bit in 0_u8..8) {
            let (mut bytes, _) = Chunk { sequence: 3, pairs, last: true }.encode_after(7);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Chunk::decode_after(&bytes, 7), Err(WireError::Checksum));
        }
    }
}
