//! The outcome of a request, for a dialect to render.
//!
//! Reasons are closed enums, so that a dialect can give each its own code. Their `Display` is the
//! English text of the dialects that have one. An outcome never holds a status code or a header.

use std::{fmt, time::Duration};

use concordat_cluster::{machine::registered::Entry, raft::Freshness};
use concordat_proto::{
    api::policy::Policies,
    consistency::{Position, Receipt},
    id::{ClientId, KeyId, OrgId, WriteId},
    key::{NewKey, OrgKey},
    limits,
    oidc::OidcCredential,
    org::{Org, OrgSettings},
    refusal::{Refusal, RefusalClass},
    region::Region,
    registration::{Binding, Number, RegistrationStamp},
    resource::{Resource, ResourceKind, ResourceName, SamlSettings},
    secret::Secret,
    time::LogTime,
};
use serde::Serialize;
use serde_json::value::RawValue;

pub use super::{blocked::Blocked, page::List};

use super::operation::EntryFilter;

/// An outcome, and the freshness of the state that it was computed from.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The outcome of the request.
    pub outcome: Outcome,
    /// The freshness of the state; `None` if no replicated state was read.
    pub freshness: Option<Freshness>,
    /// The position that a read saw at least. A write's is in its receipt.
    pub position: Option<Position>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, freshness: None, position: None }
    }
}

/// The outcome of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A read found this, or a change of this process was made.
    Found(Value),
    /// The version is one that the caller has (`If-None-Match`).
    NotModified(WriteId),
    /// An earlier request has begun the operation already; this one wrote nothing.
    Underway(Value),
    /// The write is done, and has reached the required consistency.
    Written {
        /// The written value.
        value: Written,
        /// Whether further steps follow without another request.
        follows: bool,
        /// The regions that have applied it.
        receipt: Receipt,
    },
    /// The write, or the refusal that the log decided, has not reached the required consistency.
    Pending {
        /// The regions that have applied it; its outcome may be unknown.
        receipt: Receipt,
        /// The refusal, if it is one.
        refusal: Option<Refusal>,
    },
    /// The state's rules refuse it.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The regions that have applied the refusal, if a log decided it.
        receipt: Option<Receipt>,
    },
    /// The cluster is not in a state in which this may be begun.
    Blocked(Blocked),
    /// Nothing was done, or nothing is known; a retry may succeed.
    Unavailable(Unavailable),
    /// It does not exist.
    NotFound(What),
    /// The position that a read must reach was not reached in time.
    PositionPending,
    /// The position that a read must reach was lost with its region in a failover.
    PositionLost,
    /// The key, or the organization that it was given for, is not known. There is one such answer.
    Unauthenticated,
    /// No key was presented, in a dialect that says so.
    KeyMissing,
    /// The key is valid, and the request names another organization than the key's.
    OtherOrganization,
    /// The key is valid and may not do this: it lacks the right, or policies forbid it, which say this to
    /// the caller.
    Forbidden(Vec<String>),
    /// The request is invalid, whatever is stored.
    Malformed(Malformed),
}

/// The value of a read.
#[derive(Debug, Clone)]
pub enum Value {
    /// One credential.
    Credential(Box<OidcCredential>),
    /// A page of credentials.
    Credentials(List<OidcCredential>),
    /// A client secret in plaintext.
    ClientSecret {
        /// The credential that it belongs to.
        client_id: ClientId,
        /// The secret.
        secret: Secret,
        /// When it expires.
        expires_at: Option<LogTime>,
    },
    /// One organization.
    Organization(Box<OrgView>),
    /// A page of organizations.
    Organizations(List<OrgView>),
    /// The receipt of a write, and the refusal of a refused one.
    Receipt(Receipt, Option<Refusal>),
    /// A document of the operator's API.
    Document(Document),
    /// One credential with its registration.
    Entry(Box<EntryView>),
    /// A page of credentials with their registrations.
    Entries(Box<OrgFacts>, List<Entry>, Box<EntryFilter>),
    /// The credential that a dialect is bound to.
    Binding(Binding, ClientId),
    /// One resource, with its secret where it has one.
    Resource(Box<ResourceView>),
    /// A page of the resources of a kind of an organization, without secrets.
    Resources(OrgId, ResourceKind, List<Resource>),
    /// A page of an organization's keys, and which of them asks.
    Keys(KeyId, List<OrgKey>),
    /// A set of policies.
    Policies(Box<PoliciesView>),
    /// Nothing but that it is done.
    Done,
}

