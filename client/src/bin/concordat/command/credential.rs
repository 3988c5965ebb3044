//! `concordat credential …`

use std::fmt::Write as _;

use concordat_client::{Action, Client, OidcCredential, Secret, Write, Written};
use serde_json::json;

use super::options;
use crate::{
    args::{
        CreateCredential, Credential, DeleteCredential, ListCredentials, PatchCredential,
        SecretSource,
    },
    config,
    environment::environment_secret,
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, printable, table},
};

pub(super) async fn run(
    client: &Client,
    verb: Credential,
    course: &Course,
) -> Result<Shown, Failure> {
    match verb {
        Credential::List(args) => list(client, &args).await,
        Credential::Get { client_id } => get(client, &client_id).await,
        Credential::Secret { client_id } => show_secret(client, &client_id).await,
        Credential::Create(args) => create(client, args, course).await,
        Credential::Patch(args) => patch(client, args, course).await,
        Credential::Delete(args) => delete(client, args, course).await,
    }
}

async fn list(client: &Client, args: &ListCredentials) -> Result<Shown, Failure> {
    let mut list = client.oidc().list();
    if let Some(provider) = args.provider {
        list = list.provider(provider);
    }
    if let Some(limit) = args.page.limit {
        list = list.limit(limit);
    }
    if let Some(offset) = args.page.offset {
        list = list.offset(offset);
    }
    let page = list.send().await?;
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let text = table(["CLIENT ID", "PROVIDER", "LABEL", "AUTHZ SERVER"], &rows);
    let json = json!({
        "items": page.items, "total_count": page.total_count, "freshness": page.freshness,
    });
    Ok(Shown::read(json, text, &page.freshness))
}

fn row(credential: &OidcCredential) -> [String; 4] {
    [
        credential.client_id.to_string(),
        credential.provider.to_string(),
        or_dash(credential.label.as_ref()),
        or_dash(credential.enable_in_authz_server),
    ]
}

async fn get(client: &Client, client_id: &str) -> Result<Shown, Failure> {
    let read = client.oidc().get(client_id).await?;
    let json = json!({
        "credential": read.value, "etag": read.etag, "freshness": read.freshness,
    });
    let text = describe(&read.value, read.etag.as_deref());
    Ok(Shown::read(json, text, &read.freshness))
}

async fn show_secret(client: &Client, client_id: &str) -> Result<Shown, Failure> {
    let read = client.oidc().secret(client_id).await?;
    let (secret, expires_at) = (read.value.client_secret.expose(), &read.value.expires_at);
    let json = json!({
        "client_id": read.value.client_id, "client_secret": secret, "expires_at": expires_at,
        "freshness": read.freshness,
    });
    // Unchanged: output for programs must not be altered for a terminal.
    Ok(Shown::read(json, format!("{secret}\n"), &read.freshness))
}

fn describe(credential: &OidcCredential, etag: Option<&str>) -> String {
    let [client_id, provider, label, authz_server] = row(credential);
    let lines = [
        ("client id", client_id),
        ("provider", provider),
        ("label", label),
        ("external cred id", or_dash(credential.external_cred_id.as_ref())),
        ("authz server", authz_server),
        ("etag", or_dash(etag)),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:18}{}", printable(&value));
    }
    for (provider, options) in &credential.options {
        let scopes = options.authorize_scopes.join(" ");
        let specific = [
            ("scopes", Some(&scopes)),
            ("tenant", options.tenant.as_ref()),
            ("organization url", options.organization_url.as_ref()),
            ("issuer", options.generic.as_ref().map(|generic| &generic.issuer)),
            ("team id", options.team_id.as_ref()),
            ("key id", options.key_id.as_ref()),
            ("secret lifetime", options.secret_lifetime.as_ref()),
        ];
        let _ = writeln!(text, "{}", printable(&provider.to_string()));
        for (name, value) in specific {
            if let Some(value) = value {
                let _ = writeln!(text, "  {name:16}{}", printable(value));
            }
        }
    }
    text
}

/// The secret, from its configured source.
fn secret(source: SecretSource) -> Result<Option<Secret>, Failure> {
    if let Some(path) = source.client_secret_file {
        return config::read_secret(&path).map(Some);
    }
    if let Some(variable) = source.client_secret_env {
        let missing = || Failure::usage(format!("the variable {variable} is not set, or empty"));
        return environment_secret(&variable).map(Some).ok_or_else(missing);
    }
    Ok(source.client_secret)
}

/// The common settings of creations and changes, for any type of write.
macro_rules! with_members {
    ($write:ident, $members:expr, $options:expr) => {{
        let (members, options) = ($members, $options);
        if let Some(label) = members.label {
            $write = $write.label(label);
        }
        if let Some(id) = members.external_cred_id {
            $write = $write.external_cred_id(id);
        }
        if let Some(enable) = members.enable_in_authz_server {
            $write = $write.enable_in_authz_server(enable);
        }
        if let Some(options) = options {
            $write = $write.options(options);
        }
    }};
}

async fn sent<A>(write: Write<'_, A>, course: &Course) -> Result<Shown, Failure>
where
    A: Action<Done = Written>,
{
    let written = write.idempotency_key(course.key()).send().await?;
    course.on_done(written.write_id);
    Ok(print::written(&written))
}

async fn create(
    client: &Client,
    args: CreateCredential,
    course: &Course,
) -> Result<Shown, Failure> {
    let missing = || Failure::usage("a client secret is needed: --client-secret-file PATH or -");
    let options = options::of(Some(args.provider), &args.members)?;
    let secret = secret(args.secret)?.ok_or_else(missing)?;
    let mut write = client.oidc().create(args.client_id, secret, args.provider);
    with_members!(write, args.members, options);
    sent(write, course).await
}

async fn patch(client: &Client, args: PatchCredential, course: &Course) -> Result<Shown, Failure> {
    let options = options::of(args.provider, &args.members)?;
    let mut write = client.oidc().patch(args.client_id);
    if let Some(secret) = secret(args.secret)? {
        write = write.client_secret(secret);
    }
    if let Some(etag) = args.condition.if_match {
        write = write.if_match(etag);
    }
    with_members!(write, args.members, options);
    sent(write, course).await
}

async fn delete(
    client: &Client,
    args: DeleteCredential,
    course: &Course,
) -> Result<Shown, Failure> {
    let mut write = client.oidc().delete(args.client_id);
    if let Some(etag) = args.condition.if_match {
        write = write.if_match(etag);
    }
    sent(write, course).await
}
