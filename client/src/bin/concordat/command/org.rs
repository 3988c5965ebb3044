//! `concordat org …`

use concordat_client::{Client, Organization};
use serde_json::json;

use crate::{
    args::{CreateOrg, Org, Page},
    failure::Failure,
    print::{self, Shown, printable, table},
};

pub(super) async fn run(client: &Client, verb: Org) -> Result<Shown, Failure> {
    match verb {
        Org::Create(args) => create(client, args).await,
        Org::List(page) => list(client, &page).await,
    }
}

async fn create(client: &Client, args: CreateOrg) -> Result<Shown, Failure> {
    let mut write = client.organizations().create(args.name);
    if let Some(name) = args.tenant_name {
        write = write.tenant_name(name);
    }
    if let Some(region) = &args.home_region {
        write = write.home_region(region);
    }
    if let Some(id) = args.id {
        write = write.id(id);
    }
    if let Some(key) = args.repeat.idempotency_key {
        write = write.idempotency_key(key);
    }
    let created = write.send().await.map_err(Failure::OperatorCall)?;
    let Shown { json, text, .. } = print::written(&created.written);
    let Organization { id, org_name, home_region, .. } = &created.organization;
    let api_key = created.api_key.expose();
    let [id, org_name, home_region, shown_key] =
        [id, org_name, home_region, api_key].map(printable);
    let text = format!(
        "org      {id} ({org_name})\nhome     {home_region}\napi key  {shown_key}  (shown this once)\n{text}"
    );
    let json = json!({
        "organization": created.organization, "api_key": api_key, "written": json,
    });
    Ok(Shown::new(json, text))
}

async fn list(client: &Client, page: &Page) -> Result<Shown, Failure> {
    let mut list = client.organizations().list();
    if let Some(limit) = page.limit {
        list = list.limit(limit);
    }
    if let Some(offset) = page.offset {
        list = list.offset(offset);
    }
    let page = list.send().await?;
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let text = table(["ID", "NAME", "TENANT", "HOME"], &rows);
    let json = json!({
        "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
    });
    Ok(Shown::read(json, text, &page.freshness))
}

fn row(org: &Organization) -> [String; 4] {
    [&org.id, &org.org_name, &org.tenant_name, &org.home_region].map(Clone::clone)
}
