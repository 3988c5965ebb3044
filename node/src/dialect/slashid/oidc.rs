//! The bodies that create and change a credential (contract 4).

use concordat_proto::{id::ClientId, limits, oidc::Provider, secret::Secret};

use super::options::{self, Purpose};
use crate::{
    api::{
        draft::{OidcDraft, OidcPatchDraft},
        outcome::Malformed,
    },
    dialect::common::{json::Object, malformed, mask::is_mask},
};

const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
const PROVIDER: &str = "provider";
const LABEL: &str = "label";
const EXTERNAL_CRED: &str = "external_cred";
const EXTERNAL_CRED_ID: &str = "external_cred_id";
const ENABLE: &str = "enable_in_slashid_oidc_authz_server";

/// The body of a POST.
pub(super) fn parse_create(mut body: Object) -> Result<OidcDraft, Malformed> {
    let client_id = body.text(CLIENT_ID)?;
    let client_id = body.required(CLIENT_ID, client_id)?;
    let client_id = ClientId::new(client_id)
        .map_err(|_| body.expected(CLIENT_ID, "1 to 255 characters, no control characters"))?;
    // Clients and proxies remove these from a path (RFC 3986, 5.2.4), encoded or not: such a
    // credential could never be read, changed or deleted again.
    if matches!(client_id.as_str(), "." | "..") {
        return Err(body.expected(CLIENT_ID, "other than . and .., which no path can name"));
    }
    let client_secret = client_secret(&mut body)?;
    let client_secret = body.required(CLIENT_SECRET, client_secret)?;
    let provider = provider(&mut body)?;
    let provider = body.required(PROVIDER, provider)?;
    let common = Common::parse(&mut body)?;
    let options = options::parse(&mut body, Purpose::Create)?;
    let options = match options {
        Some(options) if options.provider != provider => {
            return Err(foreign(options.provider, provider));
        }
        Some(options) => options,
        None => options::defaults(provider)
            .ok_or_else(|| malformed(format!("options.{provider} is required")))?,
    };
    Ok(OidcDraft {
        client_id,
        provider,
        client_secret,
        label: common.label,
        external_cred_id: common.external_cred_id,
        enable_in_authz_server: common.enable,
        options,
    })
}

/// The body of a PATCH of the credential that the path names.
pub(super) fn parse_patch(path: &ClientId, mut body: Object) -> Result<OidcPatchDraft, Malformed> {
    if body.text(CLIENT_ID)?.is_some_and(|text| text != path.as_str()) {
        return Err(malformed("client_id cannot be changed"));
    }
    let client_secret = client_secret(&mut body)?;
    let provider = provider(&mut body)?;
    let common = Common::parse(&mut body)?;
    let options = options::parse(&mut body, Purpose::Change)?;
    if let (Some(options), Some(provider)) = (&options, provider)
        && options.provider != provider
    {
        return Err(foreign(options.provider, provider));
    }
    Ok(OidcPatchDraft {
        provider,
        client_secret,
        label: common.label,
        external_cred_id: common.external_cred_id,
        enable_in_authz_server: common.enable,
        options,
    })
}

fn foreign(given: Provider, actual: Provider) -> Malformed {
    malformed(format!("options.{given} does not belong to a credential of provider {actual}"))
}

fn client_secret(body: &mut Object) -> Result<Option<Secret>, Malformed> {
    let Some(secret) = body.text(CLIENT_SECRET)?.map(Secret::new) else { return Ok(None) };
    if !(1..=limits::CLIENT_SECRET_BYTES_MAX).contains(&secret.expose().len()) {
        return Err(body.expected(CLIENT_SECRET, "1 to 4096 bytes long"));
    }
    if is_mask(secret.expose()) {
        let expected = "the secret itself, not what is shown in its place; left out of a change, the \
                        stored one stays";
        return Err(body.expected(CLIENT_SECRET, expected));
    }
    Ok(Some(secret))
}

/// All providers, for messages.
pub(super) fn provider_names() -> String {
    Provider::ALL.map(Provider::as_str).join(", ")
}

fn provider(body: &mut Object) -> Result<Option<Provider>, Malformed> {
    let Some(text) = body.text(PROVIDER)? else { return Ok(None) };
    let expected = || body.expected(PROVIDER, &format!("one of {}", provider_names()));
    text.parse().map(Some).map_err(|_| expected())
}

/// The members that a POST and a PATCH treat alike.
struct Common {
    label: Option<String>,
    external_cred_id: Option<String>,
    enable: Option<bool>,
}

impl Common {
    fn parse(body: &mut Object) -> Result<Self, Malformed> {
        let label = body.limited(LABEL, limits::LABEL_CHARS_MAX)?;
        let alias = body.limited(EXTERNAL_CRED, limits::EXTERNAL_CRED_ID_CHARS_MAX)?;
        let id = body.limited(EXTERNAL_CRED_ID, limits::EXTERNAL_CRED_ID_CHARS_MAX)?;
        if let (Some(alias), Some(id)) = (&alias, &id)
            && alias != id
        {
            return Err(malformed("external_cred and external_cred_id must be the same"));
        }
        Ok(Self { label, external_cred_id: id.or(alias), enable: body.bool(ENABLE)? })
    }
}

const _: () = assert!(limits::CLIENT_SECRET_BYTES_MAX == 4096, "as the message says");
