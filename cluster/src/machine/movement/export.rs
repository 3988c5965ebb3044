//! The export of a moving organization: all its records in its old home's state, in parts.
//!
//! Read from one snapshot of the state in which the move's freeze is applied. Each kind of record
//! is handled here explicitly: a new kind does not compile until this file handles it.

use std::ops::ControlFlow;

use concordat_proto::{
    command::RequestDigest,
    consistency::Position,
    id::{GroupId, OrgId, WriteId},
    key::OrgKey,
    limits,
    movement::{HomeRecord, MovedRecord, PreviousHome},
    org::Org,
    record::{KeyRecord, WriteRecord},
    region::Region,
    reply::Applied,
    time::LogTime,
    wire::Wire,
};

use crate::{
    machine::{movement, query, registered},
    store::{
        Reader, StoreError,
        keys::{self, Kind},
    },
};

/// The first message of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The organization as it will be in its new home.
    pub org: Org,
    /// Its earlier homes; the last one has released it.
    pub past: Vec<PreviousHome>,
    /// The log time up to which records may have expired.
    pub dedup_horizon: LogTime,
}

/// Some records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub sequence: u32,
    /// The records.
    pub moved_records: Vec<MovedRecord>,
    /// Whether this is the last part.
    pub is_last: bool,
    /// A hash over this part and all before it.
    pub digest: RequestDigest,
}

/// The head of a released organization's export; `None` when it was not released here in this epoch.
///
/// # Errors
/// When the store is broken.
pub fn head(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    epoch: u32,
    home_region: Region,
) -> Result<Option<Head>, StoreError> {
    let home = query::home(reader, group, org)?;
    let Some(home) = home.filter(|home| home.release.is_some_and(|it| it.epoch == epoch)) else {
        return Ok(None);
    };
    let past = movement::past_of(group, &home);
    // Records that had expired before it came here stay expired.
    let inherited =
        home.arrival.as_ref().map_or(LogTime::default(), |arrival| arrival.dedup_horizon);
    let dedup_horizon = query::applied(reader, group)?.log_time.max(inherited);
    Ok(Some(Head { org: Org { epoch, home_region, ..home.org }, past, dedup_horizon }))
}

/// Gives a released organization's records away, part by part, as long as they are wanted. There is
/// always a last part, if an empty one.
///
/// # Errors
/// When the store is broken.
pub fn parts(
    reader: &dyn Reader,
    group: GroupId,
    home: &HomeRecord,
    send: &mut dyn FnMut(Part) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut packer = Packer {
        group,
        home,
        log_time: query::applied(reader, group)?.log_time,
        send,
        is_wanted: true,
        moved_records: Vec::new(),
        bytes: 0,
        sequence: 0,
        digest: RequestDigest::default(),
    };
    // First writes of this group, then those that had moved here: of two records of one write the
    // later counts.
    query::each(reader, &keys::kind_prefix(group, keys::NO_ORG, Kind::Write), |key, value| {
        packer.landed(key, value)
    })?;
    query::each(reader, &keys::org_prefix(group, home.org.id), |key, value| {
        packer.own(key, value)
    })?;
    packer.close(true);
    Ok(())
}

/// Collects records into parts.
struct Packer<'a> {
    group: GroupId,
    home: &'a HomeRecord,
    log_time: LogTime,
    send: &'a mut dyn FnMut(Part) -> ControlFlow<()>,
    is_wanted: bool,
    moved_records: Vec<MovedRecord>,
    bytes: usize,
    sequence: u32,
    digest: RequestDigest,
}