/// A set of policies as it is shown.
#[derive(Debug, Clone)]
pub struct PoliciesView {
    /// The write that set it; none where none was set.
    pub version: Option<WriteId>,
    /// What is shown of it.
    pub shown: Policies,
}

/// A resource as it is shown.
#[derive(Debug, Clone)]
pub struct ResourceView {
    /// Whose.
    pub org: OrgId,
    /// The resource.
    pub resource: Resource,
    /// The object of an external credential, as JSON.
    pub secret: Option<Secret>,
}

/// A credential as dialects show it.
#[derive(Debug, Clone)]
pub struct EntryView {
    /// The credential and its registration.
    pub entry: Entry,
    /// Its organization.
    pub org: OrgFacts,
    /// The last four characters of a client secret of sixteen or more, where the dialect shows them.
    pub secret_tail: Option<Secret>,
}

/// What dialects show of an organization beside its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgFacts {
    /// Its id.
    pub id: OrgId,
    /// Its number.
    pub number: Number,
    /// The number of its writes so far.
    pub sequence: u64,
    /// Its enterprise domain.
    pub domain: Option<String>,
    /// The log time of the state that this was read from.
    pub as_of: LogTime,
}

/// The value of a write.
#[derive(Debug, Clone)]
pub enum Written {
    /// Nothing that has a version.
    Done,
    /// A new version of a credential.
    Version(WriteId),
    /// An organization.
    Organization(Box<Org>),
    /// A new organization, with its first key, shown this once.
    NewOrganization(Box<NewOrg>),
    /// A credential was made, changed or deleted.
    Registered(WriteId, RegistrationStamp),
    /// The same, with what dialects show of it.
    Entry(Box<EntryWritten>),
    /// An organization has claimed its enterprise domain.
    Domain(Box<OrgFacts>),
    /// A resource was made or changed.
    Resource(ResourceName, WriteId),
    /// A SAML credential was made.
    NewSaml(ResourceName, WriteId, Box<SamlSettings>),
    /// A key was made, with its text once that is opened: shown this once.
    Key(Box<NewKey>, Option<Secret>),
}

/// An organization that was made.
#[derive(Debug, Clone)]
pub struct NewOrg {
    /// The organization.
    pub org: Org,
    /// The one that it belongs to.
    pub parent: Option<OrgId>,
    /// The text of its first key.
    pub key: Secret,
    /// The enterprise domain that it was made with.
    pub domain: Option<String>,
}

/// A credential that was made, changed or deleted.
#[derive(Debug, Clone)]
pub struct EntryWritten {
    /// The write's version.
    pub version: WriteId,
    /// What the write's own answer says.
    pub stamp: RegistrationStamp,
    /// Its organization.
    pub org: OrgFacts,
    /// The credential after the write, where it was not deleted; a later write may have changed it
    /// again.
    pub now: Option<EntryView>,
}

/// An organization as operators see it.
#[derive(Debug, Clone)]
pub struct OrgView {
    /// The organization.
    pub org: Org,
    /// The region of its next home, while it moves.
    pub moving_to: Option<Region>,
    /// Its settings, where they were looked up.
    pub settings: Option<OrgSettings>,
    /// The organization that it belongs to, where that was looked up.
    pub parent: Option<OrgId>,
}

/// A document of the operator's API: JSON, made by `serde` from a type that describes it.
#[derive(Debug, Clone)]
pub struct Document(Box<RawValue>);

impl Document {
    /// The document that a value describes.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::value::to_raw_value(value).expect("plain data is JSON"))
    }

    /// Its JSON.
    #[must_use]
    pub const fn as_json(&self) -> &RawValue {
        &self.0
    }
}

/// Kinds of things that may not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum What {
    Credential,
    Resource(ResourceKind),
    Binding,
    EnterpriseDomain,
    Organization,
    Write,
    Region,
    Node,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "credential",
            Self::Resource(kind) => kind.as_str(),
            Self::Binding => "binding",
            Self::EnterpriseDomain => "enterprise domain",
            Self::Organization => "organization",
            Self::Write => "write",
            Self::Region => "region",
            Self::Node => "node",
        })
    }
}

