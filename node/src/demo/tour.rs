//! The tour: the required consistency, shown on the cluster itself.
//!
//! A write that waits for its own region; one that waits for all; one with a region cut off, whose
//! answer says which regions have applied it, and which completes when the region is healed.

use concordat_proto::{
    api::{
        credential::{CredentialCreate, CredentialPatch},
        demo::DemoTarget,
    },
    consistency::RequiredConsistency,
    id::ClientId,
    oidc::Provider,
    region::Region,
    secret::Secret,
};

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
    let body = rotation("rotated-once", None);
    let reply = api.org(home, "PATCH", &one).json(&body).consistency(local, 30).send().await;
    printer.reply("local_region", "PATCH", &reply, reply.receipt()?)?;

    printer.step("The same, waiting for every region (all_regions):")?;
    let body = rotation("rotated-twice", None);
    let reply = api.org(home, "PATCH", &one).json(&body).consistency(all, 30).send().await;
    printer.reply("all_regions", "PATCH", &reply, reply.receipt()?)?;

    match plan.regions.last() {
        Some(far) if far != home => cut(api, home, far, &one, printer).await,
        Some(_) | None => Ok(()),
    }
}

fn rotation(client_secret: &str, label: Option<&str>) -> CredentialPatch {
    CredentialPatch {
        client_secret: Some(Secret::new(client_secret.to_owned())),
        label: label.map(str::to_owned),
        ..CredentialPatch::default()
    }
}

/// A credential to change, made for this tour.
async fn client_id(api: &Api, home: &Region) -> Result<ClientId, Failure> {
    for number in 1.. {
        let client_id = ClientId::new(format!("tour-{number}.apps.example.com"))
            .map_err(|error| Failure::fault("the tour", error))?;
        let body = CredentialCreate {
            client_id: client_id.clone(),
            client_secret: Secret::new("the-first".to_owned()),
            provider: Provider::Google,
            label: Some("created by the tour".to_owned()),
            external_cred_id: None,
            enable_in_authz_server: None,
            options: None,
        };
        let reply = api
            .org(home, "POST", PATH)
            .json(&body)
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
    let target = DemoTarget::Region(far.clone());
    printer.step(&format!("{far} is cut off. Waiting {PATIENCE_S} s for every region:"))?;
    expect(&api.operator("POST", "/v1/demo/cut").json(&target).send().await, OK)?;
    let body = rotation("rotated-thrice", Some("while a region was cut off"));
    let reply = api
        .org(home, "PATCH", one)
        .json(&body)
        .consistency(RequiredConsistency::AllRegions, PATIENCE_S)
        .send()
        .await;
    printer.reply("cut", "PATCH", &reply, reply.receipt()?)?;
    let write_id = reply.receipt()?["write_id"].as_str().unwrap_or_default().to_owned();
    expect(&reply, TIMED_OUT)?;

    let path = format!("/v1/writes/{write_id}?wait=60");
    printer
        .step(&format!("{far} is healed. The receipt of that write (GET /v1/writes/{{id}}):"))?;
    expect(&api.operator("POST", "/v1/demo/heal").json(&target).send().await, OK)?;
    let reply = api.org(home, "GET", &path).send().await;
    printer.reply("healed", "GET", &reply, reply.result()?)?;

    let reply = api.org(far, "GET", one).send().await;
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
