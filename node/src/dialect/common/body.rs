//! A request's body, as a JSON object.

use std::collections::BTreeMap;

use concordat_proto::{api::resource::JsonText, limits};
use serde_json::value::RawValue;

use super::{
    json::{self, Object},
    malformed,
};
use crate::api::{outcome::Malformed, request::Input};

/// The body as an object.
///
/// # Errors
/// When it is too large, missing, of another media type, or no JSON object.
pub(in crate::dialect) fn object(input: &Input<'_>) -> Result<Object, Malformed> {
    if input.body.len() > limits::BODY_BYTES_MAX {
        return Err(Malformed::BodyTooLarge);
    }
    if input.body.is_empty() && !input.headers.contains_key(http::header::CONTENT_TYPE) {
        return Err(malformed("a body is required: a JSON object"));
    }
    if !is_json(input.headers) {
        let message = "content-type must be application/json".to_owned();
        return Err(Malformed::MediaType(message));
    }
    json::parse_object(input.body)
}

/// The JSON of a member of a body that [`object`] has read, as its text.
///
/// # Errors
/// When the member is absent.
pub(in crate::dialect) fn raw_member(body: &[u8], member: &str) -> Result<String, Malformed> {
    let members: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_slice(body);
    let found =
        members.ok().and_then(|members| members.get(member).map(|raw| raw.get().to_owned()));
    found.ok_or_else(|| malformed(format!("{member} is required")))
}

/// A text of ours as JSON again; `None` where it is none.
pub(in crate::dialect) fn json_text(text: &str) -> Option<JsonText> {
    JsonText::new(text).ok()
}

/// One media type, `application/json`, with any parameters.
fn is_json(headers: &http::HeaderMap) -> bool {
    let mut types = headers.get_all(http::header::CONTENT_TYPE).iter().map(|value| {
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    // `all` alone would accept an empty list.
    types.next() == Some(true) && types.all(|json| json)
}