/// Why nothing was done or nothing is known, through no fault of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The node has as many requests in flight as it takes.
    Overloaded,
    /// Too many pending writes at this node, of all organizations or of this one.
    TooManyWrites,
    /// Too many requests of this organization, or of all, wait at this node.
    TooManyWaits,
    /// Too many moves wait at this node.
    TooManyMoves,
    /// No leader was reached in time.
    NoLeader,
    /// The leader has as many writes under way as it takes.
    LeaderBusy,
    /// A read that must be current is not provably so.
    NotCurrent,
    /// The object is missing, and this node has never been current since its start.
    NeverCurrent,
    /// This many moves between the same two regions go first.
    NotItsTurn {
        /// The number of requests ahead.
        ahead: u32,
    },
    /// The reading of a secret must be audited, and the audit trail cannot be written.
    NotAudited,
    /// The organization is moving to another region.
    Moving,
    /// The organization's home region is being failed over.
    FailingOver,
    /// The region is cut off and fences itself.
    Fenced,
    /// The node has not joined its cluster yet.
    NotAMember,
    /// Not all nodes of the cluster know this operation yet.
    FeatureLevel,
    /// The node has not compared its keyring with the cluster's state yet.
    KeyringUnchecked,
    /// Secrets cannot be sealed or opened here.
    Secrets,
    /// The state cannot be read.
    Broken,
}

impl Unavailable {
    /// When a retry makes sense.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// Whether the caller's own load is the reason: less of it would help.
    #[must_use]
    pub const fn is_too_many(self) -> bool {
        matches!(self, Self::TooManyWrites | Self::TooManyWaits | Self::TooManyMoves)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "this node has too many requests in flight",
            Self::TooManyWrites => "too many pending writes on this node",
            Self::TooManyWaits => "too many requests wait on this node",
            Self::TooManyMoves => "too many queued moves on this node; nothing was stored",
            Self::NoLeader => "no leader could be reached; nothing was stored",
            Self::LeaderBusy => "the leader has too many writes under way; nothing was stored",
            Self::NotCurrent => "this node cannot serve a fresh read (no valid lease)",
            Self::NeverCurrent => {
                "this node has not caught up with its cluster since its start, so it cannot answer \
                 that something does not exist; ask another node"
            }
            Self::NotItsTurn { ahead } => {
                return write!(
                    f,
                    "{ahead} moves between the same two regions are ahead in the queue; nothing was \
                     stored, retry to keep the place"
                );
            }
            Self::NotAudited => "this node cannot write its audit trail now",
            Self::Moving => "the organization is moving to another region; nothing was stored",
            Self::FailingOver => {
                "the organization's home region is being failed over; nothing was stored"
            }
            Self::Fenced => {
                "this region is partitioned from the rest of the cluster and fences itself \
                 (partition_policy is fence); nothing was stored"
            }
            Self::NotAMember => "this node has not joined its cluster yet",
            Self::FeatureLevel => {
                "not all nodes of this cluster support this operation yet: finish the upgrade; nothing \
                 was stored"
            }
            Self::KeyringUnchecked => {
                "this node has not verified its keyring against the cluster's state yet; nothing was \
                 stored"
            }
            Self::Secrets => "secrets cannot be handled on this node now",
            Self::Broken => "this node cannot read its state",
        })
    }
}

