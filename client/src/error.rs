//! The errors of a call. The kinds differ in what is known about the write:
//!
//! | kind | was it done? |
//! | --- | --- |
//! | `Refused`, `Unavailable`, `Config` | no, as far as was required |
//! | `Pending` | as its receipt says; it may continue |
//! | `OutcomeUnknown` | not known; the same idempotency key asks again |
//! | `Transport` | only of reads: there is no answer |
//!
//! No error contains a secret: sent values are never put into one.

use std::{fmt, time::Duration};

use crate::model::{freshness::Freshness, pending::Pending};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request was understood and declined; nothing was changed. A refusal that a log has
    /// decided has reached the write's required consistency; if that was only one region and the
    /// region is lost later, a failover may void it.
    #[error("refused with status {status}{}", Listed(messages))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's reasons.
        messages: Vec<String>,
        /// The freshness of the state that declined it (for reads).
        freshness: Freshness,
    },
    /// The required consistency was not reached in time (408). The write continues.
    #[error("not reached in time: {0}")]
    Pending(Box<Pending>),
    /// No node could serve the request; nothing was changed.
    #[error("unavailable{}{}", status.map(|s| format!(" (status {s})")).unwrap_or_default(), Listed(messages))]
    Unavailable {
        /// The HTTP status of the last answer, if there was one.
        status: Option<u16>,
        /// The server's reasons.
        messages: Vec<String>,
        /// The pause that the server asked for.
        retry_after: Option<Duration>,
        /// Why there was no answer.
        #[source]
        source: Option<TransportError>,
    },
    /// A write may have been done, may yet be done, or never. To find out, make the same call
    /// again with this idempotency key, within ten minutes.
    #[error("outcome unknown after {attempts} attempts (idempotency key {idempotency_key})")]
    OutcomeUnknown {
        /// The name under which the write happens at most once.
        idempotency_key: String,
        /// How often it was sent.
        attempts: usize,
        /// How the last attempt ended.
        #[source]
        source: Box<ClientError>,
    },
    /// There was no answer, or none that could be understood.
    #[error("no usable answer")]
    Transport(#[source] TransportError),
    /// The call cannot be made as it was asked for; nothing was sent.
    #[error("{message}")]
    Config {
        /// The problem.
        message: String,
    },
}

impl ClientError {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::Config { message: message.into() }
    }

    /// The HTTP status, where the server gave one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unavailable { status, .. } => *status,
            Self::Pending(_) => Some(408),
            Self::OutcomeUnknown { source, .. } => source.status(),
            Self::Transport(_) | Self::Config { .. } => None,
        }
    }
}

/// A failure between this client and a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection; nothing was sent.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The node.
        endpoint: String,
        /// Why.
        source: Source,
    },
    /// The connection ended before the answer was complete.
    #[error("lost the connection to {endpoint}")]
    Lost {
        /// The node.
        endpoint: String,
        /// Why.
        source: Source,
    },
    /// No answer in time.
    #[error("no answer from {endpoint} within {} ms", limit.as_millis())]
    TimedOut {
        /// The node.
        endpoint: String,
        /// The time it was given.
        limit: Duration,
    },
    /// An answer that is not of this API.
    #[error("cannot understand the answer of {endpoint} (status {status}): {what}")]
    Malformed {
        /// The node.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The problem; never the content.
        what: &'static str,
    },
}

/// `: a; b`, or nothing.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_listed() {
        let messages = vec!["label: too long".to_owned(), "options: wrong".to_owned()];
        let refused =
            ClientError::Refused { status: 400, messages, freshness: Freshness::Unmarked };
        assert_eq!(refused.to_string(), "refused with status 400: label: too long; options: wrong");
        let unavailable = ClientError::Unavailable {
            status: None,
            messages: Vec::new(),
            retry_after: None,
            source: None,
        };
        assert_eq!(unavailable.to_string(), "unavailable");
    }
}
