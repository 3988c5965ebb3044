//! The records of an organization's move from one home group to another.
//!
//! Nothing here decides. The protocol is described in `concordat_cluster::machine`'s `movement`. A
//! group that ever held an organization, or began to import it, has exactly one of two permanent
//! records of it: a [`HomeRecord`] while its records are here, an [`MovedAwayRecord`] otherwise.

use crate::{
    base::{
        id::{ClientId, GroupId, RequestDigest, WriteId},
        log::LogIndex,
        time::LogTime,
    },
    consistency::Position,
    records::{
        key::OrgKey,
        oidc::{OidcCredential, Provider},
        org::{ApiKey, Org, OrgSettings},
        record::{KeyRecord, WriteRecord},
        registration::{OrgProfile, Registration},
        resource::Resource,
    },
};

/// An organization in a home group that has its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeRecord {
    /// The organization. Its epoch is the one in which this group has it.
    pub org: Org,
    /// How it came here, unless it was created here.
    pub arrival: Option<Arrival>,
    /// The move in progress. Once this is set, nothing of the organization changes in this group.
    pub release: Option<Release>,
    /// The end of the organization. From then on it has no data and takes no writes, and this record keeps
    /// its id from ever being used again.
    pub ended: Option<Ended>,
}

impl HomeRecord {
    /// The record of a new organization.
    #[must_use]
    pub const fn begun(org: Org) -> Self {
        Self { org, arrival: None, release: None, ended: None }
    }

    /// The highest epoch that this record names: its own, or that of the home it was released to.
    #[must_use]
    pub fn newest_epoch(&self) -> u32 {
        self.release.as_ref().map_or(self.org.epoch, |release| release.epoch)
    }

    /// Whether the organization has ended.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether writes are executed here.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.release.is_none()
    }

    /// Whether a reader of this record sees the write at a position from an earlier home group;
    /// `None` if the position is not from an earlier home group, or is none that this organization
    /// had.
    #[must_use]
    pub fn contains_earlier(&self, position: &Position) -> Option<bool> {
        let past = &self.arrival.as_ref()?.past;
        if let Some(stay) = past.iter().find(|stay| stay.is_of(position)) {
            return Some(position.index <= stay.release);
        }
        let is_known = past.iter().any(|stay| stay.epoch == position.epoch);
        // Older than the remembered homes: every home since then has passed it on.
        (position.epoch < self.org.epoch && !is_known).then_some(true)
    }

    /// Whether a position is from an earlier home: from an earlier epoch, or from a group that this
    /// one has replaced in the same epoch.
    #[must_use]
    pub fn is_earlier(&self, position: &Position) -> bool {
        let past = self.arrival.as_ref().map(|arrival| &arrival.past);
        position.epoch < self.org.epoch
            || past.is_some_and(|past| past.iter().any(|stay| stay.is_of(position)))
    }
}

/// The end of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The write.
    pub by: WriteId,
    /// The entry of this group since when it has ended. A failover may void it for as long as not every region
    /// has applied that.
    pub index: LogIndex,
}

/// How an organization came to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The entry since when it is here: all that moved with it is visible from there on.
    pub index: LogIndex,
    /// A write that had to be applied before this may have been carried out and forgotten in an
    /// earlier home: it is refused as expired.
    pub dedup_horizon: LogTime,
    /// Its earlier homes, the last one at the end.
    pub past: Vec<PreviousHome>,
}

/// A home that an organization has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousHome {
    /// Its epoch there.
    pub epoch: u32,
    /// The group.
    pub group: GroupId,
    /// The entry that released it: no write of it took effect there beyond this.
    pub release: LogIndex,
}

impl PreviousHome {
    /// Whether a position is of this stay.
    #[must_use]
    pub fn is_of(&self, position: &Position) -> bool {
        (self.epoch, self.group) == (position.epoch, position.group)
    }
}

/// The freeze of an organization that moves away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// To which group.
    pub to: GroupId,
    /// The epoch that it will have there.
    pub epoch: u32,
    /// The entry.
    pub index: LogIndex,
    /// Whether the move is committed, so that it can no longer be aborted.
    pub handed_over: bool,
}

/// The record of an organization that is not in this group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAwayRecord {
    /// The highest epoch that this group ever held or released: nothing at or below it is imported.
    pub epoch: u32,
    /// The group to which it moved from here; `None` if it never was here.
    pub to: Option<GroupId>,
    /// It is on its way here.
    pub import: Option<Import>,
}

/// An import that has begun and not ended. No reader sees any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The write id of the entry that began it: parts of another attempt are refused.
    pub attempt: WriteId,
    /// The organization as it will be here.
    pub org: Org,
    /// As in [`Arrival::dedup_horizon`].
    pub dedup_horizon: LogTime,
    /// As in [`Arrival::past`]; the last one is the group it comes from.
    pub past: Vec<PreviousHome>,
    /// The next part's number.
    pub next: u32,
    /// A hash over all parts so far.
    pub digest: RequestDigest,
    /// Whether the last part was received.
    pub is_whole: bool,
}

/// A record that moves with its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovedRecord {
    /// An API key with nothing beside it.
    ApiKey(ApiKey),
    /// A credential.
    Oidc(OidcCredential),
    /// A remembered write.
    Write {
        /// Its name.
        write_id: WriteId,
        /// Its result.
        record: WriteRecord,
    },
    /// A remembered idempotency key.
    IdempotencyKey {
        /// The header's text.
        key: String,
        /// Its result.
        record: KeyRecord,
    },
    /// The organization's own settings.
    Settings(OrgSettings),
    /// A credential's registration (feature level 3).
    Registration {
        /// The credential's client id.
        client_id: ClientId,
        /// The registration.
        registration: Registration,
    },
    /// The organization's profile (feature level 3).
    Profile(OrgProfile),
    /// A resource beside the credentials (feature level 3).
    Resource(Box<Resource>),
    /// An API key with something beside it (feature level 3).
    OrgKey(Box<OrgKey>),
}

impl MovedRecord {
    /// The feature level that every member must know before this may enter a log.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        match self {
            Self::Oidc(credential) if credential.provider == Provider::Oidc => 3,
            Self::Registration { .. } | Self::Profile(_) | Self::Resource(_) | Self::OrgKey(_) => 3,
            Self::ApiKey(_)
            | Self::Oidc(_)
            | Self::Write { .. }
            | Self::IdempotencyKey { .. }
            | Self::Settings(_) => 1,
        }
    }
}
