//! `concordat write …`

use std::time::Duration;

use concordat_client::{Client, Receipt, RequiredConsistency};
use concordat_proto::limits;

use crate::{
    args::WriteVerb,
    failure::Failure,
    print::{self, Shown},
};

pub(super) async fn run(
    client: &Client,
    verb: WriteVerb,
    required: Option<RequiredConsistency>,
    timeout: Option<Duration>,
) -> Result<Shown, Failure> {
    let WriteVerb::Wait { write_id, operator } = verb;
    let timeout = timeout.unwrap_or(limits::CONSISTENCY_TIMEOUT_DEFAULT);
    let handle = client.write(write_id);
    let handle = if operator { handle.as_operator() } else { handle };
    let handle = handle.consistency(required.unwrap_or(RequiredConsistency::AllRegions));
    let receipt: Receipt = handle.wait(timeout).await?;
    if receipt.achieved {
        Ok(print::receipt(&receipt))
    } else {
        Err(Failure::NotReached { receipt: Box::new(receipt), operator })
    }
}
