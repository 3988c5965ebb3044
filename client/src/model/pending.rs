//! A write that has not reached its required consistency in time. `client.rs` has the call that
//! waits for it.

use std::fmt;

use concordat_proto::{
    consistency::{Outcome, Receipt},
    id::WriteId,
};

use crate::model::identity::Identity;

/// A write that was answered 408: not far enough in the time given, not canceled, not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub(crate) receipt: Receipt,
    pub(crate) idempotency_key: String,
    pub(crate) identity: Identity,
}

impl Pending {
    /// The receipt at the deadline.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The write's name.
    #[must_use]
    pub const fn write_id(&self) -> WriteId {
        self.receipt.write_id
    }

    /// Under which the same call, made again, waits on instead of writing twice.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.idempotency_key
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt { required, outcome, write_id, regions, .. } = &self.receipt;
        let applied = regions.iter().filter(|region| region.applied).count();
        let outcome = match outcome {
            Outcome::Committed => "is committed",
            Outcome::Refused => "is refused",
            Outcome::Unknown => "may or may not happen",
            Outcome::Lost => "was lost with its region",
        };
        write!(
            f,
            "write {write_id} {outcome}, applied in {applied} of {} regions, {required} required",
            regions.len()
        )
    }
}
