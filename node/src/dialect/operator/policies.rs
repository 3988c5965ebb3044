//! The body that describes a request which policies are to decide, without its being carried out. Nothing is
//! looked up here: whether there is such an organization or credential is not known.

use concordat_proto::{consistency::RequiredConsistency, id::OrgId, limits};

use crate::{
    api::{
        operation::{PolicyTrial, TABLE},
        outcome::Malformed,
    },
    dialect::common::{
        json::{Object, one_of},
        malformed, organization,
    },
};

const OPERATION: &str = "operation";
const CREDENTIAL: &str = "credential_id";
const KIND: &str = "credential_kind";

/// The body of `POST /v1/policies/test`.
pub(super) fn parse_test(mut body: Object) -> Result<PolicyTrial, Malformed> {
    let name = body.text(OPERATION)?;
    let name = body.required(OPERATION, name)?;
    let operation = TABLE.iter().find(|row| row.name == name).map(|row| row.operation);
    let operation = operation.ok_or_else(|| {
        body.expected(OPERATION, "an operation's name, as GET /v1/policies shows")
    })?;
    let org: Option<OrgId> = body.parsed("organization_id", "a UUID")?;
    let rights = organization::rights(&mut body, "rights")?;
    let credential = credential(&mut body)?;
    let region = body.parsed("region", "a region's name")?;
    let required: Option<RequiredConsistency> =
        body.parsed("required_consistency", "local_region or all_regions")?;
    let source = body.parsed("source_address", "an address of IPv4 or IPv6")?;
    let time = body.time("time")?;
    let (policies, own_policies) = (body.text("policies")?, body.text("organization_policies")?);
    if rights.is_some() && org.is_none() {
        return Err(malformed(
            "rights are those of an organization's key: organization_id is required",
        ));
    }
    let required = required.unwrap_or_default();
    Ok(PolicyTrial {
        operation,
        org,
        rights,
        credential,
        region,
        required,
        source,
        time,
        policies,
        own_policies,
    })
}

fn credential(body: &mut Object) -> Result<Option<(&'static str, String)>, Malformed> {
    const KINDS: [&str; 3] = ["oidc", "saml", "external"];
    let name = body.limited(CREDENTIAL, limits::CLIENT_ID_CHARS_MAX)?;
    let kind = match body.text(KIND)? {
        Some(text) => one_of::<String, 3>(body, KIND, &text, KINDS)?,
        None => KINDS[0].to_owned(),
    };
    let kind = KINDS.into_iter().find(|known| *known == kind).unwrap_or(KINDS[0]);
    Ok(name.map(|name| (kind, name)))
}
