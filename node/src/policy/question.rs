//! What policies are asked: who wants to do what, with what, under which circumstances. A question never has a
//! secret in it.

use std::net::IpAddr;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
    Schema,
};
use concordat_proto::{
    consistency::RequiredConsistency,
    id::{KeyId, OrgId},
    org::Rights,
    region::Region,
    time::LogTime,
};

use super::schema::{ACTIONS, PARSED, TYPES};
use crate::{api::operation::Operation, clock::Stamp};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Who asks.
    pub(crate) asker: Asker,
    /// What is to be done.
    pub(crate) operation: Operation,
    /// With what.
    pub(crate) target: Target,
    /// Under which circumstances.
    pub(crate) circumstances: Circumstances,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asker {
    /// A key of an organization.
    Key {
        /// Which key.
        key: KeyId,
        /// The organization.
        org: OrgId,
        /// The key's rights, as bits.
        rights: u8,
    },
    /// An operator, by this key.
    Operator(KeyId),
}

/// With what something is to be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The cluster.
    Cluster,
    /// An organization, or what belongs to it and has no name of its own here.
    Organization(OrgId),
    /// A credential of an organization.
    Credential {
        /// The organization.
        org: OrgId,
        /// `oidc`, `saml` or `external`.
        kind: &'static str,
        /// Its client id, or its id.
        name: String,
    },
}

/// Under which circumstances something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// The region of the node that was asked.
    pub(crate) region: Region,
    /// The required consistency.
    pub(crate) required: RequiredConsistency,
    /// The other end of the connection.
    pub(crate) source: IpAddr,
    /// The clock of the node that was asked.
    pub(crate) time: LogTime,
}

/// A question in the terms of the language.
pub(super) struct Posed {
    pub(super) request: Request,
    pub(super) entities: Entities,
}

/// Why a question cannot be posed: it does not fit the schema, so only a bug can be the reason.
pub(super) type NotPosed = Box<dyn std::error::Error + Send + Sync>;

impl Question {
    /// The question in the terms of the language.
    ///
    /// An operation that is not for such an asker does not fit the schema, whatever policies permit. The
    /// entities are not compared with it, which would cost more than the evaluation: tests compare those of
    /// all operations.
    pub(super) fn posed(&self) -> Result<Posed, NotPosed> {
        self.posed_with(None)
    }

    /// The same, with entities that are compared with a schema.
    pub(super) fn posed_with(&self, schema: Option<&Schema>) -> Result<Posed, NotPosed> {
        let name = self.operation.spec().name;
        let (principal, mut entities) = self.asker.entities()?;
        let (resource, more) = self.target.entities()?;
        // The second one of an organization is the same as the first.
        entities.extend(more.into_iter().filter(|it| !is_organization_of(&self.asker, it)));
        entities.extend(ACTIONS.get(name).into_iter().flatten().cloned());
        let context = self.circumstances.context()?;
        let action = uid(&TYPES.action, name);
        let request = Request::new(principal, action, resource, context, Some(&PARSED))?;
        Ok(Posed { request, entities: Entities::from_entities(entities, schema)? })
    }
}

fn is_organization_of(asker: &Asker, entity: &Entity) -> bool {
    matches!(asker, Asker::Key { org, .. } if entity.uid() == organization(*org))
}

impl Asker {
    fn entities(&self) -> Result<(EntityUid, Vec<Entity>), NotPosed> {
        match self {
            Self::Operator(key) => {
                let operator = uid(&TYPES.operator, &key.to_string());
                Ok((operator.clone(), vec![leaf(operator)]))
            }
            Self::Key { key, org, rights } => {
                let (key, org) = (uid(&TYPES.key, &key.to_string()), organization(*org));
                let rights = Rights(*rights);
                let right = |name: &str, right: Rights| {
                    let has = RestrictedExpression::new_bool(rights.contain(right));
                    (name.to_owned(), has)
                };
                let rights = RestrictedExpression::new_record([
                    right("read", Rights::READ),
                    right("write", Rights::WRITE),
                    right("secrets_read", Rights::SECRETS_READ),
                    right("admin", Rights::ADMIN),
                ])?;
                let entity = belonging(&key, &org, ("rights", rights))?;
                Ok((key, vec![entity, leaf(org)]))
            }
        }
    }
}

impl Target {
    fn entities(&self) -> Result<(EntityUid, Vec<Entity>), NotPosed> {
        match self {
            Self::Cluster => {
                let cluster = uid(&TYPES.cluster, "cluster");
                Ok((cluster.clone(), vec![leaf(cluster)]))
            }
            Self::Organization(org) => {
                let org = organization(*org);
                Ok((org.clone(), vec![leaf(org)]))
            }
            Self::Credential { org, kind, name } => {
                let (credential, org) = (uid(&TYPES.credential, name), organization(*org));
                let kind = RestrictedExpression::new_string((*kind).to_owned());
                let entity = belonging(&credential, &org, ("kind", kind))?;
                Ok((credential, vec![entity, leaf(org)]))
            }
        }
    }
}

impl Circumstances {
    fn context(&self) -> Result<Context, NotPosed> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        // A client of an IPv4 address may come to a socket of IPv6.
        let source = self.source.to_canonical().to_string();
        Ok(Context::from_pairs([
            ("region".to_owned(), text(self.region.as_str())),
            ("required_consistency".to_owned(), text(self.required.as_str())),
            ("source_address".to_owned(), RestrictedExpression::new_ip(source)),
            ("time".to_owned(), RestrictedExpression::new_datetime(time(self.time))),
        ])?)
    }
}

/// To the millisecond, in one of the forms that the language reads: it knows none, or three digits.
fn time(time: LogTime) -> String {
    let whole = LogTime(time.0 - time.0 % 1000);
    let text = Stamp(whole).to_string();
    format!("{}.{:03}Z", text.trim_end_matches('Z'), time.0 % 1000)
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn organization(org: OrgId) -> EntityUid {
    uid(&TYPES.organization, &org.to_string())
}

fn leaf(uid: EntityUid) -> Entity {
    Entity::with_uid(uid)
}

/// An entity that belongs to an organization, with one attribute of its own.
fn belonging(
    uid: &EntityUid,
    org: &EntityUid,
    (name, value): (&str, RestrictedExpression),
) -> Result<Entity, NotPosed> {
    let org_value = RestrictedExpression::new_entity_uid(org.clone());
    let attributes = [("organization".to_owned(), org_value), (name.to_owned(), value)];
    let parents = [org.clone()];
    Ok(Entity::new(uid.clone(), attributes.into(), parents.into())?)
}
