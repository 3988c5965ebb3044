//! Version byte and bincode payload: the one place that names the codec, and [`Wire`], which all
//! values with bytes of their own implement.
//!
//! Decoding allocates in proportion to the number of bytes, whatever lengths the bytes claim: the
//! codec's limit is chosen from that number, and texts and blobs are copied only once they are
//! complete.

use serde::{Serialize, de::DeserializeOwned};

use super::error::WireError;
use crate::limits;

/// The codec counts up to this many bytes of memory for each byte of input: a 128-bit number may
/// take one byte.
const CLAIM_PER_BYTE: usize = 16;

pub(super) fn encode<T: Serialize>(version: u8, value: &T, limit: usize) -> Vec<u8> {
    let bytes = encode_serde(version, value);
    debug_assert!(bytes.len() <= limit, "{} bytes encoded, of at most {limit}", bytes.len());
    bytes
}

/// A version byte and the value's payload.
///
/// # Panics
/// When the value's own `Serialize` fails, which for plain data it does not.
#[must_use]
pub fn encode_serde<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let mut bytes = vec![version];
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .expect("writing plain data into memory cannot fail");
    bytes
}

/// The reverse of [`encode_serde`], of exactly this version.
///
/// # Errors
/// When the bytes are more than `limit`, of another version, or not exactly one value.
pub fn decode_serde<T: DeserializeOwned>(
    version: u8,
    bytes: &[u8],
    limit: usize,
) -> Result<T, WireError> {
    match split(bytes, limit)? {
        (found, payload) if found == version => decode(payload),
        (found, _) => Err(WireError::Version { found }),
    }
}

/// The version byte and the payload.
pub(super) fn split(bytes: &[u8], limit: usize) -> Result<(u8, &[u8]), WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLong { bytes: bytes.len(), max: limit });
    }
    let (version, payload) = bytes.split_first().ok_or(WireError::Empty)?;
    Ok((*version, payload))
}

/// A payload, which must be used up.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, WireError> {
    const SMALL: usize = 4 * 1024;
    const MIDDLE: usize = 256 * 1024;
    const LARGE: usize = 16 * 1024 * 1024;
    const LARGEST: usize = CLAIM_PER_BYTE * limits::FRAME_BYTES_MAX;
    let claim = payload.len().saturating_mul(CLAIM_PER_BYTE);
    if claim <= SMALL {
        decode_within::<T, SMALL>(payload)
    } else if claim <= MIDDLE {
        decode_within::<T, MIDDLE>(payload)
    } else if claim <= LARGE {
        decode_within::<T, LARGE>(payload)
    } else {
        decode_within::<T, LARGEST>(payload)
    }
}

fn decode_within<T: DeserializeOwned, const LIMIT: usize>(payload: &[u8]) -> Result<T, WireError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, used) = bincode::serde::decode_from_slice(payload, config)
        .map_err(|error| WireError::Malformed { reason: error.to_string() })?;
    match payload.len() - used {
        0 => Ok(value),
        bytes => Err(WireError::LeftOver { bytes }),
    }
}

/// A value that has bytes of its own.
pub trait Wire: Sized {
    /// The bytes, in the newest version.
    fn encode(&self) -> Vec<u8>;

    /// The value, from the bytes of any version that this build reads.
    ///
    /// # Errors
    /// When the bytes are not exactly one valid value.
    fn decode(bytes: &[u8]) -> Result<Self, WireError>;
}

/// Implements [`Wire`]: which frozen struct is written under which version byte, which are read,
/// and how many bytes there may be.
macro_rules! wire {
    ($($domain:ty: writes $version:expr => $newest:ty,
       reads { $($read:literal => $frozen:ty),+ $(,)? }, at most $limit:expr;)*) => {$(
        impl $crate::wire::codec::Wire for $domain {
            fn encode(&self) -> Vec<u8> {
                let frozen: $newest = $crate::wire::frozen::mirror::Mirror::freeze(self);
                $crate::wire::codec::encode($version, &frozen, $limit)
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::wire::error::WireError> {
                match $crate::wire::codec::split(bytes, $limit)? {
                    $(($read, payload) => {
                        let frozen: $frozen = $crate::wire::codec::decode(payload)?;
                        $crate::wire::frozen::mirror::Mirror::thaw(frozen)
                    })+
                    (found, _) => Err($crate::wire::error::WireError::Version { found }),
                }
            }
        }
    )*};
}
pub(super) use wire;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_value_of_the_version() {
        let bytes = encode_serde(7, &(1_u32, "two"));
        assert_eq!(decode_serde(7, &bytes, 100), Ok((1_u32, "two".to_owned())));
        assert_eq!(decode_serde::<u32>(8, &bytes, 100), Err(WireError::Version { found: 7 }));
        assert_eq!(decode_serde::<u32>(7, &bytes, 100), Err(WireError::LeftOver { bytes: 4 }));
        assert_eq!(decode_serde::<u32>(7, &[], 100), Err(WireError::Empty));
        let too_long = WireError::TooLong { bytes: bytes.len(), max: 3 };
        assert_eq!(decode_serde::<u32>(7, &bytes, 3), Err(too_long));
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        // 253: eight bytes of length follow.
        let mut bytes = vec![1, 253];
        bytes.extend_from_slice(&(1_u64 << 40).to_le_bytes());
        for decoded in [
            decode_serde::<String>(1, &bytes, 100).map(drop),
            decode_serde::<Vec<u8>>(1, &bytes, 100).map(drop),
            decode_serde::<Vec<u64>>(1, &bytes, 100).map(drop),
        ] {
            assert!(matches!(decoded, Err(WireError::Malformed { .. })), "{decoded:?}");
        }
    }
}
