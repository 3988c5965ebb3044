//! `options.oidc`: an OpenID provider that is none of the named ones (contract, dialects, second round).

use concordat_proto::oidc::{ClaimMapping, GenericOptions};

use crate::{
    api::{draft::SpecificDraft, outcome::Malformed},
    dialect::common::{
        json::{Object, one_of},
        url,
    },
};

const ISSUER: &str = "issuer";

/// The sub-object. It replaces the stored one whole, so absent members have their defaults.
pub(super) fn parse(object: &mut Object) -> Result<SpecificDraft, Malformed> {
    let issuer = object.text(ISSUER)?;
    let issuer = object.required(ISSUER, issuer)?;
    if !url::is_issuer(&issuer) {
        return Err(object.expected(ISSUER, "an https URL, or an http URL of this machine"));
    }
    Ok(SpecificDraft::Oidc(GenericOptions {
        issuer,
        use_pkce: object.bool("use_pkce")?.unwrap_or_default(),
        is_id_token_mapping: object.bool("is_id_token_mapping")?.unwrap_or_default(),
        display_name_mapping: mapping(object, "display_name_mapping")?,
        username_mapping: mapping(object, "username_mapping")?,
        discovery_url: endpoint(object, "discovery_url")?,
        authorization_endpoint: endpoint(object, "authorization_endpoint")?,
        token_endpoint: endpoint(object, "token_endpoint")?,
        userinfo_endpoint: endpoint(object, "userinfo_endpoint")?,
    }))
}

fn mapping(object: &mut Object, member: &str) -> Result<ClaimMapping, Malformed> {
    let Some(text) = object.text(member)? else { return Ok(ClaimMapping::default()) };
    one_of(object, member, &text, ClaimMapping::ALL.map(ClaimMapping::as_str))
}

fn endpoint(object: &mut Object, member: &str) -> Result<Option<String>, Malformed> {
    let Some(text) = object.text(member)? else { return Ok(None) };
    if url::is_endpoint(&text) {
        return Ok(Some(text));
    }
    Err(object.expected(member, "an http or https URL without user and password"))
}
