//! The JSON of an organization (contract 7): its key only in the answer that creates it.

use concordat_proto::{
    api::{
        credential as document,
        organization::{NewOrganization, Organization},
    },
    id::ClientId,
    org::Org,
    registration::Binding,
};
use serde_json::value::RawValue;

use crate::{
    api::outcome::{NewOrg, OrgView},
    dialect::common::{envelope::raw, organization},
};

fn viewed(view: &OrgView) -> Organization {
    Organization {
        moving_to: view.moving_to.clone(),
        stale_secrets: view.settings.map(|settings| settings.stale_secrets.into()),
        parent_id: view.parent,
        ..organization::plain(&view.org)
    }
}

/// One organization, with its move and its settings.
pub(super) fn organization(view: &OrgView) -> Box<RawValue> {
    raw(&viewed(view))
}

/// A list of them.
pub(super) fn organizations(views: &[OrgView]) -> Box<RawValue> {
    raw(&views.iter().map(viewed).collect::<Vec<_>>())
}

/// The organization that a write changed.
pub(super) fn written(org: &Org) -> Box<RawValue> {
    raw(&organization::plain(org))
}

/// The organization that a write created, with its first key.
pub(super) fn created(new: &NewOrg) -> Box<RawValue> {
    let organization = organization::plain(&new.org);
    let (api_key, enterprise_domain) = (new.key.clone(), new.domain.clone());
    raw(&NewOrganization { organization, api_key, enterprise_domain })
}

/// What a dialect is bound to.
pub(super) fn binding(binding: &Binding, client_id: &ClientId) -> Box<RawValue> {
    raw(&document::Binding { binding: binding.clone(), client_id: client_id.clone() })
}
