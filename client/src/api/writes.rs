//! Earlier writes: `/v1/writes/{write_id}`.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    api::receipt,
    consistency::{Receipt, RequiredConsistency},
    id::WriteId,
    limits,
};
use http::{HeaderMap, Method};

use crate::{
    api::read,
    call::{
        core::Core,
        run,
        types::{Answer, Call, Kind},
    },
    error::ClientError,
    model::identity::Identity,
};

const PATH: &str = "/v1/writes";

/// A write that was made before, by its id.
#[derive(Debug, Clone, Copy)]
pub struct WriteHandle<'a> {
    core: &'a Core,
    write_id: WriteId,
    identity: Identity,
    required: RequiredConsistency,
}

impl<'a> WriteHandle<'a> {
    pub(crate) const fn new(core: &'a Core, write_id: WriteId) -> Self {
        // A write of the organization, unless this client knows none.
        let identity = if core.org.is_some() { Identity::Org } else { Identity::Operator };
        Self { core, write_id, identity, required: RequiredConsistency::AllRegions }
    }

    /// The regions that must have applied it: every region unless this is set.
    #[must_use]
    pub const fn consistency(mut self, required: RequiredConsistency) -> Self {
        self.required = required;
        self
    }

    /// It is a write of the operator (like the making of an organization), not of the client's
    /// organization.
    #[must_use]
    pub const fn as_operator(mut self) -> Self {
        self.identity = Identity::Operator;
        self
    }

    /// Waits until the write has reached every region, or the level of
    /// [`WriteHandle::consistency`], up to `timeout` (at most two minutes; zero: not at all), and
    /// returns its receipt at that time, achieved or not.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: no group remembers the write, or it is
    /// another organization's).
    pub async fn wait(self, timeout: Duration) -> Result<Receipt, ClientError> {
        wait(self.core, self.identity, self.write_id, self.required, timeout).await
    }
}

pub(crate) async fn wait(
    core: &Core,
    identity: Identity,
    write_id: WriteId,
    required: RequiredConsistency,
    timeout: Duration,
) -> Result<Receipt, ClientError> {
    if timeout > limits::RECEIPT_WAIT_MAX {
        let max = limits::RECEIPT_WAIT_MAX.as_secs();
        return Err(ClientError::config(format!("a receipt is waited for {max} seconds at most")));
    }
    let call = Call {
        identity,
        method: Method::GET,
        target: format!("{PATH}/{write_id}?required={required}"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        kind: Kind::Receipt,
        timeout,
    };
    let understand = |answer: &Answer| {
        let receipt: receipt::Receipt = read::result(answer)?;
        Ok(Receipt::from(receipt))
    };
    let (_, receipt) = run::run(core, &call, &understand).await?;
    Ok(receipt)
}
