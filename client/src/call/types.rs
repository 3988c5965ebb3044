//! A call before it is made, and its answer.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::limits;
use http::{HeaderMap, Method};

use crate::{
    call::header,
    error::ClientError,
    model::{envelope::Head, identity::Identity},
};

/// The kind of a call, for retries.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Changes nothing; waits for nothing.
    Read,
    /// Changes nothing; the node may wait as long as the whole call for the position in the
    /// headers.
    WaitingRead,
    /// Changes nothing; the node may wait as long as the whole call, by `?wait=`.
    Receipt,
    /// Happens at most once under this key.
    Write {
        /// The `Idempotency-Key`.
        key: String,
    },
}

/// A call before it is made.
pub(crate) struct Call {
    pub(crate) identity: Identity,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    /// All but identity and the consistency timeout.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) kind: Kind,
    /// How long the node may wait.
    pub(crate) timeout: Duration,
}

/// An answer with a status of success and an envelope that was understood.
pub(crate) struct Answer {
    pub(crate) endpoint: String,
    pub(crate) headers: HeaderMap,
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

/// The call's value from a success, or the problem with that answer.
pub(crate) type Understood<T> = Result<T, &'static str>;

/// The contract's bounds of every wait.
pub(crate) fn check_timeout(timeout: Duration) -> Result<(), ClientError> {
    let (min, max) = (limits::CONSISTENCY_TIMEOUT_MIN, limits::CONSISTENCY_TIMEOUT_MAX);
    let seconds = Duration::from_secs(header::seconds_up(timeout));
    if (min..=max).contains(&seconds) {
        Ok(())
    } else {
        let (min, max) = (min.as_secs(), max.as_secs());
        Err(ClientError::config(format!("a timeout is {min} to {max} seconds")))
    }
}
