//! An organization as a document, and the rights of its keys as members of a body, for the dialects that show
//! and take them. Nothing here knows who may ask for them.

use concordat_proto::{
    api::organization::Organization,
    key::Right,
    limits,
    org::{Org, Rights},
};

use super::json::{Object, one_of};
use crate::api::outcome::Malformed;

/// A set of rights, by their names.
///
/// # Errors
/// When the member is no array of such names.
pub(in crate::dialect) fn rights(
    body: &mut Object,
    member: &str,
) -> Result<Option<Rights>, Malformed> {
    let Some(texts) = body.texts(member)? else { return Ok(None) };
    let (names, each) = (Right::ALL.map(Right::as_str), format!("each of {member}"));
    let right = |text: &String| one_of::<Right, 4>(body, &each, text, names);
    let rights: Vec<Right> = texts.iter().map(right).collect::<Result<_, _>>()?;
    Ok(Some(Rights::of(&rights)))
}

/// What its record says, without a move and settings.
pub(in crate::dialect) fn plain(org: &Org) -> Organization {
    Organization {
        id: org.id,
        org_name: org.org_name.clone(),
        tenant_name: org.tenant_name.clone(),
        home_region: org.home_region.clone(),
        moving_to: None,
        stale_secrets: None,
        parent_id: None,
    }
}

/// A display name for lists and logs: not empty, in one line.
///
/// # Errors
/// When the member is no such name.
pub(in crate::dialect) fn name(
    body: &mut Object,
    member: &str,
) -> Result<Option<String>, Malformed> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    if !(1..=limits::ORG_NAME_CHARS_MAX).contains(&text.chars().count()) {
        return Err(body.expected(member, "1 to 256 characters long"));
    }
    if text.chars().any(char::is_control) {
        return Err(body.expected(member, "without control characters, line breaks among them"));
    }
    if text.trim().is_empty() {
        return Err(body.expected(member, "more than white space"));
    }
    Ok(Some(text))
}
