//! The bytes of an organization's move: the records that stay, and those that travel.

use serde::{Deserialize, Serialize};

use super::{
    key::V2OrgKey,
    mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::V1OidcCredential,
    org::{V1ApiKey, V1Org, V1OrgSettings},
    record::{V1KeyRecord, V1WriteRecord, check_key},
    registration::{V1OrgProfile, V1Registration},
    resource::V1Resource,
};
use crate::{
    limits,
    records::movement::{
        Arrival, Ended, HomeRecord, Import, MovedAwayRecord, MovedRecord, PreviousHome, Release,
    },
    version,
    wire::{
        codec::{self, Wire},
        error::{WireError, ensure},
    },
};

mirror_struct! {
    V1Arrival for Arrival, check check_arrival {
        index: u64,
        dedup_horizon: u64,
        past: Vec<V1PreviousHome>,
    }
    V1Ended for Ended { by: V1Id, index: u64 }
    V1PreviousHome for PreviousHome { epoch: u32, group: u32, release: u64 }
    V1Release for Release { to: u32, epoch: u32, index: u64, handed_over: bool }
    V1MovedAwayRecord for MovedAwayRecord { epoch: u32, to: Option<u32>, import: Option<V1Import> }
    V1Import for Import, check check_import {
        attempt: V1Id,
        org: V1Org,
        dedup_horizon: u64,
        past: Vec<V1PreviousHome>,
        next: u32,
        digest: [u8; 32],
        is_whole: bool,
    }
}

mirror_enum! {
    V1MovedRecord for MovedRecord, check check_moved_record {
        ApiKey(key: V1ApiKey),
        Oidc(credential: V1OidcCredential),
        Write { write_id: V1Id, record: V1WriteRecord },
        IdempotencyKey { key: Text, record: V1KeyRecord },
        Settings(settings: V1OrgSettings),
        Registration { client_id: Text, registration: V1Registration },
        Profile(profile: V1OrgProfile),
        Resource(resource: V1Resource),
        OrgKey(key: V2OrgKey),
    }
}

/// The bytes of an organization that has moved, or is moving.
#[derive(Debug, Serialize, Deserialize)]
struct V2HomeRecord {
    org: V1Org,
    arrival: Option<V1Arrival>,
    release: Option<V1Release>,
}

/// The bytes of an organization that has ended.
#[derive(Debug, Serialize, Deserialize)]
struct V3HomeRecord {
    ended: V1Ended,
    before: V2HomeRecord,
}

impl V2HomeRecord {
    fn of(record: &HomeRecord) -> Self {
        let HomeRecord { org, arrival, release, ended: _ } = record;
        Self { org: org.freeze(), arrival: arrival.freeze(), release: release.freeze() }
    }

    fn thaw(self, ended: Option<Ended>) -> Result<HomeRecord, WireError> {
        Ok(HomeRecord {
            org: Mirror::thaw(self.org)?,
            arrival: Mirror::thaw(self.arrival)?,
            release: Mirror::thaw(self.release)?,
            ended,
        })
    }
}

/// An organization that never moved keeps the bytes from before moves existed: replicas of builds
/// with and without moves have the same state until the first move.
impl Wire for HomeRecord {
    fn encode(&self) -> Vec<u8> {
        let before = V2HomeRecord::of(self);
        if let Some(ended) = self.ended {
            let frozen = V3HomeRecord { ended: ended.freeze(), before };
            return codec::encode(version::HOME, &frozen, limits::RECORD_BYTES_MAX);
        }
        if self.arrival.is_none() && self.release.is_none() {
            return self.org.encode();
        }
        codec::encode(2, &before, limits::RECORD_BYTES_MAX)
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match codec::split(bytes, limits::RECORD_BYTES_MAX)? {
            (1, payload) => Ok(Self::begun(Mirror::thaw(codec::decode::<V1Org>(payload)?)?)),
            (2, payload) => {
                let record = codec::decode::<V2HomeRecord>(payload)?.thaw(None)?;
                let moves = record.arrival.is_some() || record.release.is_some();
                ensure(moves, "record of a move")?;
                Ok(record)
            }
            (3, payload) => {
                let V3HomeRecord { ended, before } = codec::decode(payload)?;
                before.thaw(Some(Mirror::thaw(ended)?))
            }
            (found, _) => Err(WireError::Version { found }),
        }
    }
}

/// Earlier homes: at least the one that it comes from.
pub(in crate::wire) fn check_past(past: &[PreviousHome]) -> Result<(), WireError> {
    ensure((1..=limits::PAST_HOMES_MAX).contains(&past.len()), "number of earlier homes")
}

fn check_arrival(arrival: &Arrival) -> Result<(), WireError> {
    check_past(&arrival.past)
}

fn check_import(import: &Import) -> Result<(), WireError> {
    check_past(&import.past)
}

fn check_moved_record(moved_record: &MovedRecord) -> Result<(), WireError> {
    match moved_record {
        MovedRecord::IdempotencyKey { key, .. } => check_key(key),
        MovedRecord::ApiKey(_)
        | MovedRecord::Settings(_)
        | MovedRecord::Oidc(_)
        | MovedRecord::Registration { .. }
        | MovedRecord::Profile(_)
        | MovedRecord::Resource(_)
        | MovedRecord::OrgKey(_)
        | MovedRecord::Write { .. } => Ok(()),
    }
}
