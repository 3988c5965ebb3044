//! The bytes of organizations' keys and of their changes.
//!
//! A key with nothing beside it has the bytes of an `ApiKey`, which all builds read.

use super::{
    mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::V1Sealed,
    org::V1ApiKey,
};
use crate::{
    limits,
    records::key::{KeyChange, NewKey, OrgKey, Replaced},
    version,
    wire::{
        codec::{self, Wire},
        error::{WireError, ensure},
    },
};

mirror_struct! {
    V2OrgKey for OrgKey, check check_key {
        key: V1ApiKey,
        label: Option<Text>,
        created_at: Option<u64>,
        expires_at: Option<u64>,
        replaced: Option<V2Replaced>,
    }
    V2Replaced for Replaced { by: V1Id, until: u64 }
    V1NewKey for NewKey { key: V2OrgKey, sealed: V1Sealed }
}

mirror_enum! {
    V1KeyChange for KeyChange, check check_change {
        Issue {
            key: V1ApiKey,
            label: Option<Text>,
            expires_at: Option<u64>,
            sealed: V1Sealed,
        },
        Revoke(key: V1Id),
        Rotate { replaces: V1Id, id: V1Id, hash: [u8; 32], sealed: V1Sealed },
    }
}

impl Wire for OrgKey {
    fn encode(&self) -> Vec<u8> {
        if self.is_plain() {
            return self.key.encode();
        }
        let frozen: V2OrgKey = self.freeze();
        codec::encode(version::ORG_KEY, &frozen, limits::RECORD_BYTES_MAX)
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match codec::split(bytes, limits::RECORD_BYTES_MAX)? {
            (1, payload) => Ok(Self::plain(Mirror::thaw(codec::decode::<V1ApiKey>(payload)?)?)),
            (2, payload) => {
                let record = Self::thaw(codec::decode::<V2OrgKey>(payload)?)?;
                ensure(!record.is_plain(), "key with nothing beside it")?;
                Ok(record)
            }
            (found, _) => Err(WireError::Version { found }),
        }
    }
}

fn check_label(label: Option<&str>) -> Result<(), WireError> {
    let fits = label.is_none_or(|text| text.chars().count() <= limits::KEY_LABEL_CHARS_MAX);
    ensure(fits, "label of a key")
}

fn check_key(key: &OrgKey) -> Result<(), WireError> {
    check_label(key.label.as_deref())
}

fn check_change(change: &KeyChange) -> Result<(), WireError> {
    match change {
        KeyChange::Issue { label, .. } => check_label(label.as_deref()),
        KeyChange::Revoke(_) | KeyChange::Rotate { .. } => Ok(()),
    }
}
