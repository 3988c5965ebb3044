//! `concordatd demo`: a whole cluster in one process, with delays between its regions, an
//! organization to try it with, and a tour of the required consistency.
//!
//! Everything is real except the network (delays and cuts are simulated, `control.rs`), the keyring
//! (the demo generates its own), and without `--data-dir` the state, which is then in memory. Two
//! threads run all nodes: one per node, as in `start`, would be nine on a machine of two cores, and
//! many nodes share few batches anyway.

mod args;
mod call;
mod cluster;
mod control;
mod print;
mod saved;
mod tour;

pub use args::{DemoArgs, Output};

use std::{path::PathBuf, sync::Arc};

use concordat_proto::{api::organization::OrganizationCreate, consistency::RequiredConsistency};
use tempfile::TempDir;

use self::{
    args::Plan,
    call::Api,
    cluster::Cluster,
    print::{Printer, Ready},
    saved::{Saved, SavedOrg},
};
use crate::{
    boot::{
        failure::Failure,
        start, state,
        supervise::{self, Supervisor},
    },
    environment::Environment,
    observe,
};

const WORKER_THREADS: usize = 2;
/// The enterprise domain of the organization to try things with: AISquare's API needs one.
const DOMAIN: &str = "demo.example";

/// Runs the demo until it is asked to end, or until the tour is over.
///
/// # Errors
/// With the reason why it could not start, or had to stop.
pub fn run(args: DemoArgs, environment: Environment) -> Result<(), Failure> {
    if args.data_dir.is_some() {
        state::require_disk()?;
    }
    let (directory, _temporary) = directory(&args)?;
    let (plan, saved) = saved::load(&directory, &args, &environment)?;
    let runtime = start::runtime(WORKER_THREADS)?;
    runtime.block_on(demo(args, plan, saved, environment))
}

/// The directory given, or one that is removed at the end.
fn directory(args: &DemoArgs) -> Result<(PathBuf, Option<TempDir>), Failure> {
    let context = "making the demo's directory";
    match &args.data_dir {
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(|e| Failure::bad_setting(context, e))?;
            Ok((directory.clone(), None))
        }
        None => {
            let made = tempfile::Builder::new().prefix("concordat-demo-").tempdir();
            let made = made.map_err(|error| Failure::fault(context, error))?;
            Ok((made.path().to_path_buf(), Some(made)))
        }
    }
}

async fn demo(
    args: DemoArgs,
    plan: Plan,
    saved: Saved,
    environment: Environment,
) -> Result<(), Failure> {
    let mut supervisor = Supervisor::default();
    let cluster = Cluster::start(&mut supervisor, &plan, &saved, &environment, args.listen).await?;
    let cluster = Arc::new(cluster);
    let guide = guide(args, plan, saved, Arc::clone(&cluster));
    let stop = supervisor.stop();
    supervisor.spawn("the guide", async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            asked = supervise::asked_to_end() => asked,
            guided = guide => guided,
        }
    });
    let ended = supervisor.run().await;
    if ended.is_ok() {
        observe::log::on_stopping();
    }
    cluster.close().await;
    ended
}

/// Waits for the cluster, creates the organization, prints the addresses, runs the tour.
async fn guide(
    args: DemoArgs,
    plan: Plan,
    saved: Saved,
    cluster: Arc<Cluster>,
) -> Result<(), Failure> {
    let mut printer = Printer::new(args.output, &plan);
    printer.starting(&plan, &saved)?;
    cluster.ready().await?;
    let api = Api::new(&cluster, &saved);
    let org = organization(&api, &plan, saved.clone()).await?;
    let api = api.with_org(&org);
    let ready = Ready { saved: &saved, org: &org, regions: cluster.addresses(), plan: &plan };
    printer.ready(&ready)?;
    if !args.no_tour {
        tour::give(&api, &plan, &mut printer).await?;
    }
    if args.exit_after_tour {
        return Ok(());
    }
    printer.staying(&saved)?;
    std::future::pending().await
}

/// The organization to try things with: found again, or made.
async fn organization(api: &Api, plan: &Plan, mut saved: Saved) -> Result<SavedOrg, Failure> {
    if let Some(org) = saved.org {
        return Ok(org);
    }
    let body = OrganizationCreate {
        org_name: "Demo".to_owned(),
        tenant_name: None,
        home_region: Some(plan.home().clone()),
        id: None,
        enterprise_domain: Some(DOMAIN.to_owned()),
    };
    let reply = api
        .operator("POST", "/v1/organizations")
        .json(&body)
        .consistency(RequiredConsistency::AllRegions, 60)
        // If the demo stopped before the key was saved, the next start gets the same answer again.
        .idempotency_key("concordatd-demo-organization")
        .send()
        .await;
    let result = reply.result()?;
    let text = |name: &str| result[name].as_str().map(str::to_owned);
    let (Some(id), Some(api_key)) = (text("id"), text("api_key")) else {
        return Err(Failure::fault("making the demo's organization", "its answer names no key"));
    };
    let org = SavedOrg { id, api_key };
    saved.org = Some(org.clone());
    saved.save()?;
    Ok(org)
}
