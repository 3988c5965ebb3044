//! Rotates a client secret and returns only when every region has the new one.
//!
//! The new secret comes from a file, so that it is in no process list and in no shell's history:
//!
//! ```text
//! cargo run --example rotate_secret -- --endpoints http://127.0.0.1:8080 --org ID \
//!     --client-id my-app --secret-file new-secret
//! ```

use std::{error::Error, path::PathBuf, time::Duration};

use clap::Parser;
use concordat_client::{Client, OrgId, RequiredConsistency, Secret};

/// The secret to rotate, and the cluster.
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
    /// A file with the new secret
    #[arg(long)]
    secret_file: PathBuf,
}

/// Rotates the secret, and returns a message about it.
pub(crate) async fn run(args: Args) -> Result<String, Box<dyn Error>> {
    let secret = std::fs::read_to_string(&args.secret_file)?;
    let client = Client::builder()
        .endpoints(args.endpoints)
        .org(args.org, Secret::new(args.api_key))
        .build()?;
    // The tag ensures that no other client's rotation is overwritten: a changed credential is
    // refused.
    let before = client.oidc().get(&args.client_id).await?;
    let mut rotation = client
        .oidc()
        .patch(&args.client_id)
        .client_secret(Secret::new(secret.trim_end().to_owned()))
        .consistency(RequiredConsistency::AllRegions)
        .timeout(Duration::from_secs(30));
    if let Some(etag) = before.etag {
        rotation = rotation.if_match(etag);
    }
    let written = rotation.send().await?;
    let regions = written.receipt.regions.len();
    Ok(format!("write {}: the new secret is in all {regions} regions", written.write_id))
}

#[tokio::main]
#[allow(dead_code, clippy::print_stdout, reason = "a test calls `run`; a user sees the result")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", run(Args::parse()).await?);
    Ok(())
}
