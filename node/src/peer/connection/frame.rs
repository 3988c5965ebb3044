//! Frames as bytes: `len u32 | crc32c u32 | kind u8 | id u64 | payload`, big-endian. `len` counts
//! what follows the checksum, and the checksum covers it.
//!
//! Pure. A frame that is too long, damaged or of an unknown kind ends its connection: nothing
//! after it can be trusted to begin where it seems to.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use concordat_proto::limits::FRAME_BYTES_MAX;

/// Bytes before `kind`.
const PREFIX: usize = 8;
/// Bytes of `kind` and `id`.
const NAME: usize = 9;
/// All bytes before the payload.
const HEAD: usize = PREFIX + NAME;

/// The kind of a frame. A stream's two directions end separately: `End` and `Reset` refer to the
/// direction that their sender sends, `Stop` to the one that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::peer) enum Kind {
    /// Dialler: please answer.
    Request,
    /// Acceptor: the answer to the request of this id.
    Response,
    /// Dialler: a stream begins; the payload is its head.
    Open,
    /// The next frame of a stream.
    Data,
    /// No more of this stream comes from here, and all of it was sent.
    End,
    /// No more comes, and something is missing; or there will be no answer to a request, which
    /// was never begun when the payload is [`NEVER_BEGUN`].
    Reset,
    /// This end does not read the stream any more.
    Stop,
    /// Dialler: for the service, without answer.
    Notice,
    /// So much more (u32) of this stream may be sent.
    Credit,
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

/// Payload of the [`Kind::Reset`] of a request or stream that the service has not seen.
pub(in crate::peer) const NEVER_BEGUN: &[u8] = &[1];

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Open => 3,
            Self::Data => 4,
            Self::End => 5,
            Self::Reset => 6,
            Self::Stop => 7,
            Self::Notice => 8,
            Self::Credit => 9,
            Self::Ping => 10,
            Self::Pong => 11,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Request,
            2 => Self::Response,
            3 => Self::Open,
            4 => Self::Data,
            5 => Self::End,
            6 => Self::Reset,
            7 => Self::Stop,
            8 => Self::Notice,
            9 => Self::Credit,
            10 => Self::Ping,
            11 => Self::Pong,
            _ => return None,
        })
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::peer) struct Frame {
    pub(in crate::peer) kind: Kind,
    /// The id of the request or stream; zero where there is none.
    pub(in crate::peer) id: u64,
    pub(in crate::peer) payload: Bytes,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::peer) enum FrameError {
    #[error("a frame of {0} bytes is over the limit or under the least")]
    Length(u32),
    #[error("a frame does not match its checksum")]
    Checksum,
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
}

/// Whether a payload is within the limit.
pub(in crate::peer) const fn fits(payload: &Bytes) -> bool {
    payload.len() <= FRAME_BYTES_MAX
}

impl Frame {
    pub(in crate::peer) const fn new(kind: Kind, id: u64, payload: Bytes) -> Self {
        Self { kind, id, payload }
    }

    pub(in crate::peer) const fn bare(kind: Kind, id: u64) -> Self {
        Self::new(kind, id, Bytes::new())
    }

    pub(in crate::peer) fn credit(id: u64, granted: u32) -> Self {
        Self::new(Kind::Credit, id, Bytes::copy_from_slice(&granted.to_be_bytes()))
    }

    /// The amount that a [`Kind::Credit`] grants.
    pub(in crate::peer) fn granted(&self) -> Option<u32> {
        self.payload.as_ref().try_into().ok().map(u32::from_be_bytes)
    }

    /// Writes all but the payload.
    pub(in crate::peer) fn encode_head(&self, out: &mut BytesMut) {
        assert!(fits(&self.payload), "senders check the length");
        let mut name = [0; NAME];
        name[0] = self.kind.code();
        name[1..].copy_from_slice(&self.id.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&name), &self.payload);
        let len = u32::try_from(NAME + self.payload.len()).expect("frames are some megabytes");
        out.reserve(HEAD);
        out.put_u32(len);
        out.put_u32(crc);
        out.put_slice(&name);
    }

    /// Takes the first frame off the bytes received, if it is whole.
    pub(in crate::peer) fn decode(received: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(whole) = Self::length(received)? else { return Ok(None) };
        if received.len() < whole {
            return Ok(None);
        }
        let mut bytes = received.split_to(whole).freeze();
        let _len = bytes.get_u32();
        let crc = bytes.get_u32();
        if crc32c::crc32c(&bytes) != crc {
            return Err(FrameError::Checksum);
        }
        let code = bytes.get_u8();
        let kind = Kind::of(code).ok_or(FrameError::Kind(code))?;
        let id = bytes.get_u64();
        Ok(Some(Self { kind, id, payload: bytes }))
    }

    /// How many bytes of the frame begun are still to come; none when that is not known yet.
    pub(in crate::peer) fn missing(received: &[u8]) -> usize {
        match Self::length(received) {
            Ok(Some(whole)) => whole.saturating_sub(received.len()),
            Ok(None) | Err(_) => 0,
        }
    }

    fn length(received: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = received.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix);
        let bytes = usize::try_from(len).map_err(|_| FrameError::Length(len))?;
        if (NAME..=NAME + FRAME_BYTES_MAX).contains(&bytes) {
            Ok(Some(PREFIX + bytes))
        } else {
            Err(FrameError::Length(len))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::new();
        frame.encode_head(&mut bytes);
        bytes.extend_from_slice(&frame.payload);
        bytes
    }

    #[test]
    fn every_kind_comes_back() {
        for code in 0..=u8::MAX {
            let Some(kind) = Kind::of(code) else { continue };
            assert_eq!(kind.code(), code);
            let frame = Frame::new(kind, u64::MAX - 7, Bytes::from_static(b"payload"));
            let mut bytes = encoded(&frame);
            assert_eq!(Frame::decode(&mut bytes), Ok(Some(frame)));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn frozen_bytes() {
        let frame = Frame::new(Kind::Data, 0x0102, Bytes::from_static(b"abc"));
        let bytes = encoded(&frame);
        assert_eq!(bytes[..4], [0, 0, 0, 12]);
        assert_eq!(bytes[8..], [4, 0, 0, 0, 0, 0, 0, 1, 2, b'a', b'b', b'c']);
        assert_eq!(bytes[4..8], crc32c::crc32c(&bytes[8..]).to_be_bytes());
    }

    #[test]
    fn any_first_part_waits_for_the_rest() {
        let frame = Frame::new(Kind::Request, 5, Bytes::from_static(b"0123456789"));
        let whole = encoded(&frame);
        for end in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..end]);
            assert_eq!(Frame::decode(&mut part), Ok(None));
            assert_eq!(part.len(), end);
            let missing = if end < 4 { 0 } else { whole.len() - end };
            assert_eq!(Frame::missing(&part), missing);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let frame = Frame::new(Kind::Data, 5, Bytes::from_static(b"0123456789"));
        let whole = encoded(&frame);
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let decoded = Frame::decode(&mut damaged);
            assert!(matches!(decoded, Err(_) | Ok(None)), "bit {bit}: {decoded:?}");
        }
    }

    #[test]
    fn oversized_length_is_refused_before_its_bytes_come() {
        let over = u32::try_from(NAME + FRAME_BYTES_MAX + 1).unwrap();
        for len in [0, 8, over, u32::MAX] {
            let mut bytes = BytesMut::from(len.to_be_bytes().as_slice());
            assert_eq!(Frame::decode(&mut bytes), Err(FrameError::Length(len)));
        }
    }
}
