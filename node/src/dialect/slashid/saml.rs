//! SAML credentials: the bodies of their writes, and their JSON (contract 5).

use concordat_proto::{
    api::resource::SamlCredential,
    limits,
    resource::{ResourceName, SamlPatch, SamlSettings},
};

use super::path;
use crate::{
    api::{
        draft::ResourceDraft,
        operation::{Action, CredentialWrite},
        outcome::Malformed,
        request::Input,
    },
    dialect::common::{body, json::Object, url},
};

const METADATA_URL: &str = "idp_metadata_url";
const CLAIMS: &str = "email_claims";

/// `POST`.
pub(super) fn create(input: &Input<'_>) -> Result<Action, Malformed> {
    let mut body = body::object(input)?;
    let SamlPatch { idp_metadata_url, label, email_claims, enable_in_authz_server } =
        parse(&mut body)?;
    let settings = SamlSettings {
        idp_metadata_url: body.required(METADATA_URL, idp_metadata_url)?,
        label,
        email_claims: email_claims.unwrap_or_default(),
        enable_in_authz_server,
    };
    Ok(Action::CredentialWrite(CredentialWrite::Resource(ResourceDraft::CreateSaml(settings))))
}

/// `PATCH` of one.
pub(super) fn patch(input: &Input<'_>) -> Result<Action, Malformed> {
    let name = path::name(input)?;
    let patch = parse(&mut body::object(input)?)?;
    Ok(Action::CredentialWrite(CredentialWrite::Resource(ResourceDraft::PatchSaml(name, patch))))
}

fn parse(body: &mut Object) -> Result<SamlPatch, Malformed> {
    let idp_metadata_url = body.text(METADATA_URL)?;
    if let Some(text) = &idp_metadata_url
        && !url::is_endpoint(text)
    {
        return Err(body.expected(METADATA_URL, "an absolute http or https URL"));
    }
    Ok(SamlPatch {
        idp_metadata_url,
        label: body.limited("label", limits::LABEL_CHARS_MAX)?,
        email_claims: claims(body)?,
        enable_in_authz_server: body.bool("enable_in_slashid_oidc_authz_server")?,
    })
}

fn claims(body: &mut Object) -> Result<Option<Vec<String>>, Malformed> {
    let Some(claims) = body.texts(CLAIMS)? else { return Ok(None) };
    let is_claim =
        |text: &String| (1..=limits::EMAIL_CLAIM_CHARS_MAX).contains(&text.chars().count());
    if claims.len() > limits::EMAIL_CLAIMS_MAX || !claims.iter().all(is_claim) {
        return Err(body.expected(CLAIMS, "at most 3 names of 1 to 256 characters"));
    }
    Ok(Some(claims))
}

const _: () = assert!(limits::EMAIL_CLAIMS_MAX == 3, "as the message says");

/// A SAML credential as it is shown.
pub(super) fn object(name: &ResourceName, settings: &SamlSettings) -> SamlCredential {
    SamlCredential {
        id: name.clone(),
        idp_metadata_url: settings.idp_metadata_url.clone(),
        label: settings.label.clone(),
        email_claims: settings.email_claims.clone(),
        enable_in_authz_server: settings.enable_in_authz_server,
    }
}
