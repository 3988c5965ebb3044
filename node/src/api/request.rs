//! What a caller says beside the operation itself: who it is, how far a write must be replicated,
//! which conditions and freshness it wants. Each dialect reads these from wherever its protocol puts
//! them.

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
}

/// What every request of every dialect may say of itself (contract 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How far a write must have been replicated when it is answered with success.
    pub required: RequiredConsistency,
    /// How long the caller waits for that, or for [`Terms::at_least`].
    pub timeout: Duration,
    /// The client's own name for the write.
    pub idempotency_key: Option<String>,
    /// How long that name is remembered.
    pub idempotency_lifetime: Duration,
    /// Do it only to one of these versions.
    pub if_match: Option<Precondition>,
    /// Do it only to other versions.
    pub if_none_match: Option<Precondition>,
    /// Read at this position or a later one.
    pub at_least: Option<Position>,
    /// Read what is provably current, or nothing.
    pub current_only: bool,
}

impl Default for Terms {
    /// What a request that says nothing asks for.
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

/// What a dialect parses an action from, after routing and authentication.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The path parameter as it stands in the URL, still percent-encoded; empty where there is none.
    pub path_parameter: &'a str,
    /// The query string without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a http::HeaderMap,
    /// The body; empty where none was read.
    pub body: &'a [u8],
}
