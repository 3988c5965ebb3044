//! Attributes of an organization: the body that sets one, and their JSON (contract 9).

use concordat_proto::{api::resource::Attribute, limits, resource::ResourceName};

use super::path;
use crate::{
    api::{
        draft::ResourceDraft,
        operation::{Action, CredentialWrite},
        outcome::Malformed,
        request::Input,
    },
    dialect::common::body,
};

const VALUE: &str = "value";

/// `PUT` of one: its value is kept as the text that the caller gave.
pub(super) fn put(input: &Input<'_>) -> Result<Action, Malformed> {
    let name = path::name(input)?;
    let body = body::object(input)?;
    let value = body.has(VALUE).then(|| body::raw_member(input.body, VALUE)).transpose()?;
    let value = body.required(VALUE, value)?;
    if value.len() > limits::ATTRIBUTE_BYTES_MAX {
        return Err(body.expected(VALUE, "at most 65536 bytes long"));
    }
    Ok(Action::CredentialWrite(CredentialWrite::Resource(ResourceDraft::PutAttribute(name, value))))
}

const _: () = assert!(limits::ATTRIBUTE_BYTES_MAX == 65_536, "as the message says");

/// An attribute as it is shown; items of a list have no value.
pub(super) fn object(name: &ResourceName, value: Option<&String>) -> Attribute {
    Attribute { name: name.clone(), value: value.and_then(|text| body::json_text(text)) }
}
