//! External credentials: the bodies of their writes, and their JSON (contract 6).
//!
//! The object of one is a secret: it is kept as the text that the caller gave, and no error repeats any of
//! it.

use concordat_proto::{
    api::resource::ExternalCredential as Document,
    id::OrgId,
    limits,
    resource::{ExternalCredential, ExternalProvider, ExternalType, ResourceKind, ResourceName},
    secret::Secret,
};

use super::path;
use crate::{
    api::{
        draft::{ExternalDraft, ExternalPatchDraft, ResourceDraft},
        operation::{Action, CredentialWrite},
        outcome::Malformed,
        request::Input,
    },
    dialect::common::{
        body,
        json::{self, Object},
        malformed,
        query::Query,
    },
};

const PROVIDER: &str = "extcred_provider";
const TYPE: &str = "extcred_type";
const LABEL: &str = "extcred_label";
const BLOB: &str = "json_blob";
const ID: &str = "credentialId";

/// `POST`.
pub(super) fn create(input: &Input<'_>) -> Result<Action, Malformed> {
    let mut body = body::object(input)?;
    let provider =
        one_of(&mut body, PROVIDER, ExternalProvider::ALL.map(ExternalProvider::as_str))?;
    let credential_type = one_of(&mut body, TYPE, ExternalType::ALL.map(ExternalType::as_str))?;
    let blob = blob(&mut body, input)?;
    let draft = ExternalDraft {
        provider: body.required(PROVIDER, provider)?,
        credential_type: body.required(TYPE, credential_type)?,
        label: body.limited(LABEL, limits::LABEL_CHARS_MAX)?,
        json_blob: body.required(BLOB, blob)?,
    };
    Ok(write(ResourceDraft::CreateExternal(Box::new(draft))))
}

/// `PATCH` of one.
pub(super) fn patch(input: &Input<'_>) -> Result<Action, Malformed> {
    let name = path::name(input)?;
    let mut body = body::object(input)?;
    let json_blob = blob(&mut body, input)?;
    let label = body.limited(LABEL, limits::LABEL_CHARS_MAX)?;
    Ok(write(ResourceDraft::PatchExternal(name, ExternalPatchDraft { label, json_blob })))
}

/// `DELETE ?credentialId=&deleteAll=`: an id that is given wins.
pub(super) fn delete(input: &Input<'_>) -> Result<Action, Malformed> {
    let query = Query::new(input.query);
    let id = query.single(ID)?;
    let all = match query.single("deleteAll")?.as_deref() {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("deleteAll must be true or false")),
    };
    let kind = ResourceKind::External;
    match id.as_deref() {
        None => Err(malformed("credentialId is required")),
        Some("") if all => Ok(write(ResourceDraft::DeleteAll(kind))),
        Some(text) => {
            let name = ResourceName::new(text).map_err(|_| {
                malformed("credentialId must be 1 to 70 bytes, no control characters")
            })?;
            Ok(write(ResourceDraft::Delete(kind, name)))
        }
    }
}

const fn write(draft: ResourceDraft) -> Action {
    Action::CredentialWrite(CredentialWrite::Resource(draft))
}

fn one_of<T: std::str::FromStr, const N: usize>(
    body: &mut Object,
    member: &str,
    names: [&str; N],
) -> Result<Option<T>, Malformed> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    json::one_of(body, member, &text, names).map(Some)
}

fn blob(body: &mut Object, input: &Input<'_>) -> Result<Option<Secret>, Malformed> {
    if body.object(BLOB)?.is_none() {
        return Ok(None);
    }
    let text = Secret::new(body::raw_member(input.body, BLOB)?);
    if text.expose().len() > limits::JSON_BLOB_BYTES_MAX {
        return Err(body.expected(BLOB, "at most 12288 bytes long"));
    }
    Ok(Some(text))
}

const _: () = assert!(limits::JSON_BLOB_BYTES_MAX == 12_288, "as the message says");

/// An external credential as it is shown, with its object where the caller may read it.
pub(super) fn object(
    org: OrgId,
    name: &ResourceName,
    settings: &ExternalCredential,
    json_blob: Option<&Secret>,
) -> Document {
    Document {
        external_cred_id: name.clone(),
        organization_id: org,
        extcred_provider: settings.provider.into(),
        extcred_type: settings.credential_type.into(),
        extcred_label: settings.label.clone(),
        json_blob: json_blob.and_then(|text| body::json_text(text.expose())),
    }
}
