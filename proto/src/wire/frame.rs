//! Frames on a stream of bytes: `length u32 | crc32c u32 | payload`, numbers big-endian.
//!
//! The checksum covers the length and the payload, so that a run of zeros is no frame. After an
//! error a stream has no next frame: whoever reads must drop it.

use bytes::{Buf, Bytes, BytesMut};

use super::WireError;
use crate::limits;

/// Bytes before the payload.
pub const FRAME_HEAD_BYTES: usize = 8;

/// A payload as a frame.
///
/// # Panics
/// When the payload is longer than [`limits::FRAME_BYTES_MAX`]: whoever fills frames keeps them
/// shorter.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= limits::FRAME_BYTES_MAX, "a frame of {} bytes", payload.len());
    let length = u32::try_from(payload.len()).expect("within the limit of a frame").to_be_bytes();
    let mut bytes = Vec::with_capacity(FRAME_HEAD_BYTES + payload.len());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(length, payload).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The next frame's payload, taken out of `buffer`; `None` while it is not whole.
///
/// # Errors
/// When the length is beyond [`limits::FRAME_BYTES_MAX`] or the checksum does not match.
pub fn read_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
    let Some((head, rest)) = buffer.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Ok(None);
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = [l0, l1, l2, l3];
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes > limits::FRAME_BYTES_MAX {
        return Err(WireError::TooLong { bytes, max: limits::FRAME_BYTES_MAX });
    }
    let Some(payload) = rest.get(..bytes) else { return Ok(None) };
    if checksum(length, payload) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Err(WireError::Checksum);
    }
    buffer.advance(FRAME_HEAD_BYTES);
    Ok(Some(buffer.split_to(bytes).freeze()))
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// Cuts a stream of bytes, as it comes, into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// Where the next received bytes are appended.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Takes received bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame's payload, when it is whole.
    ///
    /// # Errors
    /// As [`read_frame`].
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        read_frame(&mut self.buffer)
    }

    /// Whether bytes of a frame are here that has not ended: the stream must not end now.
    #[must_use]
    pub fn is_within_frame(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            payloads in vec(vec(any::<u8>(), 0..50), 0..6),
            cut in 1_usize..20,
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
            let mut reader = FrameReader::default();
            let mut read = Vec::new();
            for piece in stream.chunks(cut) {
                reader.push(piece);
                while let Some(payload) = reader.next_frame().expect("whole frames") {
                    read.push(payload.to_vec());
                }
            }
            prop_assert_eq!(read, payloads);
            prop_assert!(!reader.is_within_frame());
        }

        #[test]
        fn a_flipped_bit_is_never_a_frame(
            payload in vec(any::<u8>(), 0..50),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut bytes = frame(&payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let read = read_frame(&mut BytesMut::from(&bytes[..]));
            prop_assert!(!matches!(read, Ok(Some(_))), "{read:?}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(read_frame(&mut BytesMut::zeroed(64)), Err(WireError::Checksum));
    }

    #[test]
    fn a_claimed_length_beyond_the_limit_is_refused_at_once() {
        let mut bytes = BytesMut::from(&[0xff; FRAME_HEAD_BYTES][..]);
        assert!(matches!(read_frame(&mut bytes), Err(WireError::TooLong { .. })));
    }
}
