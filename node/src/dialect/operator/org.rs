//! The bodies that create an organization (contract 7) and cut or heal the demo's network.

use concordat_cluster::planted::{self, Bug};
use concordat_proto::{
    api::{
        demo::DemoTarget,
        organization::{OrganizationCreate, OrganizationMove, OrganizationPatch},
    },
    id::{ClientId, OrgId},
    org::StaleSecrets,
    registration,
};

use crate::{
    api::outcome::Malformed,
    dialect::common::{
        json::{Object, one_of},
        malformed, organization,
    },
};

const ORG_NAME: &str = "org_name";
const TENANT_NAME: &str = "tenant_name";
const STALE_SECRETS: &str = "stale_secrets";
const ENTERPRISE_DOMAIN: &str = "enterprise_domain";
const REGION_FORM: &str = "a region's name: 1 to 63 of a-z, 0-9 and -, beginning with a letter";

/// The body of `POST /v1/organizations`.
pub(super) fn parse_create(mut body: Object) -> Result<OrganizationCreate, Malformed> {
    let org_name = organization::name(&mut body, ORG_NAME)?;
    let org_name = body.required(ORG_NAME, org_name)?;
    let tenant_name = organization::name(&mut body, TENANT_NAME)?;
    let home_region = body.parsed("home_region", REGION_FORM)?;
    let id = id(&mut body)?;
    let enterprise_domain = domain(&mut body, ENTERPRISE_DOMAIN)?;
    Ok(OrganizationCreate { org_name, tenant_name, home_region, id, enterprise_domain })
}

/// The body of `POST /v1/organizations/{id}/move`: a region, or `cancel`.
pub(super) fn parse_move(mut body: Object) -> Result<OrganizationMove, Malformed> {
    let home_region = body.parsed("home_region", REGION_FORM)?;
    let cancel = body.bool("cancel")?.unwrap_or(false);
    match (home_region, cancel) {
        (Some(region), false) => Ok(OrganizationMove::To(region)),
        (None, true) => Ok(OrganizationMove::Cancel),
        (Some(_), true) | (None, false) => {
            Err(malformed("exactly one of home_region and cancel is required"))
        }
    }
}

/// The body of `PATCH /v1/organizations/{id}`.
pub(super) fn parse_settings(mut body: Object) -> Result<OrganizationPatch, Malformed> {
    let domain = domain(&mut body, ENTERPRISE_DOMAIN)?;
    let text = body.text(STALE_SECRETS)?;
    match (text, domain) {
        (Some(text), None) => {
            let names = StaleSecrets::ALL.map(StaleSecrets::as_str);
            one_of(&body, STALE_SECRETS, &text, names).map(OrganizationPatch::StaleSecrets)
        }
        (None, Some(domain)) => Ok(OrganizationPatch::EnterpriseDomain(domain)),
        (Some(_), Some(_)) | (None, None) => {
            Err(malformed("exactly one of stale_secrets and enterprise_domain is required"))
        }
    }
}

/// The body of `PUT /v1/bindings/{binding}`.
pub(super) fn parse_binding(mut body: Object) -> Result<ClientId, Malformed> {
    let client_id = body.parsed("client_id", "1 to 255 characters, no control characters")?;
    body.required("client_id", client_id)
}

fn domain(body: &mut Object, member: &str) -> Result<Option<String>, Malformed> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    let text = text.to_ascii_lowercase();
    if registration::is_domain(&text) {
        return Ok(Some(text));
    }
    Err(body.expected(member, "a DNS name of at least two labels"))
}

/// The body of the demo's cut and heal: a region or a node.
pub(super) fn parse_target(mut body: Object) -> Result<DemoTarget, Malformed> {
    let region = body.parsed("region", REGION_FORM)?;
    let node = body.parsed("node", "a node id: 16 hex digits")?;
    match (region, node) {
        (Some(region), None) => Ok(DemoTarget::Region(region)),
        (None, Some(node)) => Ok(DemoTarget::Node(node)),
        (Some(_), Some(_)) | (None, None) => {
            Err(malformed("exactly one of region and node is required"))
        }
    }
}

fn id(body: &mut Object) -> Result<Option<OrgId>, Malformed> {
    const ID: &str = "id";
    if planted::is(Bug::NilOrganization) {
        let text = body.text(ID)?;
        return Ok(text.and_then(|text| text.parse().ok()).map(OrgId));
    }
    body.parsed(ID, "a UUID other than the nil and the max one")
}
