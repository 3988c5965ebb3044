//! The identity that makes a call. The keys themselves are in `call/core.rs`.

/// The identity that makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The client's organization.
    Org,
    /// The operator of the cluster.
    Operator,
}
