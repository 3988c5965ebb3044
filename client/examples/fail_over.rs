//! Fails a permanently lost region over, and waits until its organizations can be written again.
//!
//! Running this confirms that the nodes of the lost region are stopped and will not start again.
//!
//! ```text
//! cargo run --example fail_over -- --endpoints http://127.0.0.1:8083 --region us-iowa --to asia-japan
//! ```

use std::{error::Error, time::Duration};

use clap::Parser;
use concordat_client::{Client, Region, RequiredConsistency, Secret};

/// Between two looks at the failover.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks before the example gives up watching; the failover continues by itself.
const LOOKS_MAX: usize = 240;

/// The region to fail over, and its target.
#[derive(Parser)]
pub(crate) struct Args {
    /// Base URLs of nodes that are left, separated by commas
    #[arg(long, env = "CONCORDAT_ENDPOINTS", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// The operator's key
    #[arg(long, env = "CONCORDAT_OPERATOR_KEY", hide_env_values = true)]
    operator_key: String,
    /// The region that is lost
    #[arg(long)]
    region: Region,
    /// The region that takes over
    #[arg(long)]
    to: Region,
}

/// Fails over, and returns who leads from now on.
pub(crate) async fn run(args: Args) -> Result<String, Box<dyn Error>> {
    let Args { endpoints, operator_key, region, to } = args;
    let operator_key = Secret::new(operator_key);
    let client = Client::builder().endpoints(endpoints).operator_key(operator_key).build()?;
    let is_fenced = true;
    let failover = client.regions().failover(&region, &to, is_fenced, &[]);
    // All regions cannot be reached: one of them is lost.
    failover.consistency(RequiredConsistency::LocalRegion).send().await?;
    for _ in 0..LOOKS_MAX {
        let regions = client.regions().list().await?;
        let successor = regions.iter().find(|it| it.region == region);
        let leader = successor.and_then(|it| {
            it.voters.iter().find(|voter| voter.region == to && it.leader == Some(voter.node_id))
        });
        if let Some(leader) = leader {
            return Ok(format!("the group of {region} is led by {} in {to}", leader.node_id));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("the group of {region} has no leader in {to} yet; the failover goes on").into())
}

#[tokio::main]
#[allow(dead_code, clippy::print_stdout, reason = "a test calls `run`; a user sees the result")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", run(Args::parse()).await?);
    Ok(())
}
