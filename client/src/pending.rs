//! A write that was not far enough in time, and waiting for the rest of it.

use std::{fmt, time::Duration};

use concordat_proto::{
    consistency::{Outcome, Receipt},
    id::WriteId,
};

use crate::{
    client::{Client, Identity},
    error::ClientError,
    writes,
};

/// A write that was answered 408: not far enough in the time given, not cancelled, not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub(crate) receipt: Receipt,
    pub(crate) idempotency_key: String,
    pub(crate) identity: Identity,
}

impl Pending {
    /// What was known when the time was up.
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

    /// Waits for what the write required, up to `patience` (at most two minutes), and returns the
    /// receipt as it stands then, achieved or not. `local_region` is the region of the node that
    /// answers. For more than was required there is [`Client::write`].
    ///
    /// # Errors
    /// As of [`crate::WriteHandle::wait`].
    pub async fn wait(&self, client: &Client, patience: Duration) -> Result<Receipt, ClientError> {
        let required = self.receipt.required;
        writes::wait(client, self.identity, self.write_id(), required, patience).await
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
