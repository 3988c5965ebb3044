//! `concordat org …`

use std::time::Duration;

use concordat_client::{Client, ClientError, OrgId, Organization, Region};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    args::{CreateOrg, MoveOrg, Org, Page},
    failure::Failure,
    invocation::Course,
    print::{self, Shown, printable, table},
    values::OrgSetting,
};

/// Between two looks at an organization that moves.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Before a move is asked for again that had to wait too long for its turn: its place is kept for
/// some seconds.
const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn run(client: &Client, verb: Org, course: &Course) -> Result<Shown, Failure> {
    match verb {
        Org::Create(args) => create(client, args, course).await,
        Org::List(page) => list(client, &page).await,
        Org::Move(args) => change_home(client, &args, course).await,
        Org::Delete { id } => {
            let delete = client.organizations().delete(id);
            let written = delete.idempotency_key(course.key()).send().await;
            let written = written.map_err(Failure::OperatorCall)?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
        Org::DeleteOwn => {
            let delete = client.own_organization().delete();
            let written = delete.idempotency_key(course.key()).send().await?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
        Org::Set { id, setting } => {
            let organizations = client.organizations();
            let write = match setting {
                OrgSetting::StaleSecrets(policy) => organizations.set_stale_secrets(id, policy),
                OrgSetting::EnterpriseDomain(domain) => {
                    organizations.set_enterprise_domain(id, domain)
                }
            };
            let written = write.idempotency_key(course.key()).send().await;
            let written = written.map_err(Failure::OperatorCall)?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
    }
}

/// Begins a move and waits for its end if that is wanted, or takes one back.
async fn change_home(client: &Client, args: &MoveOrg, course: &Course) -> Result<Shown, Failure> {
    let organizations = client.organizations();
    let Some(to) = &args.to else {
        organizations.cancel_move(args.id).await?;
        return shown(client, args.id).await;
    };
    let is_begun = format!("the move of organization {} to {to} has begun and continues", args.id);
    let Some(wait) = args.wait else {
        organizations.move_to(args.id, to).await?;
        course.on_begun(is_begun);
        return shown(client, args.id).await;
    };
    let deadline = Instant::now() + wait;
    begun(client, args.id, to, deadline).await?;
    course.on_begun(is_begun);
    match timeout_at(deadline, arrival(client, args.id, to)).await {
        Ok(arrived) => arrived?,
        Err(_) => return Err(Failure::MoveTimedOut { to: to.to_string() }),
    }
    shown(client, args.id).await
}

/// Begins a move, and asks again while other moves go first.
async fn begun(client: &Client, org: OrgId, to: &Region, deadline: Instant) -> Result<(), Failure> {
    loop {
        match client.organizations().move_to(org, to).await {
            Err(ClientError::Unavailable { .. }) if Instant::now() + ASK_AGAIN < deadline => {
                sleep(ASK_AGAIN).await;
            }
            begun => {
                begun?;
                return Ok(());
            }
        }
    }
}

/// Returns when an organization is at home in a region.
async fn arrival(client: &Client, org: OrgId, to: &Region) -> Result<(), Failure> {
    loop {
        match client.organizations().get(org).await {
            Ok(read) if read.value.home_region == *to && read.value.moving_to.is_none() => {
                return Ok(());
            }
            Err(error @ ClientError::Refused { .. }) => return Err(error.into()),
            // Still moving, or no node to ask just now.
            Ok(_) | Err(_) => {}
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn shown(client: &Client, org: OrgId) -> Result<Shown, Failure> {
    let read = client.organizations().get(org).await?;
    let Organization { id, org_name, home_region, moving_to, .. } = &read.value;
    let org_name = printable(org_name);
    let moving = moving_to.as_ref().map(|to| format!("\nmoving   to {to}"));
    let text = format!(
        "org      {id} ({org_name})\nhome     {home_region}{}\n",
        moving.unwrap_or_default()
    );
    Ok(Shown::read(json!(read.value), text, &read.freshness))
}

async fn create(client: &Client, args: CreateOrg, course: &Course) -> Result<Shown, Failure> {
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
    let is_domain_wanted = args.enterprise_domain.is_some();
    if let Some(domain) = args.enterprise_domain {
        write = write.enterprise_domain(domain);
    }
    let created = write.idempotency_key(course.key()).send().await;
    let created = created.map_err(Failure::OperatorCall)?;
    course.on_done(created.written.write_id);
    let Shown { json, text, .. } = print::written(&created.written);
    let Organization { id, org_name, home_region, .. } = &created.organization;
    let api_key = created.api_key.expose();
    let [org_name, shown_key] = [org_name, api_key].map(printable);
    let domain = match &created.enterprise_domain {
        Some(domain) => format!("domain   {}\n", printable(domain)),
        None if is_domain_wanted => "domain   none: another organization took it\n".to_owned(),
        None => String::new(),
    };
    let text = format!(
        "org      {id} ({org_name})\nhome     {home_region}\n{domain}api key  {shown_key}  (shown this once)\n{text}"
    );
    let mut json = json!({
        "organization": created.organization, "api_key": api_key, "written": json,
    });
    if let Some(domain) = &created.enterprise_domain {
        json["enterprise_domain"] = json!(domain);
    }
    let unseen = format!(
        "the organization {id} was made, and its API key was not shown. The same command with the \
         same idempotency key shows it again, within ten minutes; later nothing does"
    );
    Ok(Shown { unseen: Some(unseen), ..Shown::new(json, text) })
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
    let text = table(["ID", "NAME", "TENANT", "HOME", "MOVING TO"], &rows);
    let json = json!({
        "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
    });
    Ok(Shown::read(json, text, &page.freshness))
}

fn row(org: &Organization) -> [String; 5] {
    [
        org.id.to_string(),
        org.org_name.clone(),
        org.tenant_name.clone(),
        org.home_region.to_string(),
        org.moving_to.as_ref().map(Region::to_string).unwrap_or_default(),
    ]
}
