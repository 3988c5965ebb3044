//! The tour: the required consistency, shown on the cluster itself.
//!
//! A write that waits for its own region; one that waits for all; one with a region cut off, whose
//! answer says which regions have applied it, and which completes when the region is healed.

use concordat_proto::{consistency::RequiredConsistency, region::Region};
use serde_json::{Value, json};

use super::{
    args::Plan,
    call::{Api, Reply},
    print::Printer,
};
use crate::{
    boot::failure::Failure,
    http::status::{CONFLICT, OK, TIMED_OUT},
};

const PATH: &str = "/organizations/sso/oidc/provider-credentials";
/// How long the tour waits for the write to a cut region.
const PATIENCE_S: u64 = 2;

/// Gives the tour.
pub(super) async fn give(api: &Api, plan: &Plan, printer: &mut Printer) -> Result<(), Failure> {
    let (local, all) = (RequiredConsistency::LocalRegion, RequiredConsistency::AllRegions);
    let home = plan.home();
    let client_id = client_id(api, home).await?;
    let one = format!("{PATH}/{client_id}");

    printer.scale()?;
    printer.step("A write that waits for its own region (local_region):")?;
    let body = json!({ "client_secret": "rotated-once" });
    let reply = api.org(home, "PATCH", &one, &body).consistency(local, 30).send().await;
    printer.reply("local_region", "PATCH", &reply, reply.receipt()?)?;

    printer.step("The same, waiting for every region (all_regions):")?;
    let body = json!({ "client_secret": "rotated-twice" });
    let reply = api.org(home, "PATCH", &one, &body).consistency(all, 30).send().await;
    printer.reply("all_regions", "PATCH", &reply, reply.receipt()?)?;

    match plan.regions.last() {
        Some(far) if far != home => cut(api, home, far, &one, printer).await,
        Some(_) | None => Ok(()),
    }
}

/// A credential to change, made for this tour.
async fn client_id(api: &Api, home: &Region) -> Result<String, Failure> {
    for number in 1.. {
        let client_id = format!("tour-{number}.apps.example.com");
        let body = json!({
            "client_id": client_id, "client_secret": "the-first", "provider": "google",
            "label": "created by the tour",
        });
        let reply = api
            .org(home, "POST", PATH, &body)
            .consistency(RequiredConsistency::AllRegions, 30)
            .send()
            .await;
        if reply.status != CONFLICT {
            reply.receipt()?;
            return Ok(client_id);
        }
    }
    Err(Failure::fault("the tour", "no client id is free"))
}

async fn cut(
    api: &Api,
    home: &Region,
    far: &Region,
    one: &str,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let target = json!({ "region": far.as_str() });
    printer.step(&format!("{far} is cut off. Waiting {PATIENCE_S} s for every region:"))?;
    expect(&api.operator("POST", "/v1/demo/cut", &target).send().await, OK)?;
    let body = json!({ "client_secret": "rotated-thrice", "label": "while a region was cut off" });
    let reply = api
        .org(home, "PATCH", one, &body)
        .consistency(RequiredConsistency::AllRegions, PATIENCE_S)
        .send()
        .await;
    printer.reply("cut", "PATCH", &reply, reply.receipt()?)?;
    let write_id = reply.receipt()?["write_id"].as_str().unwrap_or_default().to_owned();
    expect(&reply, TIMED_OUT)?;

    let path = format!("/v1/writes/{write_id}?wait=60");
    printer
        .step(&format!("{far} is healed. The receipt of that write (GET /v1/writes/{{id}}):"))?;
    expect(&api.operator("POST", "/v1/demo/heal", &target).send().await, OK)?;
    let reply = api.org(home, "GET", &path, &Value::Null).send().await;
    printer.reply("healed", "GET", &reply, reply.result()?)?;

    let reply = api.org(far, "GET", one, &Value::Null).send().await;
    let label = reply.result()?["label"].as_str().unwrap_or_default().to_owned();
    printer.read(far, &label)
}

fn expect(reply: &Reply, status: u16) -> Result<(), Failure> {
    if reply.status == status {
        return Ok(());
    }
    let message = reply.body["errors"][0]["message"].as_str().unwrap_or("no message");
    Err(Failure::fault("the tour", format!("{} instead of {status}: {message}", reply.status)))
}
