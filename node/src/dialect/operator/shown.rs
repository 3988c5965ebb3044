//! What of an organization is shown (contract 7): its key only in the answer that creates it.

use concordat_proto::{org::Org, secret::Secret};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{api::outcome::OrgView, dialect::common::envelope::raw};

#[derive(Serialize)]
struct Organization<'a> {
    id: String,
    org_name: &'a str,
    tenant_name: &'a str,
    home_region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    moving_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_secrets: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

fn plain(org: &Org) -> Organization<'_> {
    Organization {
        id: org.id.to_string(),
        org_name: &org.org_name,
        tenant_name: &org.tenant_name,
        home_region: org.home_region.as_str(),
        moving_to: None,
        stale_secrets: None,
        api_key: None,
    }
}

fn viewed(view: &OrgView) -> Organization<'_> {
    Organization {
        moving_to: view.moving_to.as_ref().map(|region| region.as_str()),
        stale_secrets: view.settings.as_ref().map(|settings| settings.stale_secrets.as_str()),
        ..plain(&view.org)
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

/// The organization that a write made or changed, with its first key if it is to be shown.
pub(super) fn written(org: &Org, api_key: Option<&Secret>) -> Box<RawValue> {
    raw(&Organization { api_key: api_key.map(Secret::expose), ..plain(org) })
}
