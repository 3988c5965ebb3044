//! Writes with a short timeout, and follows the write's receipt until every region has applied it.
//!
//! A write that is answered too late is not undone: its receipt says where it is, and can be waited for.
//!
//! ```text
//! cargo run --example wait_for_receipt -- --endpoints http://127.0.0.1:8080 --org ID \
//!     --client-id my-app --label "rotated in May"
//! ```

use std::{error::Error, time::Duration};

use clap::Parser;
use concordat_client::{Client, ClientError, OrgId, Receipt, RequiredConsistency, Secret};

/// The write, and the cluster.
#[derive(Parser)]
pub(crate) struct Args {
    /// Base URLs of nodes, nearest first, separated by commas
    #[arg(long, env = "CONCORDAT_ENDPOINTS", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// The organization's id
    #[arg(long, env = "CONCORDAT_ORG")]
    org: OrgId,
    /// The organization's API key
    #[arg(long, env = "CONCORDAT_API_KEY", hide_env_values = true)]
    api_key: String,
    /// The OAuth client id of the credential
    #[arg(long)]
    client_id: String,
    /// The credential's new label
    #[arg(long)]
    label: String,
}

/// Writes and waits, and returns the receipt as text.
pub(crate) async fn run(args: Args) -> Result<String, Box<dyn Error>> {
    let client = Client::builder()
        .endpoints(args.endpoints)
        .org(args.org, Secret::new(args.api_key))
        .build()?;
    let write = client
        .oidc()
        .patch(args.client_id)
        .label(args.label)
        .consistency(RequiredConsistency::AllRegions)
        .timeout(Duration::from_secs(1));
    let receipt = match write.send().await {
        Ok(written) => written.receipt,
        // One second was too short. The write is not undone: wait for the rest of it.
        Err(ClientError::Pending(pending)) => {
            pending.wait(&client, Duration::from_secs(60)).await?
        }
        // With an unknown outcome the error names the idempotency key; a retry with the same key is
        // safe.
        Err(error) => return Err(error.into()),
    };
    Ok(describe(&receipt))
}

fn describe(receipt: &Receipt) -> String {
    let reached = if receipt.achieved { "reached" } else { "not reached" };
    let mut lines = vec![format!("write {}: {} {reached}", receipt.write_id, receipt.required)];
    for region in &receipt.regions {
        let state = if region.applied { "applied" } else { "pending" };
        lines.push(format!("  {} {state}", region.region));
    }
    lines.join("\n")
}

#[tokio::main]
#[allow(dead_code, clippy::print_stdout, reason = "a test calls `run`; a user sees the result")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", run(Args::parse()).await?);
    Ok(())
}
