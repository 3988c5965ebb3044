//! API keys: the body that makes one, and their JSON (contract 7). The text of a key is in the JSON of a
//! new one alone.

use concordat_proto::{
    api::{
        OpenEnum,
        organization::{ApiKey, NewApiKey},
    },
    id::KeyId,
    key::{OrgKey, Right},
    limits,
    org::Rights,
    secret::Secret,
    time::LogTime,
};

use crate::{
    api::{
        draft::KeyDraft,
        operation::{Action, CredentialRead},
        outcome::Malformed,
        request::Input,
    },
    clock::Stamp,
    dialect::common::{body, malformed, organization, query::Query},
    percent,
};

const RIGHTS: &str = "rights";
const LABEL: &str = "label";

/// `GET`.
pub(super) fn list(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Keys(Query::new(input.query).page()?)))
}

/// `POST`.
pub(super) fn issue(input: &Input<'_>) -> Result<Action, Malformed> {
    let mut body = body::object(input)?;
    let rights = organization::rights(&mut body, RIGHTS)?;
    let rights = body.required(RIGHTS, rights)?;
    if rights == Rights::NONE {
        return Err(body.expected(RIGHTS, "an array of at least one right"));
    }
    let label = body.limited(LABEL, limits::KEY_LABEL_CHARS_MAX)?;
    if label.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(body.expected(LABEL, "without control characters"));
    }
    // Whether it is in the future is not known here.
    let expires_at = body.time("expires_at")?;
    Ok(Action::KeyWrite(KeyDraft::Issue { label, rights, expires_at }))
}

/// `PUT`: there is nothing to say.
pub(super) fn rotate(_: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::KeyWrite(KeyDraft::Rotate))
}

/// `DELETE` of one.
pub(super) fn revoke(input: &Input<'_>) -> Result<Action, Malformed> {
    let id = percent::decode(input.path_parameter).and_then(|text| text.parse().ok());
    let id = id.ok_or_else(|| malformed("the key id in the path must be a UUID"))?;
    Ok(Action::KeyWrite(KeyDraft::Revoke(id)))
}

fn names(rights: Rights) -> Vec<OpenEnum<Right>> {
    rights.names().into_iter().map(Into::into).collect()
}

fn stamp(time: Option<LogTime>) -> Option<String> {
    time.map(|time| Stamp(time).to_string())
}

/// A key as it is listed.
pub(super) fn object(caller: KeyId, key: &OrgKey) -> ApiKey {
    ApiKey {
        id: key.key.id,
        label: key.label.clone(),
        rights: names(key.key.rights),
        created_at: stamp(key.created_at),
        expires_at: stamp(key.expires_at),
        current: key.key.id == caller,
    }
}

/// A key that was made, with its text.
pub(super) fn new(key: &OrgKey, text: &Secret) -> NewApiKey {
    NewApiKey {
        id: key.key.id,
        api_key: text.clone(),
        label: key.label.clone(),
        rights: names(key.key.rights),
        created_at: stamp(key.created_at),
        expires_at: stamp(key.expires_at),
    }
}
