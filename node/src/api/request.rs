//! The parts of a request beside the operation itself: the caller, the required consistency, the
//! conditions and the freshness. Each dialect reads these from its own protocol.

use std::{fmt, time::Duration};

use concordat_proto::{
    command::Precondition,
    consistency::{Position, RequiredConsistency},
    limits,
};

/// The credentials that a request carries, as its dialect found them; nothing is checked yet.
///
/// The bytes are borrowed from the request's head. `Debug` leaves the key out: it is a secret.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The key; empty when there is none, or more than one.
    pub key: &'a [u8],
    /// The organization that the caller claims to be.
    pub organization: ClaimedOrg<'a>,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Presented");
        shown.field("organization", &self.organization).finish_non_exhaustive()
    }
}

/// The organization that a caller claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimedOrg<'a> {
    /// None is named.
    Absent,
    /// It is named by nothing, or twice in different ways.
    Ambiguous,
    /// This one, as it was written.
    Named(&'a [u8]),
    /// The one that the key names.
    OfKey,
    /// The one that the key names, which must be this one: its UUID or its number, as it was written.
    OfKeyAnd(&'a [u8]),
    /// The one that the key names. The request had to name it too, and does not, or not as it should.
    OfKeyUnnamed,
}

impl ClaimedOrg<'_> {
    /// Whether the dialect takes the organization from the key.
    #[must_use]
    pub const fn is_of_key(self) -> bool {
        matches!(self, Self::OfKey | Self::OfKeyAnd(_) | Self::OfKeyUnnamed)
    }
}

/// The options that a request of any dialect may have (contract 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How far a write must be replicated before it is answered with success.
    pub required: RequiredConsistency,
    /// How long the caller waits for that, or for [`Terms::at_least`].
    pub timeout: Duration,
    /// The client's own name for the write.
    pub idempotency_key: Option<String>,
    /// How long that name is remembered.
    pub idempotency_lifetime: Duration,
    /// Execute it only for one of these versions.
    pub if_match: Option<Precondition>,
    /// Execute it only for other versions.
    pub if_none_match: Option<Precondition>,
    /// Read at this position or a later one.
    pub at_least: Option<Position>,
    /// Answer a read only if it is fresh.
    pub current_only: bool,
}

impl Default for Terms {
    /// The options of a request that has none.
    fn default() -> Self {
        Self {
            required: RequiredConsistency::default(),
            timeout: limits::CONSISTENCY_TIMEOUT_DEFAULT,
            idempotency_key: None,
            idempotency_lifetime: limits::IDEMPOTENCY_LIFETIME_MAX,
            if_match: None,
            if_none_match: None,
            at_least: None,
            current_only: false,
        }
    }
}

/// The input of a dialect's parser, after routing and authentication.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The path parameter as in the URL, still percent-encoded; empty where there is none.
    pub path_parameter: &'a str,
    /// The query string without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a http::HeaderMap,
    /// The body; empty where none was read.
    pub body: &'a [u8],
}
