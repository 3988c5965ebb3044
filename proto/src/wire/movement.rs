//! The bytes of what a move leaves in a group's state, and of what moves.

use super::{
    Wire, WireError, codec,
    command::check_key,
    error::ensure,
    mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::V1OidcCredential,
    org::{V1ApiKey, V1Org, V1OrgSettings},
    record::{V1KeyRecord, V1WriteRecord},
};
use crate::{
    limits,
    movement::{Adoption, Arrival, AwayRecord, Belonging, HomeRecord, PastHome, Release},
    version,
};

mirror_struct! {
    V2HomeRecord for HomeRecord {
        org: V1Org,
        arrival: Option<V1Arrival>,
        release: Option<V1Release>,
    }
    V1Arrival for Arrival, check check_arrival {
        index: u64,
        floor: u64,
        past: Vec<V1PastHome>,
    }
    V1PastHome for PastHome { epoch: u32, group: u32, release: u64 }
    V1Release for Release { to: u32, epoch: u32, index: u64, handed_over: bool }
    V1AwayRecord for AwayRecord { epoch: u32, to: Option<u32>, adoption: Option<V1Adoption> }
    V1Adoption for Adoption, check check_adoption {
        attempt: V1Id,
        org: V1Org,
        floor: u64,
        past: Vec<V1PastHome>,
        next: u32,
        digest: [u8; 32],
        is_whole: bool,
    }
}

mirror_enum! {
    V1Belonging for Belonging, check check_belonging {
        ApiKey(key: V1ApiKey),
        Oidc(credential: V1OidcCredential),
        Write { write_id: V1Id, record: V1WriteRecord },
        IdempotencyKey { key: Text, record: V1KeyRecord },
        Settings(settings: V1OrgSettings),
    }
}

/// What never moved keeps the bytes that it had before organisations could: replicas of builds that
/// know of moves and of builds that do not have the same state until the first move.
impl Wire for HomeRecord {
    fn encode(&self) -> Vec<u8> {
        if self.arrival.is_none() && self.release.is_none() {
            return self.org.encode();
        }
        let frozen: V2HomeRecord = self.freeze();
        codec::encode(version::HOME, &frozen, limits::RECORD_BYTES_MAX)
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match codec::split(bytes, limits::RECORD_BYTES_MAX)? {
            (1, payload) => Ok(Self::begun(Mirror::thaw(codec::decode::<V1Org>(payload)?)?)),
            (2, payload) => {
                let record = Self::thaw(codec::decode::<V2HomeRecord>(payload)?)?;
                let moves = record.arrival.is_some() || record.release.is_some();
                ensure(moves, "record of a move")?;
                Ok(record)
            }
            (found, _) => Err(WireError::Version { found }),
        }
    }
}

/// Earlier homes: at least the one that it comes from.
pub(super) fn check_past(past: &[PastHome]) -> Result<(), WireError> {
    ensure((1..=limits::PAST_HOMES_MAX).contains(&past.len()), "number of earlier homes")
}

fn check_arrival(arrival: &Arrival) -> Result<(), WireError> {
    check_past(&arrival.past)
}

fn check_adoption(adoption: &Adoption) -> Result<(), WireError> {
    check_past(&adoption.past)
}

fn check_belonging(belonging: &Belonging) -> Result<(), WireError> {
    match belonging {
        Belonging::IdempotencyKey { key, .. } => check_key(key),
        Belonging::ApiKey(_)
        | Belonging::Settings(_)
        | Belonging::Oidc(_)
        | Belonging::Write { .. } => Ok(()),
    }
}
