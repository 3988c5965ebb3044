//! Suborganizations: the body that makes one, and their JSON (contract 7). Its first key is in the JSON of a
//! new one alone.

use concordat_proto::{
    api::organization::{NewSuborganization, Suborganization as Document, SuborganizationAdmin},
    limits,
    resource::{Administrator, HandleType, Resource, Suborganization},
};

use crate::{
    api::{
        draft::{OwnOrgWrite, SuborganizationDraft},
        operation::Action,
        outcome::{Malformed, NewOrg},
        request::Input,
    },
    clock::Stamp,
    dialect::common::{
        body,
        json::{Object, one_of},
        malformed, organization,
    },
};

const NAME: &str = "sub_org_name";
const ADMINS: &str = "admins";
const TYPE: &str = "type";
const VALUE: &str = "value";

/// `POST`.
pub(super) fn create(input: &Input<'_>) -> Result<Action, Malformed> {
    let mut body = body::object(input)?;
    let name = organization::name(&mut body, NAME)?;
    let name = body.required(NAME, name)?;
    let admins = body.objects(ADMINS)?;
    let admins = body.required(ADMINS, admins)?;
    if admins.len() > limits::SUBORGANIZATION_ADMINS_MAX {
        let most = limits::SUBORGANIZATION_ADMINS_MAX;
        return Err(malformed(format!("{ADMINS} must have at most {most} items")));
    }
    let admins = admins.into_iter().map(admin).collect::<Result<_, _>>()?;
    let draft = SuborganizationDraft { name, admins };
    Ok(Action::OwnOrgWrite(OwnOrgWrite::CreateSuborganization(draft)))
}

fn admin(mut object: Object) -> Result<Administrator, Malformed> {
    let handle = object.text(TYPE)?;
    let handle = object.required(TYPE, handle)?;
    let handle = one_of(&object, TYPE, &handle, HandleType::ALL.map(HandleType::as_str))?;
    let value = object.limited(VALUE, limits::HANDLE_CHARS_MAX)?;
    let value = object.required(VALUE, value)?;
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        return Err(object.expected(VALUE, "not empty, without control characters"));
    }
    Ok(Administrator { handle, value })
}

/// A suborganization as it is listed.
pub(super) fn object(resource: &Resource, kept: &Suborganization) -> Document {
    let admin = |admin: &Administrator| SuborganizationAdmin {
        handle: admin.handle.into(),
        value: admin.value.clone(),
    };
    Document {
        id: resource.name.clone(),
        org_name: kept.name.clone(),
        admins: kept.admins.iter().map(admin).collect(),
        created_at: Some(Stamp(resource.created_at).to_string()),
    }
}

/// A suborganization that was made, with its first key.
pub(super) fn new(new: &NewOrg) -> Option<NewSuborganization> {
    Some(NewSuborganization {
        id: new.org.id,
        org_name: new.org.org_name.clone(),
        tenant_name: new.org.tenant_name.clone(),
        parent_id: new.parent?,
        api_key: new.key.clone(),
    })
}
