//! What came of a request, for a dialect to render.
//!
//! Reasons are closed enums, so that a dialect can give each its own code. Their `Display` is the
//! English text of the dialects that have one. An outcome never holds a status code or a header.

use std::{fmt, time::Duration};

use concordat_cluster::raft::Freshness;
use concordat_proto::{
    consistency::{Position, Receipt},
    id::{ClientId, WriteId},
    limits,
    oidc::OidcCredential,
    org::{Org, OrgSettings},
    refusal::{Refusal, RefusalClass},
    region::Region,
    secret::Secret,
    time::LogTime,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::operation::Page;

/// An outcome, and what is known of the state that it was computed from.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What came of the request.
    pub outcome: Outcome,
    /// How fresh the state was; `None` where no replicated state was looked at.
    pub freshness: Option<Freshness>,
    /// The position that a read saw at least. A write's is in its receipt.
    pub position: Option<Position>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, freshness: None, position: None }
    }
}

/// What came of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A read found this, or a change of this process was made.
    Found(Value),
    /// The version is one that the caller has (`If-None-Match`).
    NotModified(WriteId),
    /// What is asked for was begun by an earlier request; this one wrote nothing.
    Underway(Value),
    /// The write is done, and replicated as far as was required.
    Written {
        /// What it made.
        value: Written,
        /// Whether something is to follow the write by itself.
        follows: bool,
        /// Where it has arrived.
        receipt: Receipt,
    },
    /// The write, or the refusal that the log decided, is not replicated as far as was required.
    Pending {
        /// Where it has arrived; its outcome may be unknown.
        receipt: Receipt,
        /// The refusal, if it is one.
        refusal: Option<Refusal>,
    },
    /// The state's rules refuse it.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Where the refusal has arrived, if a log decided it.
        receipt: Option<Receipt>,
    },
    /// The cluster is not in a state in which this may be begun; for a person to read.
    Blocked(String),
    /// Nothing was done, or nothing can be said; another attempt may succeed.
    Unavailable(Unavailable),
    /// It does not exist.
    NotFound(What),
    /// The position that a read must reach was not reached in time.
    PositionPending,
    /// The position that a read must reach was lost with its region in a failover.
    PositionLost,
    /// The key, or the organization that it was given for, is not known. There is one such answer.
    Unauthenticated,
    /// The key is valid and lacks the right.
    Forbidden,
    /// The request cannot be right, whatever is stored.
    Malformed(Malformed),
}

/// What a read found.
#[derive(Debug, Clone)]
pub enum Value {
    /// One credential.
    Credential(Box<OidcCredential>),
    /// A page of credentials.
    Credentials(List<OidcCredential>),
    /// A client secret in the clear.
    ClientSecret {
        /// The credential that it belongs to.
        client_id: ClientId,
        /// The secret.
        secret: Secret,
        /// When it ends by itself.
        expires_at: Option<LogTime>,
    },
    /// One organization.
    Organization(Box<OrgView>),
    /// A page of organizations.
    Organizations(List<OrgView>),
    /// What is known of a write, and what a refused one was answered.
    Receipt(Receipt, Option<Refusal>),
    /// A document of the operator's API.
    Document(Document),
    /// Nothing but that it is done.
    Done,
}

/// What a write made.
#[derive(Debug, Clone)]
pub enum Written {
    /// Nothing that has a version.
    Done,
    /// A new version of a credential.
    Version(WriteId),
    /// An organization.
    Organization(Box<Org>),
    /// A new organization, with its first key, shown this once.
    NewOrganization(Box<Org>, Secret),
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// Which page it is.
    pub page: Page,
    /// How many items all pages have.
    pub total_count: usize,
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
    Organization,
    Write,
    Region,
    Node,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "credential",
            Self::Organization => "organization",
            Self::Write => "write",
            Self::Region => "region",
            Self::Node => "node",
        })
    }
}