/// Why a request cannot be right; found before anything is written. Texts never repeat a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A part of it is not as its dialect wants it; the dialect's own text.
    Syntax(String),
    /// Members of the body are not as its dialect wants them: each with the dialect's own text.
    Fields(Vec<(&'static str, &'static str)>),
    /// The body has another media type than the dialect takes; the dialect's own text.
    MediaType(String),
    /// The body is compressed, or said to be.
    ContentCoding,
    /// It asks for what the protocol knows and this program does not do; the text says what.
    Unsupported(&'static str),
    /// The body is larger than any may be.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The body could not be read.
    BodyBroken,
    /// No organization is named where one is needed, or more than one.
    OrganizationMissing,
    /// The position is not one of this cluster.
    ForeignPosition,
    /// The head breaks a rule of HTTP.
    Head(&'static str),
    /// The head's fields have more bytes than this.
    HeadTooLarge(usize),
    /// The target is longer than is read.
    UriTooLong,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// The bytes are no HTTP.
    NoHttp,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax(text) | Self::MediaType(text) => text,
            Self::Fields(fields) => {
                let fields = fields.iter().map(|(name, why)| format!("{name}: {why}"));
                return f.write_str(&fields.collect::<Vec<_>>().join("; "));
            }
            Self::ContentCoding => "content-encoding must be identity: bodies are not decompressed",
            Self::BodyTooLarge => {
                return write!(f, "the body may have at most {} bytes", limits::BODY_BYTES_MAX);
            }
            Self::BodyTooSlow => "the body did not arrive in time",
            Self::BodyBroken => "the body could not be read",
            Self::OrganizationMissing => "the organization must be named, once",
            Self::ForeignPosition => "the position to read from is not one of this cluster",
            Self::Head(text) | Self::Unsupported(text) => text,
            Self::HeadTooLarge(max) => {
                return write!(f, "the request's headers may have at most {max} bytes");
            }
            Self::TransferCoding => "the only supported transfer coding is chunked, once",
            Self::NoHttp | Self::UriTooLong => "the request is malformed HTTP",
        })
    }
}

impl Outcome {
    /// A read's empty success.
    pub const DONE: Self = Self::Found(Value::Done);

    /// A refusal that no log decided.
    #[must_use]
    pub const fn refused(refusal: Refusal) -> Self {
        Self::Refused { refusal, receipt: None }
    }

    /// Whether it says that something does not exist: a key, a right, a record, a version, or
    /// another object that the request needs. Only a state that has been current may say so.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Unauthenticated
            | Self::OtherOrganization
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Blocked(_) => true,
            Self::Refused { refusal, .. } => match refusal.class() {
                RefusalClass::Unauthenticated
                | RefusalClass::NotFound
                | RefusalClass::Conflict
                | RefusalClass::PreconditionFailed
                | RefusalClass::KeyReused => true,
                RefusalClass::BadRequest
                | RefusalClass::TooMany
                | RefusalClass::Expired
                | RefusalClass::Elsewhere => false,
            },
            Self::Found(value) => match value {
                Value::Credentials(list) => list.total_count == 0,
                Value::Organizations(list) => list.total_count == 0,
                Value::Entries(_, list, _) => list.total_count == 0,
                Value::Resources(_, _, list) => list.total_count == 0,
                Value::Keys(_, list) => list.total_count == 0,
                Value::Credential(_)
                | Value::Resource(_)
                | Value::Entry(_)
                | Value::Binding(..)
                | Value::ClientSecret { .. }
                | Value::Organization(_)
                | Value::Receipt(..)
                | Value::Document(_)
                | Value::Policies(_)
                | Value::Done => false,
            },
            Self::NotModified(_)
            | Self::Underway(_)
            | Self::Written { .. }
            | Self::Pending { .. }
            | Self::Unavailable(_)
            | Self::PositionPending
            | Self::PositionLost
            | Self::KeyMissing
            | Self::Malformed(_) => false,
        }
    }

    /// Whether it certainly did nothing and a retry may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(why) => !why.is_too_many(),
            Self::Refused { refusal, .. } => {
                matches!(refusal.class(), RefusalClass::Expired | RefusalClass::Elsewhere)
            }
            Self::Found(_)
            | Self::NotModified(_)
            | Self::Underway(_)
            | Self::Written { .. }
            | Self::Pending { .. }
            | Self::Blocked(_)
            | Self::NotFound(_)
            | Self::PositionPending
            | Self::PositionLost
            | Self::Unauthenticated
            | Self::KeyMissing
            | Self::OtherOrganization
            | Self::Forbidden(_)
            | Self::Malformed(_) => false,
        }
    }

    /// The version of the found value, if it has one.
    #[must_use]
    pub fn version(&self) -> Option<WriteId> {
        if let Self::Found(Value::Credential(found)) = self {
            return Some(found.version);
        }
        if let Self::Found(Value::Entry(found)) = self {
            return Some(found.entry.credential.version);
        }
        if let Self::Found(Value::Policies(found)) = self {
            return found.version;
        }
        if let Self::Found(Value::Resource(found)) = self {
            return Some(found.resource.version);
        }
        if let Self::NotModified(version) = self { Some(*version) } else { None }
    }
}
