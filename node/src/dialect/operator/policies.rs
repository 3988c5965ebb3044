//! The body that describes a request which policies are to decide, without its being carried out.

use concordat_proto::{consistency::RequiredConsistency, id::OrgId, limits, org::Rights};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    api::{
        operation::{PolicyTrial, TABLE},
        outcome::Malformed,
    },
    dialect::common::{
        json::{Object, one_of},
        malformed,
    },
};

const OPERATION: &str = "operation";
const RIGHTS: &str = "rights";
const CREDENTIAL: &str = "credential_id";
const KIND: &str = "credential_kind";
const TIME: &str = "time";

/// The body of `POST /v1/policies/test`.
pub(super) fn parse_test(mut body: Object) -> Result<PolicyTrial, Malformed> {
    let name = body.text(OPERATION)?;
    let name = body.required(OPERATION, name)?;
    let operation = TABLE.iter().find(|row| row.name == name).map(|row| row.operation);
    let operation = operation.ok_or_else(|| {
        body.expected(OPERATION, "an operation's name, as GET /v1/policies shows")
    })?;
    let org: Option<OrgId> = parsed(&mut body, "organization_id", "a UUID")?;
    let rights = body.texts(RIGHTS)?.map(|names| rights(&body, &names)).transpose()?;
    let credential = credential(&mut body)?;
    let region = parsed(&mut body, "region", "a region's name")?;
    let required: Option<RequiredConsistency> =
        parsed(&mut body, "required_consistency", "local_region or all_regions")?;
    let source = parsed(&mut body, "source_address", "an address of IPv4 or IPv6")?;
    let time = body.text(TIME)?.map(|text| time_of(&body, &text)).transpose()?;
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

fn parsed<T: std::str::FromStr>(
    body: &mut Object,
    member: &str,
    expected: &str,
) -> Result<Option<T>, Malformed> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| body.expected(member, expected))
}

fn rights(body: &Object, names: &[String]) -> Result<Rights, Malformed> {
    let mut rights = Rights::default();
    for name in names {
        let (_, right) = NAMES.iter().find(|(known, _)| known == name).ok_or_else(|| {
            body.expected(RIGHTS, "an array of read, write, secrets:read and admin")
        })?;
        rights.0 |= right.0;
    }
    Ok(rights)
}

const NAMES: [(&str, Rights); 4] = [
    ("read", Rights::READ),
    ("write", Rights::WRITE),
    ("secrets:read", Rights::SECRETS_READ),
    ("admin", Rights::ADMIN),
];

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

fn time_of(body: &Object, text: &str) -> Result<concordat_proto::time::LogTime, Malformed> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    let millis = time.map(|time| time.unix_timestamp_nanos() / 1_000_000);
    let millis = millis.and_then(|millis| u64::try_from(millis).ok());
    millis
        .map(concordat_proto::time::LogTime)
        .ok_or_else(|| body.expected(TIME, "a time of RFC 3339, of 1970 or later"))
}
