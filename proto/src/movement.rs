//! The words of an organisation's move from one home group to another: how it stands in a group's
//! state, and what travels.
//!
//! Nothing here decides; the protocol is told in `concordat_cluster::machine`'s `movement`. A group
//! that ever held an organisation, or began to adopt it, has exactly one of two records of it for
//! ever: a [`HomeRecord`] while its records are here, an [`AwayRecord`] otherwise.

use crate::{
    command::RequestDigest,
    consistency::Position,
    id::{GroupId, WriteId},
    log::LogIndex,
    oidc::OidcCredential,
    org::{ApiKey, Org, OrgSettings},
    record::{KeyRecord, WriteRecord},
    time::LogTime,
};

/// An organisation in a home group that has its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeRecord {
    /// The organisation. Its epoch is the one in which this group has it.
    pub org: Org,
    /// How it came here, unless it began here.
    pub arrival: Option<Arrival>,
    /// Where it is going. Once this is set, nothing of it changes here any more.
    pub release: Option<Release>,
}

impl HomeRecord {
    /// Of an organisation that begins.
    #[must_use]
    pub const fn begun(org: Org) -> Self {
        Self { org, arrival: None, release: None }
    }

    /// The highest epoch that this record names: its own, or that of the home it was released to.
    #[must_use]
    pub fn newest_epoch(&self) -> u32 {
        self.release.as_ref().map_or(self.org.epoch, |release| release.epoch)
    }

    /// Whether writes are carried out here.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.release.is_none()
    }

    /// Whether whoever sees this record sees the write at a position of an earlier stay; `None`
    /// when the position is not of an earlier stay, or is none that this organisation had.
    #[must_use]
    pub fn contains_earlier(&self, position: &Position) -> Option<bool> {
        let past = &self.arrival.as_ref()?.past;
        if let Some(stay) = past.iter().find(|stay| stay.is_of(position)) {
            return Some(position.index <= stay.release);
        }
        let is_known = past.iter().any(|stay| stay.epoch == position.epoch);
        // Older than what is remembered: every home since has released it on.
        (position.epoch < self.org.epoch && !is_known).then_some(true)
    }

    /// Whether a position is of an earlier stay: in an earlier epoch, or in a group whose place this
    /// one took in the same epoch.
    #[must_use]
    pub fn is_earlier(&self, position: &Position) -> bool {
        let past = self.arrival.as_ref().map(|arrival| &arrival.past);
        position.epoch < self.org.epoch
            || past.is_some_and(|past| past.iter().any(|stay| stay.is_of(position)))
    }
}

/// How an organisation came to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The entry since when it is here: all that moved with it is visible from there on.
    pub index: LogIndex,
    /// A write that had to be applied before this may have been carried out and forgotten in an
    /// earlier home: it is refused as expired.
    pub floor: LogTime,
    /// Its earlier homes, the last one at the end.
    pub past: Vec<PastHome>,
}

/// A home that an organisation has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastHome {
    /// Its epoch there.
    pub epoch: u32,
    /// The group.
    pub group: GroupId,
    /// The entry that released it: no write of it took effect there beyond this.
    pub release: LogIndex,
}

impl PastHome {
    /// Whether a position is of this stay.
    #[must_use]
    pub fn is_of(&self, position: &Position) -> bool {
        (self.epoch, self.group) == (position.epoch, position.group)
    }
}

/// That an organisation was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// To which group.
    pub to: GroupId,
    /// The epoch that it will have there.
    pub epoch: u32,
    /// The entry.
    pub index: LogIndex,
    /// Whether it can no longer be taken back.
    pub handed_over: bool,
}

/// What a group keeps of an organisation that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwayRecord {
    /// The highest epoch that this group ever held or let go: nothing at or below it is adopted.
    pub epoch: u32,
    /// Where it went from here; `None` if it never was here.
    pub to: Option<GroupId>,
    /// It is on its way here.
    pub adoption: Option<Adoption>,
}

/// An adoption that has begun and not ended. Nobody sees anything of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The write id of the entry that began it: parts of another attempt are refused.
    pub attempt: WriteId,
    /// The organisation as it will be here.
    pub org: Org,
    /// As in [`Arrival::floor`].
    pub floor: LogTime,
    /// As in [`Arrival::past`]; the last one is where it comes from.
    pub past: Vec<PastHome>,
    /// The next part's number.
    pub next: u32,
    /// A hash over all parts so far.
    pub digest: RequestDigest,
    /// Whether the last part is in.
    pub is_whole: bool,
}

/// A record that moves with its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belonging {
    /// An API key.
    ApiKey(ApiKey),
    /// A credential.
    Oidc(OidcCredential),
    /// A remembered write.
    Write {
        /// Its name.
        write_id: WriteId,
        /// What became of it.
        record: WriteRecord,
    },
    /// A remembered idempotency key.
    IdempotencyKey {
        /// The header's text.
        key: String,
        /// What became of it.
        record: KeyRecord,
    },
    /// What it has set for itself.
    Settings(OrgSettings),
}
