//! `options`: at most one provider's sub-object, checked and with its defaults filled in.

use std::time::Duration;

use concordat_proto::{
    api::credential::REDACTED,
    duration::parse_go_duration,
    limits,
    oidc::{AppleOptions, Provider},
    scopes,
    secret::Secret,
};

use super::{generic, secrets};
use crate::{
    api::{
        draft::{OptionsDraft, SpecificDraft},
        outcome::Malformed,
    },
    dialect::common::{json::Object, malformed, url},
};

const PRIVATE_KEY: &str = "private_key";
const SECRET_LIFETIME: &str = "secret_lifetime";
const TENANT: &str = "tenant";
const TENANT_DEFAULT: &str = "common";
const ORGANIZATION_URL: &str = "organization_url";

/// The use of the options: only a change may keep stored values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Change,
}

/// A provider's options when none are given; Apple's cannot be left out.
pub(super) fn defaults(provider: Provider) -> Option<OptionsDraft> {
    let specific = match provider {
        Provider::Azuread => SpecificDraft::Azuread { tenant: TENANT_DEFAULT.to_owned() },
        Provider::Okta => SpecificDraft::Okta { organization_url: String::new() },
        Provider::Apple | Provider::Oidc => return None,
        Provider::Google
        | Provider::Github
        | Provider::Bitbucket
        | Provider::Gitlab
        | Provider::Facebook
        | Provider::Line => SpecificDraft::ScopesOnly,
    };
    Some(OptionsDraft { provider, scopes: scopes::effective_scopes(provider, &[]), specific })
}

/// The sub-object in the body's `options`, if there is one.
pub(super) fn parse(
    body: &mut Object,
    purpose: Purpose,
) -> Result<Option<OptionsDraft>, Malformed> {
    let Some(mut options) = body.object("options")? else { return Ok(None) };
    let mut found = None;
    for provider in Provider::ALL {
        let Some(object) = options.object(provider.as_str())? else { continue };
        if found.replace((provider, object)).is_some() {
            return Err(malformed("options may hold one provider's object only"));
        }
    }
    let Some((provider, mut object)) = found else { return Ok(None) };
    let scopes = authorize_scopes(&mut object, provider)?;
    let specific = specific(&mut object, provider, purpose)?;
    Ok(Some(OptionsDraft { provider, scopes, specific }))
}

fn specific(
    object: &mut Object,
    provider: Provider,
    purpose: Purpose,
) -> Result<SpecificDraft, Malformed> {
    match provider {
        Provider::Azuread => Ok(SpecificDraft::Azuread { tenant: tenant(object)? }),
        Provider::Okta => Ok(SpecificDraft::Okta { organization_url: organization_url(object)? }),
        Provider::Apple => apple(object, purpose),
        Provider::Oidc => generic::parse(object),
        Provider::Google
        | Provider::Github
        | Provider::Bitbucket
        | Provider::Gitlab
        | Provider::Facebook
        | Provider::Line => Ok(SpecificDraft::ScopesOnly),
    }
}

/// The effective scopes. The always-requested ones do not count against the limit, so that a read
/// value can be sent back.
fn authorize_scopes(object: &mut Object, provider: Provider) -> Result<Vec<String>, Malformed> {
    const SCOPES: &str = "authorize_scopes";
    let given = object.texts(SCOPES)?.unwrap_or_default();
    if !given.iter().all(|scope| scopes::is_scope(scope)) {
        let expected = "scopes of 1 to 256 characters without white space";
        return Err(object.expected(SCOPES, expected));
    }
    let effective = scopes::effective_scopes(provider, &given);
    if effective.len() - scopes::always_requested(provider).len() > limits::SCOPES_MAX {
        return Err(object.expected(SCOPES, &format!("at most {} scopes", limits::SCOPES_MAX)));
    }
    Ok(effective)
}

fn tenant(object: &mut Object) -> Result<String, Malformed> {
    let tenant = object.text(TENANT)?.unwrap_or_else(|| TENANT_DEFAULT.to_owned());
    if is_pseudo_tenant(&tenant) || is_guid(&tenant) || is_domain(&tenant) {
        return Ok(tenant);
    }
    let expected = "a GUID, a domain, common, organizations or consumers";
    Err(object.expected(TENANT, expected))
}

/// `consumer` is how the published API spells `consumers`.
fn is_pseudo_tenant(text: &str) -> bool {
    ["common", "organizations", "consumers", "consumer"].contains(&text)
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// Two labels or more of letters, digits and inner hyphens.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= limits::TENANT_CHARS_MAX && text.contains('.') && text.split('.').all(is_label)
}

fn organization_url(object: &mut Object) -> Result<String, Malformed> {
    let text = object.text(ORGANIZATION_URL)?.unwrap_or_default();
    if text.is_empty() || url::is_https(&text) {
        return Ok(text);
    }
    Err(object.expected(ORGANIZATION_URL, "an https URL without user and password"))
}

fn apple(object: &mut Object, purpose: Purpose) -> Result<SpecificDraft, Malformed> {
    let private_key = private_key(object, purpose)?;
    let team_id = ten_characters(object, "team_id")?;
    let key_id = ten_characters(object, "key_id")?;
    let secret_lifetime = secret_lifetime(object)?;
    Ok(SpecificDraft::Apple { private_key, team_id, key_id, secret_lifetime })
}

fn private_key(object: &mut Object, purpose: Purpose) -> Result<Option<Secret>, Malformed> {
    let text = object.text(PRIVATE_KEY)?.map(Secret::new);
    let key = object.required(PRIVATE_KEY, text)?;
    if purpose == Purpose::Change && key.expose() == REDACTED {
        return Ok(None);
    }
    let key = secrets::private_key(&key).map_err(|wrong| {
        object.expected(PRIVATE_KEY, &format!("a P-256 private key in PKCS#8 PEM: {wrong}"))
    })?;
    Ok(Some(key))
}

fn ten_characters(object: &mut Object, member: &str) -> Result<String, Malformed> {
    let text = object.text(member)?;
    let text = object.required(member, text)?;
    if !AppleOptions::is_id(&text) {
        return Err(object.expected(member, "exactly 10 letters and digits"));
    }
    Ok(text)
}

fn secret_lifetime(object: &mut Object) -> Result<Duration, Malformed> {
    let Some(text) = object.text(SECRET_LIFETIME)? else {
        return Ok(limits::APPLE_SECRET_LIFETIME_DEFAULT);
    };
    let allowed = limits::APPLE_SECRET_LIFETIME_MIN..=limits::APPLE_SECRET_LIFETIME_MAX;
    let nanoseconds = parse_go_duration(&text).ok().and_then(|ns| u64::try_from(ns).ok());
    match nanoseconds.map(Duration::from_nanos) {
        Some(lifetime) if allowed.contains(&lifetime) => Ok(lifetime),
        Some(_) | None => {
            let expected = "a Go duration such as 24h, from 300s to 15777000s";
            Err(object.expected(SECRET_LIFETIME, expected))
        }
    }
}
