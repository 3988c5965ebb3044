//! A request's body, read up to a limit of size and time.
//!
//! The unread rest of a body is read and dropped within bounds before the answer is sent: a client
//! that is still sending sees the answer only then, or else a broken connection. A body that waits
//! for `100 Continue` is never requested only to be dropped.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use concordat_proto::limits;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, EXPECT},
};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

/// Stands in for a body that is known to be too large before any of it has been read.
static TOO_LARGE: [u8; limits::BODY_BYTES_MAX + 1] = [b' '; limits::BODY_BYTES_MAX + 1];

/// A body that has not been read yet.
#[derive(Debug)]
pub(crate) enum Body {
    /// Still on the wire.
    Stream {
        /// The body of the HTTP library.
        incoming: Incoming,
        /// Whether no bytes come by themselves: the sender waits for `100 Continue`, which the
        /// first read sends, or was too slow.
        is_paused: bool,
    },
    /// Here already.
    Bytes(Bytes),
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It did not arrive in time.
    TooSlow,
    /// The connection broke, or the framing is wrong.
    Broken,
}

impl Body {
    /// The body behind a request's head.
    pub(crate) fn of(incoming: Incoming, headers: &HeaderMap) -> Self {
        let is_paused = headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self::Stream { incoming, is_paused }
    }

    /// Reads it. One that is too large is cut off one byte beyond the limit, which the dialect
    /// then refuses in its turn.
    pub(crate) async fn read(&mut self, time_max: Duration) -> Result<Bytes, BodyError> {
        match self {
            Self::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Self::Stream { incoming, .. } if is_too_large(incoming) => {
                Ok(Bytes::from_static(&TOO_LARGE))
            }
            Self::Stream { incoming, is_paused } => {
                let read = timeout(time_max, read(incoming)).await;
                *is_paused = read.is_err();
                read.unwrap_or(Err(BodyError::TooSlow))
            }
        }
    }

    /// Its next bytes, for a call that is answered before its end; nothing at the end.
    pub(crate) async fn part(&mut self, time_max: Duration) -> Result<Option<Bytes>, BodyError> {
        match self {
            Self::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|part| !part.is_empty())),
            Self::Stream { incoming, .. } => {
                let next = timeout(time_max, part(incoming)).await;
                next.unwrap_or(Err(BodyError::TooSlow))
            }
        }
    }

    /// Takes it out: its new owner sees to its end.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Bytes(Bytes::new()))
    }

    /// Reads and drops the rest, within bounds. False when there is more, or may be: then the
    /// connection cannot be used for another request.
    pub(crate) async fn discard(&mut self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::Stream { incoming, .. } if incoming.is_end_stream() => true,
            Self::Stream { is_paused: true, .. } => false,
            Self::Stream { incoming, .. } => {
                timeout(limits::DISCARD_TIME_MAX, discard(incoming)).await.unwrap_or(false)
            }
        }
    }
}

fn is_too_large(incoming: &Incoming) -> bool {
    incoming.size_hint().lower() > limits::BODY_BYTES_MAX as u64
}

async fn part(incoming: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = incoming.frame().await {
        if let Ok(part) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

async fn read(incoming: &mut Incoming) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Ok(part) = frame.into_data() else { continue };
        let room = limits::BODY_BYTES_MAX + 1 - whole.len();
        whole.extend_from_slice(&part[..part.len().min(room)]);
        if whole.len() > limits::BODY_BYTES_MAX {
            break;
        }
    }
    Ok(whole.freeze())
}

/// Whether the end has come before the limit.
async fn discard(incoming: &mut Incoming) -> bool {
    let mut left = limits::DISCARD_BYTES_MAX;
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return false;
        }
        left -= length;
    }
    true
}

/// Whether a body has no content coding, or `identity` alone. A coded body would be taken for the
/// plain one.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let is_identity = |line: &http::HeaderValue| {
        let mut codings = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    };
    headers.get_all(CONTENT_ENCODING).iter().all(is_identity)
}
