//! The API keys of organizations, as they are stored, and their changes.
//!
//! The text of a key is a secret and never in a record: a record has its hash, and the reply to the write
//! that made the key has the text sealed, so that a repeat of that write shows it again. Nothing here
//! decides beyond what a key may do at a time.

use crate::{
    base::{
        id::{KeyId, WriteId},
        secret::Sealed,
        text::text_enum,
        time::LogTime,
    },
    records::org::{ApiKey, KeyHash, Rights},
};

/// A right of a key, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See settings, never secrets.
    Read,
    /// Change them.
    Write,
    /// Read secrets in plaintext.
    SecretsRead,
    /// Change the organization's keys, make suborganizations, claim its domain, and end it.
    Admin,
}

text_enum!(Right, "right", {
    Read => "read",
    Write => "write",
    SecretsRead => "secrets:read",
    Admin => "admin",
});

impl Right {
    /// The set of this right alone.
    #[must_use]
    pub const fn bit(self) -> Rights {
        match self {
            Self::Read => Rights::READ,
            Self::Write => Rights::WRITE,
            Self::SecretsRead => Rights::SECRETS_READ,
            Self::Admin => Rights::ADMIN,
        }
    }
}

impl Rights {
    /// The names of the rights in the set, in the order of [`Right::ALL`].
    #[must_use]
    pub fn names(self) -> Vec<Right> {
        Right::ALL.into_iter().filter(|right| self.contain(right.bit())).collect()
    }

    /// The set of these rights.
    #[must_use]
    pub fn of(rights: &[Right]) -> Self {
        Self(rights.iter().fold(Self::NONE.0, |set, right| set | right.bit().0))
    }
}

/// An API key of an organization, with what is known beside the key itself. An organization's first key
/// has nothing beside it until it is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgKey {
    /// The key.
    pub key: ApiKey,
    /// Shown to people: at most [`crate::limits::KEY_LABEL_CHARS_MAX`] characters.
    pub label: Option<String>,
    /// When it was made, in log time; `None` for an organization's first key.
    pub created_at: Option<LogTime>,
    /// From then on it is dead.
    pub expires_at: Option<LogTime>,
    /// Another key has taken its place.
    pub replaced: Option<Replaced>,
}

/// The end of a key whose place another one has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The write that replaced it. Until the time below, the key may read the receipt of this write
    /// and repeat it, and nothing else.
    pub by: WriteId,
    /// Until when, in log time.
    pub until: LogTime,
}

impl OrgKey {
    /// A key with nothing beside it.
    #[must_use]
    pub const fn plain(key: ApiKey) -> Self {
        Self { key, label: None, created_at: None, expires_at: None, replaced: None }
    }

    /// Whether there is nothing beside the key.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.label.is_none()
            && self.created_at.is_none()
            && self.expires_at.is_none()
            && self.replaced.is_none()
    }

    /// Whether it authorizes what its rights allow at a time.
    #[must_use]
    pub fn lives(&self, now: LogTime) -> bool {
        self.replaced.is_none() && self.expires_at.is_none_or(|expires| now < expires)
    }

    /// Whether its record may be dropped: it opens nothing from this time on.
    #[must_use]
    pub fn is_over(&self, now: LogTime) -> bool {
        self.over_from().is_some_and(|from| now >= from)
    }

    /// The time from which on it opens nothing.
    #[must_use]
    pub fn over_from(&self) -> Option<LogTime> {
        let after = self.replaced.map(|replaced| LogTime(replaced.until.0.saturating_add(1)));
        self.expires_at.into_iter().chain(after).min()
    }
}

/// A change of an organization's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A new key.
    Issue {
        /// The key.
        key: ApiKey,
        /// Its label.
        label: Option<String>,
        /// From when on it is dead.
        expires_at: Option<LogTime>,
        /// Its text.
        sealed: Sealed,
    },
    /// The end of a key.
    Revoke(KeyId),
    /// A new key with the rights, the label and the expiry of a living one, in its place.
    Rotate {
        /// The key that is replaced.
        replaces: KeyId,
        /// The new key's id.
        id: KeyId,
        /// The new key's hash.
        hash: KeyHash,
        /// The new key's text.
        sealed: Sealed,
    },
}

/// A key that was made, with its text: the reply to the write that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its record.
    pub key: OrgKey,
    /// Its text.
    pub sealed: Sealed,
}
