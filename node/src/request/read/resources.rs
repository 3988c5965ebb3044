//! Reads of resources beside the credentials. An external credential alone is shown with its secret, and
//! that read is guarded like every read of a secret.

use concordat_cluster::{
    machine::{locate::Located, resource},
    store::StoreError,
};
use concordat_proto::{
    command::Precondition,
    resource::{Resource, ResourceBody, ResourceKind, ResourceName},
};

use super::guarded::Guarded;
use crate::{
    api::{
        operation::Page,
        outcome::{Answer, List, Outcome, ResourceView, Value, What},
    },
    auth::OrgPrincipal,
    node::Node,
    request::{
        condition,
        unavailable::{broken, no_key},
    },
    seal::Field,
};

/// A page of the resources of a kind.
pub(super) fn list(node: &Node, at: &Located, kind: ResourceKind, page: &Page) -> Answer {
    let (group, org) = (at.group, at.home.org.id);
    match resource::list(node.state(), group, org, kind, page.wanted()) {
        Ok(part) => {
            let list = List::of(page.clone(), part);
            Outcome::Found(Value::Resources(org, kind, list)).into()
        }
        Err(error) => broken("listing resources", &error),
    }
}

/// One resource, without a secret.
pub(super) fn get(
    node: &Node,
    at: &Located,
    kind: ResourceKind,
    name: &ResourceName,
    if_none_match: Option<&Precondition>,
) -> Answer {
    let org = at.home.org.id;
    match resource::get(node.state(), at.group, org, kind, name) {
        Ok(Some(found)) if condition::is_known(if_none_match, found.version) => {
            Outcome::NotModified(found.version).into()
        }
        Ok(Some(resource)) => {
            let view = ResourceView { org, resource, secret: None };
            Outcome::Found(Value::Resource(Box::new(view))).into()
        }
        Ok(None) => Outcome::NotFound(What::Resource(kind)).into(),
        Err(error) => broken("reading a resource", &error),
    }
}

/// An external credential with its secret.
pub(super) struct External<'a> {
    /// Its name.
    pub(super) name: &'a ResourceName,
    /// A caller that has this version needs no other.
    pub(super) if_none_match: Option<&'a Precondition>,
}

impl Guarded for External<'_> {
    type Found = Resource;
    const WHAT: What = What::Resource(ResourceKind::External);

    fn look(&self, node: &Node, at: &Located) -> Result<Option<Resource>, StoreError> {
        let (group, org) = (at.group, at.home.org.id);
        resource::get(node.state(), group, org, ResourceKind::External, self.name)
    }

    fn audit(&self, org: &OrgPrincipal, is_current: bool) {
        let (organization, key) = (org.id(), org.key);
        tracing::info!(
            target: "audit", %organization, %key, external_cred_id = self.name.as_str(), is_current,
            "an external credential was read"
        );
    }

    fn show(&self, node: &Node, at: &Located, resource: Resource) -> Answer {
        if condition::is_known(self.if_none_match, resource.version) {
            return Outcome::NotModified(resource.version).into();
        }
        let ResourceBody::External(external) = &resource.body else {
            return Outcome::NotFound(Self::WHAT).into();
        };
        let org = &at.home.org;
        let field = Field::ExternalBlob(self.name.as_str());
        let opened = node
            .sealer
            .data_key(org.id, &org.data_key)
            .and_then(|key| key.open(&external.json_blob, field));
        match opened {
            Ok(secret) => {
                let view = ResourceView { org: org.id, resource, secret: Some(secret) };
                Outcome::Found(Value::Resource(Box::new(view))).into()
            }
            Err(error) => no_key(error),
        }
    }
}
