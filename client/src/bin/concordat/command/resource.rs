//! `concordat saml …`, `concordat external …` and `concordat attribute …`

use std::path::Path;

use concordat_client::{
    AttributeSet, ChangeResource, Client, ExternalCreate, ExternalPatch, JsonText, SamlCreate,
    SamlCredential, SamlMembers, SamlPatch, Write,
};
use serde_json::json;

use crate::{
    config,
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, printable, table},
    resource_args::{Attribute, Condition, External, Saml, SamlSettings},
};

pub(super) async fn saml(client: &Client, verb: Saml, course: &Course) -> Result<Shown, Failure> {
    let saml = client.saml();
    match verb {
        Saml::List => {
            let page = saml.list().await?;
            let rows: Vec<_> = page.items.iter().map(saml_row).collect();
            let text = table(["ID", "METADATA URL", "LABEL", "AUTHZ SERVER"], &rows);
            let json = json!({
                "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
            });
            Ok(Shown::read(json, text, &page.freshness))
        }
        Saml::Get { id } => {
            let read = saml.get(&id).await?;
            let [id, url, label, authz_server] = saml_row(&read.value).map(|it| printable(&it));
            let claims = printable(&read.value.email_claims.join(" "));
            let etag = or_dash(read.etag.as_ref());
            let text = format!(
                "id            {id}\nmetadata url  {url}\nlabel         {label}\nemail claims  {claims}\n\
                 authz server  {authz_server}\netag          {etag}\n"
            );
            let json = json!({
                "credential": read.value, "etag": read.etag, "freshness": read.freshness,
            });
            Ok(Shown::read(json, text, &read.freshness))
        }
        Saml::Create(members) => {
            let missing = || Failure::usage("--metadata-url is needed");
            let idp_metadata_url = members.metadata_url.clone().ok_or_else(missing)?;
            let write = saml.create(SamlCreate { idp_metadata_url, members: set(members) });
            let created = write.idempotency_key(course.key()).send().await?;
            course.on_done(created.written.write_id);
            Ok(made(&json!(created.credential), created.credential.id.as_str(), &created.written))
        }
        Saml::Patch { id, members, condition } => {
            let idp_metadata_url = members.metadata_url.clone();
            let patch = SamlPatch { idp_metadata_url, members: set(members) };
            sent(saml.patch(&id, patch), condition, course).await
        }
        Saml::Delete { id, condition } => sent(saml.delete(&id), condition, course).await,
    }
}

fn saml_row(credential: &SamlCredential) -> [String; 4] {
    [
        credential.id.to_string(),
        credential.idp_metadata_url.clone(),
        or_dash(credential.label.as_ref()),
        or_dash(credential.enable_in_authz_server),
    ]
}

fn set(members: SamlSettings) -> SamlMembers {
    SamlMembers {
        label: members.label,
        email_claims: Some(members.email_claims).filter(|claims| !claims.is_empty()),
        enable_in_authz_server: members.enable_in_authz_server,
    }
}

pub(super) async fn external(
    client: &Client,
    verb: External,
    course: &Course,
) -> Result<Shown, Failure> {
    let external = client.external_credentials();
    match verb {
        External::List => {
            let page = external.list().await?;
            let row = |it: &concordat_client::ExternalCredential| {
                [
                    it.external_cred_id.to_string(),
                    it.extcred_provider.to_string(),
                    it.extcred_type.to_string(),
                    or_dash(it.extcred_label.as_ref()),
                ]
            };
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let text = table(["ID", "PROVIDER", "TYPE", "LABEL"], &rows);
            let json = json!({
                "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
            });
            Ok(Shown::read(json, text, &page.freshness))
        }
        External::Get { id } => {
            let read = external.get(&id).await?;
            let blob = read.value.json_blob.as_ref().map_or("", JsonText::as_str);
            // Unchanged: output for programs must not be altered for a terminal.
            let text = format!("{blob}\n");
            let json = json!({
                "credential": read.value, "etag": read.etag, "freshness": read.freshness,
            });
            Ok(Shown::read(json, text, &read.freshness))
        }
        External::Create { provider, credential_type, label, json_file } => {
            let write = external.create(ExternalCreate {
                extcred_provider: provider,
                extcred_type: credential_type,
                extcred_label: label,
                json_blob: object(&json_file)?,
            });
            let created = write.idempotency_key(course.key()).send().await?;
            course.on_done(created.written.write_id);
            Ok(made(&json!(created.id), created.id.as_str(), &created.written))
        }
        External::Patch { id, label, json_file, condition } => {
            let json_blob = json_file.map(|path| object(&path)).transpose()?;
            let patch = ExternalPatch { extcred_label: label, json_blob };
            sent(external.patch(&id, patch), condition, course).await
        }
        External::Delete { id, condition } => sent(external.delete(&id), condition, course).await,
    }
}

/// A secret object, which no error repeats.
fn object(path: &Path) -> Result<JsonText, Failure> {
    let text = config::read_secret(path)?;
    let object = JsonText::new(text.expose()).ok();
    let object = object.filter(|object| object.as_str().trim_start().starts_with('{'));
    object.ok_or_else(|| Failure::usage(format!("{}: it is no JSON object", path.display())))
}

pub(super) async fn attribute(
    client: &Client,
    verb: Attribute,
    course: &Course,
) -> Result<Shown, Failure> {
    let attributes = client.attributes();
    match verb {
        Attribute::List => {
            let page = attributes.list().await?;
            let rows: Vec<_> = page.items.iter().map(|it| [it.name.to_string()]).collect();
            let json = json!({
                "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
            });
            Ok(Shown::read(json, table(["NAME"], &rows), &page.freshness))
        }
        Attribute::Get { name } => {
            let read = attributes.get(&name).await?;
            let value = read.value.value.as_ref().map_or("", JsonText::as_str);
            let text = format!("{value}\n");
            let json = json!({
                "attribute": read.value, "etag": read.etag, "freshness": read.freshness,
            });
            Ok(Shown::read(json, text, &read.freshness))
        }
        Attribute::Set { name, value, condition } => {
            let value = JsonText::new(value);
            let value = value.map_err(|error| Failure::usage(format!("the value: {error}")))?;
            sent(attributes.put(&name, AttributeSet { value }), condition, course).await
        }
        Attribute::Delete { name, condition } => {
            sent(attributes.delete(&name), condition, course).await
        }
    }
}

/// What was made, and where that has arrived.
fn made(json: &serde_json::Value, id: &str, written: &concordat_client::Written) -> Shown {
    let Shown { json: receipt, text, .. } = print::written(written);
    let text = format!("id       {}\n{text}", printable(id));
    Shown::new(json!({ "created": json, "written": receipt }), text)
}

async fn sent(
    mut write: Write<'_, ChangeResource>,
    condition: Condition,
    course: &Course,
) -> Result<Shown, Failure> {
    if let Some(etag) = condition.if_match {
        write = write.if_match(etag);
    }
    let written = write.idempotency_key(course.key()).send().await?;
    course.on_done(written.write_id);
    Ok(print::written(&written))
}
