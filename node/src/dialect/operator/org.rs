//! The bodies that create an organization (contract 7) and cut or heal the demo's network.

use concordat_cluster::planted::{self, Bug};
use concordat_proto::{
    id::OrgId,
    limits,
    org::{OrgSettings, StaleSecrets},
};

use crate::{
    api::{
        draft::{DemoTarget, MoveDraft, OrgDraft},
        outcome::Malformed,
    },
    dialect::common::{json::Object, malformed},
};

const ORG_NAME: &str = "org_name";
const TENANT_NAME: &str = "tenant_name";
const STALE_SECRETS: &str = "stale_secrets";
const REGION_FORM: &str = "a region's name: 1 to 63 of a-z, 0-9 and -, beginning with a letter";

/// The body of `POST /v1/organizations`.
pub(super) fn parse_create(mut body: Object) -> Result<OrgDraft, Malformed> {
    let org_name = name(&mut body, ORG_NAME)?;
    let org_name = body.required(ORG_NAME, org_name)?;
    let tenant_name = name(&mut body, TENANT_NAME)?.unwrap_or_else(|| org_name.clone());
    let home_region = parsed(&mut body, "home_region", REGION_FORM)?;
    let id = id(&mut body)?;
    Ok(OrgDraft { id, org_name, tenant_name, home_region })
}

/// The body of `POST /v1/organizations/{id}/move`: a region, or back.
pub(super) fn parse_move(mut body: Object) -> Result<MoveDraft, Malformed> {
    let home_region = parsed(&mut body, "home_region", REGION_FORM)?;
    let back = body.bool("back")?.unwrap_or(false);
    match (home_region, back) {
        (Some(region), false) => Ok(MoveDraft::To(region)),
        (None, true) => Ok(MoveDraft::Back),
        (Some(_), true) | (None, false) => {
            Err(malformed("exactly one of home_region and back is required"))
        }
    }
}

/// The body of `PATCH /v1/organizations/{id}`.
pub(super) fn parse_settings(mut body: Object) -> Result<OrgSettings, Malformed> {
    let text = body.text(STALE_SECRETS)?;
    let stale_secrets = match body.required(STALE_SECRETS, text)?.as_str() {
        "serve" => StaleSecrets::Serve,
        "refuse" => StaleSecrets::Refuse,
        _ => return Err(body.expected(STALE_SECRETS, "serve or refuse")),
    };
    Ok(OrgSettings { stale_secrets })
}

/// The body of the demo's cut and heal: a region or a node.
pub(super) fn parse_target(mut body: Object) -> Result<DemoTarget, Malformed> {
    let region = parsed(&mut body, "region", REGION_FORM)?;
    let node = parsed(&mut body, "node", "a node id: 16 hex digits")?;
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
    if planted::is(Bug::NilOrganisation) {
        let text = body.text(ID)?;
        return Ok(text.and_then(|text| text.parse().ok()).map(OrgId));
    }
    parsed(body, ID, "a UUID other than the nil and the max one")
}

/// What people are shown in lists and logs: something to see, in one line.
fn name(body: &mut Object, member: &str) -> Result<Option<String>, Malformed> {
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

fn parsed<T: std::str::FromStr>(
    body: &mut Object,
    member: &str,
    expected: &str,
) -> Result<Option<T>, Malformed> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| body.expected(member, expected))
}