/// Why nothing was done or nothing can be said, through no fault of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The node has as many requests in flight as it takes.
    Overloaded,
    /// As many writes as may wait do wait here, of all or of the organization.
    TooManyWrites,
    /// As many moves as may wait do wait here.
    TooManyMoves,
    /// No leader was reached in time.
    NoLeader,
    /// A read that must be current is not provably so.
    NotCurrent,
    /// The state lacks what was asked for and has never been current since the node was started.
    NeverCurrent,
    /// This many moves between the same two regions go first.
    NotItsTurn {
        /// How many.
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
    /// The node has not compared its keyring with the cluster's state yet.
    KeyringUnchecked,
    /// Secrets cannot be sealed or opened here.
    Secrets,
    /// The state cannot be read.
    Broken,
}

impl Unavailable {
    /// When another attempt makes sense.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// Whether the caller's own load is the reason: less of it would help.
    #[must_use]
    pub const fn is_too_many(self) -> bool {
        matches!(self, Self::TooManyWrites | Self::TooManyMoves)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "this node has too many requests in flight",
            Self::TooManyWrites => "too many writes wait for their consistency here",
            Self::TooManyMoves => "too many moves wait for their turn here; nothing was stored",
            Self::NoLeader => "no leader could be reached; nothing was stored",
            Self::NotCurrent => "this node cannot prove that it is current",
            Self::NeverCurrent => {
                "this node has not caught up with its cluster since it was started, and cannot say \
                 that something is not there; ask another node"
            }
            Self::NotItsTurn { ahead } => {
                return write!(
                    f,
                    "{ahead} moves between the same two regions go first; nothing was stored, ask \
                     again to keep the place in the queue"
                );
            }
            Self::NotAudited => "this node cannot write its audit trail now",
            Self::Moving => "the organization is moving to another region; nothing was stored",
            Self::FailingOver => {
                "the organization's home region is being failed over; nothing was stored"
            }
            Self::Fenced => {
                "this region is cut off from the rest of the cluster and fences itself \
                 (when_isolated is fence); nothing was stored"
            }
            Self::NotAMember => "this node has not joined its cluster yet",
            Self::KeyringUnchecked => {
                "this node has not held its keyring against the cluster's state yet; nothing was \
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
    /// The body has another media type than the dialect takes; the dialect's own text.
    MediaType(String),
    /// The body is compressed, or said to be.
    ContentCoding,
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
    /// What arrived is no HTTP.
    NoHttp,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax(text) | Self::MediaType(text) => text,
            Self::ContentCoding => "content-encoding must be identity: bodies are not decompressed",
            Self::BodyTooLarge => {
                return write!(f, "the body may have at most {} bytes", limits::BODY_BYTES_MAX);
            }
            Self::BodyTooSlow => "the body did not arrive in time",
            Self::BodyBroken => "the body could not be read",
            Self::OrganizationMissing => "the organization must be named, once",
            Self::ForeignPosition => "the position to read from is not one of this cluster",
            Self::Head(text) => text,
            Self::HeadTooLarge(max) => {
                return write!(f, "the request's headers may have at most {max} bytes");
            }
            Self::TransferCoding => "the only transfer coding that is understood is chunked, once",
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

    /// Whether it says that something is not there: a key, a right, a record, a version, or what else
    /// would have to be there for a yes. Only a state that has been current may say so.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Unauthenticated | Self::Forbidden | Self::NotFound(_) | Self::Blocked(_) => true,
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
                Value::Credential(_)
                | Value::ClientSecret { .. }
                | Value::Organization(_)
                | Value::Receipt(..)
                | Value::Document(_)
                | Value::Done => false,
            },
            Self::NotModified(_)
            | Self::Underway(_)
            | Self::Written { .. }
            | Self::Pending { .. }
            | Self::Unavailable(_)
            | Self::PositionPending
            | Self::PositionLost
            | Self::Malformed(_) => false,
        }
    }

    /// Whether it certainly did nothing and another attempt may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(why) => !why.is_too_many(),
            Self::Refused { refusal, .. } => {
                matches!(refusal.class(), RefusalClass::Expired | RefusalClass::Elsewhere)
            }
            _ => false,
        }
    }

    /// The version of what was found, if it has one.
    #[must_use]
    pub fn version(&self) -> Option<WriteId> {
        match self {
            Self::Found(Value::Credential(found)) => Some(found.version),
            Self::NotModified(version) => Some(*version),
            _ => None,
        }
    }
}
