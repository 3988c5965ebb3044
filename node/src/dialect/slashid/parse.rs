//! A request of the native API, from its parts to an [`Action`].
//!
//! The order is the contract's: path and query, then the body.

use concordat_proto::{
    id::{ClientId, OrgId, WriteId},
    limits,
};

use super::{
    bad_request,
    json::{self, Object},
    members, oidc, org, percent,
    query::Query,
};
use crate::dialect::{Action, Input, Operation, ReceiptQuery, Rejection};

/// What is asked, checked and typed.
///
/// # Errors
/// When the request cannot be right, whatever is stored.
pub fn parse(operation: Operation, input: &Input<'_>) -> Result<Action, Rejection> {
    let query = Query::new(input.query);
    match operation {
        Operation::OidcList => {
            Ok(Action::OidcList { provider: query.provider()?, page: query.page()? })
        }
        Operation::OidcCreate => {
            Ok(Action::OidcCreate(Box::new(oidc::parse_create(body(input)?)?)))
        }
        Operation::OidcGet => Ok(Action::OidcGet(client_id(input)?)),
        Operation::OidcPatch => {
            let client_id = client_id(input)?;
            let patch = oidc::parse_patch(&client_id, body(input)?)?;
            Ok(Action::OidcPatch(client_id, Box::new(patch)))
        }
        Operation::OidcDelete => Ok(Action::OidcDelete(client_id(input)?)),
        Operation::OrgCreate => Ok(Action::OrgCreate(org::parse_create(body(input)?)?)),
        Operation::OrgList => Ok(Action::OrgList(query.page()?)),
        Operation::OrgGet => Ok(Action::OrgGet(org_id(input)?)),
        Operation::OrgPatch => {
            let id = org_id(input)?;
            Ok(Action::OrgPatch(id, org::parse_settings(body(input)?)?))
        }
        Operation::SecretGet => Ok(Action::SecretGet(client_id(input)?)),
        Operation::OrgMove => {
            let id = org_id(input)?;
            Ok(Action::OrgMove(id, org::parse_move(body(input)?)?))
        }
        Operation::ReceiptGet => {
            let (write_id, wait, required) = (write_id(input)?, query.wait()?, query.required()?);
            Ok(Action::ReceiptGet(ReceiptQuery { write_id, wait, required }))
        }
        Operation::ClusterGet => Ok(Action::ClusterGet),
        Operation::DemoCut => Ok(Action::DemoCut(org::parse_target(body(input)?)?)),
        Operation::DemoHeal => Ok(Action::DemoHeal(org::parse_target(body(input)?)?)),
        Operation::ClusterPatch => Ok(Action::ClusterPatch(members::parse_setting(body(input)?)?)),
        Operation::NodeList => Ok(Action::NodeList),
        Operation::NodePatch => {
            let node = members::node(input.path_parameter)?;
            Ok(Action::NodePatch(node, members::parse_node_state(body(input)?)?))
        }
        Operation::NodeDelete => Ok(Action::NodeDelete(members::node(input.path_parameter)?)),
        Operation::RegionList => Ok(Action::RegionList),
        Operation::RegionAdd => Ok(Action::RegionAdd(members::parse_region(body(input)?)?)),
        Operation::RegionPatch => {
            let region = members::region(input.path_parameter)?;
            Ok(Action::RegionPatch(region, members::parse_region_patch(body(input)?)?))
        }
        Operation::RegionDelete => Ok(Action::RegionDelete(members::region(input.path_parameter)?)),
        Operation::RegionFailover => {
            let region = members::region(input.path_parameter)?;
            Ok(Action::RegionFailover(region, members::parse_failover(body(input)?)?))
        }
        Operation::DivergenceGet => {
            Ok(Action::DivergenceGet(members::region(input.path_parameter)?))
        }
    }
}

fn client_id(input: &Input<'_>) -> Result<ClientId, Rejection> {
    let text = percent::decode(input.path_parameter)
        .ok_or_else(|| bad_request("the client id in the path is badly encoded"))?;
    ClientId::new(text).map_err(|_| {
        bad_request("the client id in the path must be 1 to 255 characters, no control characters")
    })
}

fn write_id(input: &Input<'_>) -> Result<WriteId, Rejection> {
    let text = percent::decode(input.path_parameter);
    let write_id = text.and_then(|text| text.parse().ok());
    write_id.ok_or_else(|| bad_request("the write id in the path must be a UUID"))
}

fn org_id(input: &Input<'_>) -> Result<OrgId, Rejection> {
    let text = percent::decode(input.path_parameter);
    let org_id = text.and_then(|text| text.parse().ok());
    org_id.ok_or_else(|| bad_request("the organization id in the path must be a UUID"))
}

fn body(input: &Input<'_>) -> Result<Object, Rejection> {
    if input.body.len() > limits::BODY_BYTES_MAX {
        let message = format!("the body may have at most {} bytes", limits::BODY_BYTES_MAX);
        return Err(Rejection { status: 413, message });
    }
    if input.body.is_empty() && !input.headers.contains_key(http::header::CONTENT_TYPE) {
        return Err(bad_request("a body is required: a JSON object"));
    }
    if !is_json(input.headers) {
        let message = "content-type must be application/json".to_owned();
        return Err(Rejection { status: 415, message });
    }
    json::parse_object(input.body)
}

/// One media type, `application/json`, with whatever parameters.
fn is_json(headers: &http::HeaderMap) -> bool {
    let mut types = headers.get_all(http::header::CONTENT_TYPE).iter().map(|value| {
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    // `all` alone would be content with none.
    types.next() == Some(true) && types.all(|json| json)
}
