//! The routes of the native API, and the parsing of each action.
//!
//! The order is the contract's: path and query, then the body.

use concordat_proto::{id::ClientId, oidc::Provider};
use http::Method;

use super::oidc;
use crate::{
    api::{
        operation::{Action, CredentialRead, CredentialWrite, Operation},
        outcome::Malformed,
        request::Input,
    },
    dialect::{
        common::{body, malformed, query::Query},
        traits::Route,
    },
    percent,
};

const OWN: &str = "/organizations";
const LIST: &str = "/organizations/sso/oidc/provider-credentials";
const ONE: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}";
const SECRET: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}/client-secret";

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route { method: Method::GET, path: LIST, operation: Operation::OidcList, parse: list },
    Route { method: Method::POST, path: LIST, operation: Operation::OidcCreate, parse: create },
    Route { method: Method::GET, path: ONE, operation: Operation::OidcGet, parse: get },
    Route { method: Method::PATCH, path: ONE, operation: Operation::OidcPatch, parse: patch },
    Route { method: Method::DELETE, path: ONE, operation: Operation::OidcDelete, parse: delete },
    Route { method: Method::GET, path: SECRET, operation: Operation::SecretGet, parse: secret },
    Route { method: Method::GET, path: OWN, operation: Operation::OwnOrgGet, parse: own },
];

fn list(input: &Input<'_>) -> Result<Action, Malformed> {
    let query = Query::new(input.query);
    let (provider, page) = (provider(&query)?, query.page()?);
    Ok(Action::CredentialRead(CredentialRead::List { provider, page }))
}

fn create(input: &Input<'_>) -> Result<Action, Malformed> {
    let draft = oidc::parse_create(body::object(input)?)?;
    Ok(Action::CredentialWrite(CredentialWrite::Create(Box::new(draft))))
}

fn get(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Get(client_id(input)?)))
}

fn patch(input: &Input<'_>) -> Result<Action, Malformed> {
    let client_id = client_id(input)?;
    let draft = oidc::parse_patch(&client_id, body::object(input)?)?;
    Ok(Action::CredentialWrite(CredentialWrite::Patch(client_id, Box::new(draft))))
}

fn delete(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialWrite(CredentialWrite::Delete(client_id(input)?)))
}

fn secret(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Secret(client_id(input)?)))
}

fn own(_: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Organization))
}

fn provider(query: &Query<'_>) -> Result<Option<Provider>, Malformed> {
    let Some(text) = query.single("oauth_provider")? else { return Ok(None) };
    let expected =
        || malformed(format!("oauth_provider must be one of {}", oidc::provider_names()));
    text.parse().map(Some).map_err(|_| expected())
}

fn client_id(input: &Input<'_>) -> Result<ClientId, Malformed> {
    let text = percent::decode(input.path_parameter)
        .ok_or_else(|| malformed("the client id in the path is badly encoded"))?;
    ClientId::new(text).map_err(|_| {
        malformed("the client id in the path must be 1 to 255 characters, no control characters")
    })
}
