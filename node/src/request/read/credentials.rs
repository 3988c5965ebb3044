//! Reads of an organization's credentials and of its own record.

use concordat_cluster::machine::{locate::Located, query};
use concordat_proto::{
    command::Precondition, id::ClientId, oidc::Provider, resource::ResourceKind,
};

use super::{
    client_secret::ClientSecretOf,
    entries, guarded, keys, policies,
    resources::{self, External},
};
use crate::{
    api::{
        operation::{CredentialRead, Page},
        outcome::{Answer, List, Outcome, Value, What},
        request::Terms,
    },
    auth::OrgPrincipal,
    node::Node,
    request::{condition, freshness, key, org_view, unavailable::broken},
};

/// Answers an organization's read.
pub(super) fn answer(
    node: &Node,
    org: &OrgPrincipal,
    read: CredentialRead,
    terms: &Terms,
) -> Answer {
    match read {
        CredentialRead::List { provider, page } => {
            of_org(node, org, |at| list(node, at, provider, &page))
        }
        CredentialRead::Get(client_id) => {
            of_org(node, org, |at| get(node, at, &client_id, terms.if_none_match.as_ref()))
        }
        CredentialRead::Secret(client_id) => {
            guarded::answer(node, org, terms, &ClientSecretOf(&client_id))
        }
        CredentialRead::Resources(kind, page) => {
            of_org(node, org, |at| resources::list(node, at, kind, &page))
        }
        CredentialRead::Resource(ResourceKind::External, name) => {
            let if_none_match = terms.if_none_match.as_ref();
            guarded::answer(node, org, terms, &External { name: &name, if_none_match })
        }
        CredentialRead::Policies => of_org(node, org, |at| policies::own(node, at)),
        CredentialRead::Resource(
            kind @ (ResourceKind::Saml
            | ResourceKind::Attribute
            | ResourceKind::Policies
            | ResourceKind::Suborganization),
            name,
        ) => {
            let if_none_match = terms.if_none_match.as_ref();
            of_org(node, org, |at| resources::get(node, at, kind, &name, if_none_match))
        }
        CredentialRead::Keys(page) => of_org(node, org, |at| keys::list(node, org, at, &page)),
        CredentialRead::Entries(filter) => of_org(node, org, |at| entries::list(node, at, &filter)),
        CredentialRead::Entry(query) => {
            of_org(node, org, |at| entries::get(node, at, &query, terms.if_none_match.as_ref()))
        }
        CredentialRead::Binding(binding) => {
            of_org(node, org, |at| entries::binding(node, at, &binding))
        }
        CredentialRead::Organization => {
            of_org(node, org, |at| match org_view::view_with_parent(node, at) {
                Ok(view) => Outcome::Found(Value::Organization(Box::new(view))).into(),
                Err(error) => broken("reading an organization", &error),
            })
        }
    }
}

/// Judges freshness, then reads, then marks: how fresh, and how far at least.
fn of_org(node: &Node, org: &OrgPrincipal, read: impl Fn(&Located) -> Answer) -> Answer {
    let read = |at: &Located| {
        let position = node.groups.position(at.home.org.epoch, at.group)?;
        Ok(Answer { position: Some(position), ..read(at) })
    };
    match key::read(node, org, None, read) {
        Ok((answer, fresh)) => freshness::mark(answer, fresh),
        Err(answer) => answer,
    }
}

fn list(node: &Node, at: &Located, provider: Option<Provider>, page: &Page) -> Answer {
    let org = at.home.org.id;
    match query::oidc_part(node.state(), at.group, org, provider, page.wanted()) {
        Ok(part) => Outcome::Found(Value::Credentials(List::of(page.clone(), part))).into(),
        Err(error) => broken("listing credentials", &error),
    }
}

fn get(
    node: &Node,
    at: &Located,
    client_id: &ClientId,
    if_none_match: Option<&Precondition>,
) -> Answer {
    match query::oidc(node.state(), at.group, at.home.org.id, client_id) {
        Ok(Some(found)) if condition::is_known(if_none_match, found.version) => {
            Outcome::NotModified(found.version).into()
        }
        Ok(Some(found)) => Outcome::Found(Value::Credential(Box::new(found))).into(),
        Ok(None) => Outcome::NotFound(What::Credential).into(),
        Err(error) => broken("reading a credential", &error),
    }
}
