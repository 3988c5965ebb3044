//! `concordat suborg …`

use concordat_client::{Client, CreatedSuborganization, Suborganization, SuborganizationAdmin};
use serde_json::json;

use crate::{
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, printable, table},
    resource_args::Suborg,
};

pub(super) async fn run(client: &Client, verb: Suborg, course: &Course) -> Result<Shown, Failure> {
    let own = client.own_organization();
    match verb {
        Suborg::List => {
            let page = own.suborganizations().await?;
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let text = table(["ID", "NAME", "ADMINS", "CREATED"], &rows);
            let json = json!({
                "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
            });
            Ok(Shown::read(json, text, &page.freshness))
        }
        Suborg::Create { name, admins } => {
            let mut write = own.create_suborganization(name);
            for (handle, value) in admins {
                write = write.admin(handle, value);
            }
            let created = write.idempotency_key(course.key()).send().await?;
            Ok(made(&created, course))
        }
    }
}

fn row(child: &Suborganization) -> [String; 4] {
    let admin = |admin: &SuborganizationAdmin| format!("{}={}", admin.handle, admin.value);
    let admins: Vec<_> = child.admins.iter().map(admin).collect();
    [
        child.id.to_string(),
        child.org_name.clone(),
        admins.join(","),
        or_dash(child.created_at.as_ref()),
    ]
}

/// A suborganization that was made, with its first key.
fn made(created: &CreatedSuborganization, course: &Course) -> Shown {
    course.on_done(created.written.write_id);
    let Shown { json, text, .. } = print::written(&created.written);
    let made = &created.organization;
    let [name, shown_key] = [made.org_name.as_str(), made.api_key.expose()].map(printable);
    let (id, parent) = (made.id, made.parent_id);
    let text = format!(
        "org      {id} ({name})\nparent   {parent}\napi key  {shown_key}  (shown this once)\n{text}"
    );
    let json = json!({ "organization": made, "written": json });
    let unseen = format!(
        "the suborganization {id} was made, and its API key was not shown. The same command with the same \
         idempotency key and the same API key shows it again, within ten minutes; later nothing does"
    );
    Shown { unseen: Some(unseen), ..Shown::new(json, text) }
}
