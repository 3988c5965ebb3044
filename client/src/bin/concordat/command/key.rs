//! `concordat key …`

use concordat_client::{ApiKey, Client, CreatedKey};
use serde_json::json;

use crate::{
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, printable, table},
    resource_args::Key,
};

pub(super) async fn run(client: &Client, verb: Key, course: &Course) -> Result<Shown, Failure> {
    let keys = client.api_keys();
    match verb {
        Key::List => {
            let page = keys.list().await?;
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let text = table(["ID", "LABEL", "RIGHTS", "CREATED", "EXPIRES", "CURRENT"], &rows);
            let json = json!({
                "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
            });
            Ok(Shown::read(json, text, &page.freshness))
        }
        Key::Issue { rights, label, expires_at } => {
            let mut write = keys.issue(rights);
            if let Some(label) = label {
                write = write.label(label);
            }
            if let Some(time) = expires_at {
                write = write.expires_at(time);
            }
            let created = write.idempotency_key(course.key()).send().await?;
            Ok(made(&created, course))
        }
        Key::Revoke { id } => {
            let written = keys.revoke(id).idempotency_key(course.key()).send().await?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
        Key::Rotate => {
            let created = keys.rotate().idempotency_key(course.key()).send().await?;
            Ok(made(&created, course))
        }
    }
}

fn row(key: &ApiKey) -> [String; 6] {
    let rights: Vec<_> = key.rights.iter().map(ToString::to_string).collect();
    [
        key.id.to_string(),
        or_dash(key.label.as_ref()),
        rights.join(","),
        or_dash(key.created_at.as_ref()),
        or_dash(key.expires_at.as_ref()),
        if key.current { "yes" } else { "no" }.to_owned(),
    ]
}

/// A key that was made, with its text.
fn made(created: &CreatedKey, course: &Course) -> Shown {
    course.on_done(created.written.write_id);
    let Shown { json, text, .. } = print::written(&created.written);
    let id = created.key.id;
    let shown_key = printable(created.key.api_key.expose());
    let text = format!("id       {id}\napi key  {shown_key}  (shown this once)\n{text}");
    let json = json!({ "key": created.key, "written": json });
    let unseen = format!(
        "the API key {id} was made, and its text was not shown. The same command with the same \
         idempotency key and the same API key shows it again, within ten minutes; later nothing does"
    );
    Shown { unseen: Some(unseen), ..Shown::new(json, text) }
}
