//! A request's body, read up to a limit and a time and no further.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use concordat_proto::limits;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// A body that has not been read yet.
#[derive(Debug)]
pub(crate) enum Body {
    /// Still on the wire.
    Stream(Incoming),
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
    /// Reads it. One that is too large is cut off one byte beyond the limit, which the dialect
    /// then refuses in its turn.
    pub(crate) async fn read(self, time_max: Duration) -> Result<Bytes, BodyError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Stream(stream) => match timeout(time_max, read(stream)).await {
                Ok(read) => read,
                Err(_) => Err(BodyError::TooSlow),
            },
        }
    }
}

async fn read(mut stream: Incoming) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = stream.frame().await {
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