impl Packer<'_> {
    /// A remembered write that landed in the group.
    fn landed(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let record: WriteRecord = query::decode(key, value)?;
        if record.org == Some(self.home.org.id) {
            self.write(key, record)?;
        }
        Ok(())
    }

    /// A record of the organization.
    fn own(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let parsed = keys::parse(key).ok_or_else(|| StoreError::new("a key of no known kind"))?;
        match parsed.kind {
            Kind::ApiKey => {
                // As every build reads it, where it can be.
                self.pack(match query::decode::<OrgKey>(key, value)? {
                    key if key.is_plain() => MovedRecord::ApiKey(key.key),
                    key => MovedRecord::OrgKey(Box::new(key)),
                });
            }
            Kind::Oidc => self.pack(MovedRecord::Oidc(query::decode(key, value)?)),
            Kind::OrgSettings => self.pack(MovedRecord::Settings(query::decode(key, value)?)),
            Kind::OrgProfile => self.pack(MovedRecord::Profile(query::decode(key, value)?)),
            Kind::Resource => {
                self.pack(MovedRecord::Resource(Box::new(query::decode(key, value)?)));
            }
            Kind::Registration => {
                let client_id = registered::client_id(parsed.name)?;
                let registration = query::decode(key, value)?;
                self.pack(MovedRecord::Registration { client_id, registration });
            }
            Kind::MovedWrite => self.write(key, query::decode(key, value)?)?,
            Kind::IdempotencyKey => {
                let mut record: KeyRecord = query::decode(key, value)?;
                let text = String::from_utf8(parsed.name.to_vec())
                    .map_err(|error| StoreError::caused("reading an idempotency key", error))?;
                if record.expires >= self.log_time {
                    record.applied = self.placed(record.applied);
                    self.pack(MovedRecord::IdempotencyKey { key: text, record });
                }
            }
            // The first moves in the head; the second belongs to those that are not here; the next
            // two are counted anew, and the last two are made anew from registrations and resources.
            Kind::Org
            | Kind::Away
            | Kind::IdempotencyCount
            | Kind::ResourceCount
            | Kind::CredentialNumber
            | Kind::OwnPolicyVersion => {}
            Kind::Applied
            | Kind::Write
            | Kind::Expiry
            | Kind::Forgotten
            | Kind::OnMove
            | Kind::ReplicaMark
            | Kind::Leases
            | Kind::Cluster
            | Kind::Region
            | Kind::Node
            | Kind::OperatorKey
            | Kind::ClosedGroup
            | Kind::Inherited
            | Kind::InheritedTerms
            | Kind::PartitionPolicyRecord
            | Kind::FeatureLevel
            | Kind::PolicyRevision
            | Kind::Policies
            | Kind::Suborganization
            | Kind::Ended
            | Kind::OrgNumber
            | Kind::Domain
            | Kind::DomainOf
            | Kind::RegionName => {
                return Err(StoreError::new("a record that belongs to no organization"));
            }
        }
        Ok(())
    }

    fn write(&mut self, key: &[u8], mut record: WriteRecord) -> Result<(), StoreError> {
        let name = keys::parse(key).and_then(|parsed| parsed.name.try_into().ok());
        let name = name.ok_or_else(|| StoreError::new("a write without a name"))?;
        if record.expires >= self.log_time {
            record.applied = self.placed(record.applied);
            self.pack(MovedRecord::Write { write_id: WriteId::from_bytes(name), record });
        }
        Ok(())
    }

    /// An answer that keeps its position wherever it goes.
    fn placed(&self, mut applied: Applied) -> Applied {
        // It has one already where its term is known.
        let (epoch, group, index) = (self.home.org.epoch, self.group, applied.index);
        applied.position.get_or_insert(Position { epoch, group, index, term: None });
        applied
    }

    fn pack(&mut self, moved_record: MovedRecord) {
        let bytes = moved_record.encode().len();
        let is_full = self.bytes + bytes > limits::IMPORT_CHUNK_BYTES_MAX
            || self.moved_records.len() >= limits::IMPORT_CHUNK_ITEMS_MAX;
        if is_full && !self.moved_records.is_empty() {
            self.close(false);
        }
        self.bytes += bytes;
        self.moved_records.push(moved_record);
    }

    fn close(&mut self, is_last: bool) {
        let moved_records = std::mem::take(&mut self.moved_records);
        self.bytes = 0;
        self.digest = movement::digest_part(&self.digest, &moved_records);
        let part = Part { sequence: self.sequence, moved_records, is_last, digest: self.digest };
        self.sequence += 1;
        if self.is_wanted {
            self.is_wanted = (self.send)(part).is_continue();
        }
    }
}
