//! Writes that were made before: `/v1/writes/{write_id}`.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    consistency::{Receipt, RequiredConsistency},
    id::WriteId,
    limits,
};
use http::{HeaderMap, Method};

use crate::{
    call::{self, Answer, Call, Kind},
    client::{Client, Identity},
    envelope::ReceiptText,
    error::ClientError,
    page,
};

const PATH: &str = "/v1/writes";

/// A write that was made before, by its id.
#[derive(Debug, Clone, Copy)]
pub struct WriteHandle<'a> {
    client: &'a Client,
    write_id: WriteId,
    identity: Identity,
    required: RequiredConsistency,
}

impl<'a> WriteHandle<'a> {
    pub(crate) const fn new(client: &'a Client, write_id: WriteId) -> Self {
        // A write of the organisation, unless this client knows none.
        let identity = if client.org.is_some() { Identity::Org } else { Identity::Operator };
        Self { client, write_id, identity, required: RequiredConsistency::AllRegions }
    }

    /// Where it must have been applied: in every region unless this is said.
    #[must_use]
    pub const fn consistency(mut self, required: RequiredConsistency) -> Self {
        self.required = required;
        self
    }

    /// It is a write of the operator (like the making of an organisation), not of the client's
    /// organisation.
    #[must_use]
    pub const fn as_operator(mut self) -> Self {
        self.identity = Identity::Operator;
        self
    }

    /// Waits until the write is in every region, or as far as [`WriteHandle::consistency`] says, up to
    /// `patience` (at most two minutes; zero: not at all), and returns its receipt as it stands then,
    /// achieved or not.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: no group remembers the write, or it is
    /// another organisation's).
    pub async fn wait(self, patience: Duration) -> Result<Receipt, ClientError> {
        wait(self.client, self.identity, self.write_id, self.required, patience).await
    }
}

pub(crate) async fn wait(
    client: &Client,
    identity: Identity,
    write_id: WriteId,
    required: RequiredConsistency,
    patience: Duration,
) -> Result<Receipt, ClientError> {
    if patience > limits::RECEIPT_WAIT_MAX {
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
        timeout: patience,
    };
    let understand = |answer: &Answer| {
        let receipt: ReceiptText = page::result(answer)?;
        receipt.parse().ok_or("its result is not a receipt")
    };
    let (_, receipt) = call::run(client, &call, &understand).await?;
    Ok(receipt)
}
