//! Makes the first state of a successor from a closed group's state.
//!
//! Pure: pairs in, pairs out, in any order of keys. Every organization with its home in the closed
//! group has its home in the successor in its next epoch, with its history, its keys, its
//! credentials and all its remembered writes. An organization whose move was in progress, in either
//! direction, keeps the state of its move, in the same epoch: the other group takes part in that
//! move, and does not know of the failover. Marks of replicas are kept with their members: a region
//! that counted for `all_regions` in the closed group counts in the successor from its first entry
//! on, even while its nodes have nothing of the successor yet. Only an operator removes a region.
//!
//! # Lost writes
//! A returning node may still have a write that the successor does not have. Records of writes
//! expire, so later their absence proves nothing. Therefore the successor keeps the names of all
//! writes that it began with, for good ([`Kind::Inherited`]): a write whose name is not among them
//! was not carried over. And it cannot be added later: a write that a closed group may have is
//! never proposed to another group under its own name, but under a derived one ([`repeated_as`]).
//!
//! Each kind of record is handled here explicitly: a new kind does not compile until this file
//! handles it. It must never lose a record of an organization, or give two records one key.

use concordat_proto::{
    consistency::Position,
    id::{GroupId, OrgId, WriteId},
    limits,
    log::LogIndex,
    movement::{Arrival, Ended, HomeRecord, PreviousHome, Release},
    org::Org,
    record::{InheritedNames, KeyRecord, WriteRecord},
    reply::Applied,
    time::LogTime,
    wire::Wire,
};
use sha2::{Digest as _, Sha256};

use crate::{
    machine::query,
    planted,
    store::{
        Pair, Reader, StoreError,
        keys::{self, Kind, Parsed},
    },
};

/// The successor's first entry: its founder begins with it.
pub const FIRST_INDEX: LogIndex = LogIndex(1);

/// The feature level from which on a successor keeps the names of the writes that it begins with, and
/// the terms of the log that it is made from.
const NAMES_ARE_KEPT: u32 = 2;

/// Whether a successor may keep the names of the writes that it begins with: every member of the
/// cluster has to know records of that kind, and to propose no write under one name to two groups in
/// a line of successors. Where it may not, no write of the closed group is ever called lost.
#[must_use]
pub const fn keeps_names(level: u32) -> bool {
    level >= NAMES_ARE_KEPT
}

/// A closed group and what takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessorSpec {
    /// The closed group.
    pub closed: GroupId,
    /// Its successor.
    pub group: GroupId,
    /// The newest entry of the closed group whose positions the successor contains.
    pub safe_index: LogIndex,
    /// Whether the names of all remembered writes are kept for good: only where every member of the
    /// cluster supports records of that kind.
    pub keeps_names: bool,
}

/// The name under which a write that a closed group may have is proposed once more elsewhere, when it
/// is known that nothing of that group's state carries it over. Always the same one.
#[must_use]
pub fn repeated_as(write: WriteId, closed: GroupId) -> WriteId {
    let hash = Sha256::new()
        .chain_update(b"concordat: a write of a closed group, once more")
        .chain_update(write.to_bytes())
        .chain_update(closed.0.to_be_bytes())
        .finalize();
    let mut bytes = write.to_bytes();
    // The time, the version and the variant stay: it is a UUIDv7 like any other.
    bytes[6] = (bytes[6] & 0xf0) | (hash[6] & 0x0f);
    bytes[7] = hash[7];
    bytes[8] = (bytes[8] & 0xc0) | (hash[8] & 0x3f);
    bytes[9..].copy_from_slice(&hash[9..16]);
    WriteId::from_bytes(bytes)
}

/// What a successor's state proves about a write from before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// It did, or another write with the same kept half of the name.
    With,
    /// It remembered no such write when it began, at this log time.
    Without {
        /// A write that was over before may have been forgotten.
        log_time: LogTime,
    },
    /// The names were not kept.
    NotKept,
}

/// Whether a group among a closed one's successors began with a write of that one.
///
/// # Errors
/// When the store is broken.
pub fn began(
    reader: &dyn Reader,
    group: GroupId,
    closed: GroupId,
    write: WriteId,
) -> Result<Began, StoreError> {
    let name = InheritedNames::name(write);
    let before = name.checked_sub(1).map(|before| keys::inherited(group, closed, before));
    let found = reader.scan(&keys::inherited_of(group, closed), before.as_deref(), 1)?;
    let Some((key, value)) = found.first() else { return Ok(Began::NotKept) };
    let part: InheritedNames = query::decode(key, value)?;
    Ok(match part.names.binary_search(&name) {
        Ok(_) => Began::With,
        Err(_) => Began::Without { log_time: part.log_time },
    })
}

fn write_name(parsed: Parsed<'_>) -> Result<WriteId, StoreError> {
    let name = parsed.name.try_into();
    let name = name.map_err(|error| StoreError::caused("a write without a name", error))?;
    Ok(WriteId::from_bytes(name))
}

/// Gives away the successor's records, a few at a time, all but its position in its log.
///
/// # Errors
/// When the store is broken.
pub fn build_successor_state(
    reader: &dyn Reader,
    spec: SuccessorSpec,
    put: &mut dyn FnMut(Vec<Pair>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut pairs, mut names) = (Vec::new(), Vec::new());
    query::each(reader, &keys::group_prefix(spec.closed), |key, value| {
        spec.inherited(reader, key, value, &mut pairs)?;
        names.extend(write_of(key).map(InheritedNames::name).filter(|_| spec.keeps_names));
        if pairs.len() >= query::PAGE_PAIRS {
            put(std::mem::take(&mut pairs))?;
        }
        Ok(())
    })?;
    put(pairs)?;
    if spec.keeps_names {
        let log_time = query::applied(reader, spec.closed)?.log_time;
        for pair in spec.parts(log_time, names) {
            put(vec![pair])?;
        }
    }
    Ok(())
}

/// The write whose record a key holds.
fn write_of(key: &[u8]) -> Option<WriteId> {
    let parsed = keys::parse(key)?;
    matches!(parsed.kind, Kind::Write | Kind::MovedWrite).then(|| write_name(parsed).ok())?
}

impl SuccessorSpec {
    /// The records that keep the names. The last one has no upper bound, so there is always one
    /// that covers a name.
    fn parts(self, log_time: LogTime, mut names: Vec<u64>) -> Vec<Pair> {
        names.sort_unstable();
        names.dedup();
        let mut parts: Vec<Vec<u64>> =
            names.chunks(limits::INHERITED_NAMES_MAX).map(<[u64]>::to_vec).collect();
        let last = parts.pop().unwrap_or_default();
        let part = |up_to, names| {
            let part = InheritedNames { log_time, names };
            (keys::inherited(self.group, self.closed, up_to), part.encode())
        };
        let full = parts.into_iter().map(|names| {
            let up_to = names.last().copied().unwrap_or_default();
            part(up_to, names)
        });
        let mut pairs: Vec<Pair> = full.collect();
        pairs.push(part(u64::MAX, last));
        pairs
    }

    fn inherited(
        self,
        reader: &dyn Reader,
        key: &[u8],
        value: &[u8],
        out: &mut Vec<Pair>,
    ) -> Result<(), StoreError> {
        let parsed = keys::parse(key).ok_or_else(|| StoreError::new("a key of no known kind"))?;
        match parsed.kind {
            // Made anew by the caller and below, or of members that are not present any more.
            Kind::Applied | Kind::Expiry | Kind::Forgotten => {}
            kind if !planted::on_inherited_kind(kind) => {}
            Kind::Org => {
                let home = self.at_home(query::decode(key, value)?);
                out.push((keys::org(self.group, parsed.org), home.encode()));
            }
            Kind::Write => {
                self.landed(reader, parsed, query::decode(key, value)?, out)?;
            }
            Kind::MovedWrite => {
                let record: WriteRecord = query::decode(key, value)?;
                self.write(reader, parsed, parsed.org, record, out)?;
            }
            Kind::IdempotencyKey => {
                let mut record: KeyRecord = query::decode(key, value)?;
                record.applied = self.placed(reader, parsed.org, record.applied)?;
                let own = self.renamed(parsed);
                out.push(self.expiry(record.expires, &own));
                out.push((own, record.encode()));
            }
            Kind::ReplicaMark
            | Kind::ApiKey
            | Kind::Oidc
            | Kind::OrgSettings
            | Kind::Registration
            | Kind::CredentialNumber
            | Kind::OrgProfile
            | Kind::Resource
            | Kind::ResourceCount
            | Kind::IdempotencyCount
            | Kind::Away
            | Kind::OnMove
            | Kind::Leases
            | Kind::Inherited
            | Kind::InheritedTerms
            | Kind::PartitionPolicyRecord
            | Kind::OwnPolicyVersion
            | Kind::Suborganization
            | Kind::Ended
            | Kind::OrgNumber
            | Kind::PolicyRevision
            | Kind::FeatureLevel => out.push((self.renamed(parsed), value.to_vec())),
            Kind::Cluster
            | Kind::Region
            | Kind::Node
            | Kind::OperatorKey
            | Kind::ClosedGroup
            | Kind::Domain
            | Kind::DomainOf
            | Kind::Policies
            | Kind::RegionName => {
                return Err(StoreError::new("a record of the system group in a home group"));
            }
        }
        Ok(())
    }

    fn renamed(self, parsed: Parsed<'_>) -> Vec<u8> {
        keys::key(self.group, parsed.org, parsed.kind, parsed.name)
    }

    fn expiry(self, expires: LogTime, key: &[u8]) -> Pair {
        (keys::expiry(self.group, expires, key), Vec::new())
    }

    /// An organization of the closed group in the successor.
    fn at_home(self, home: HomeRecord) -> HomeRecord {
        let HomeRecord { org, arrival, release, ended } = home;
        let ended = ended.map(|ended| Ended { index: FIRST_INDEX, ..ended });
        let dedup_horizon =
            arrival.as_ref().map(|arrival| arrival.dedup_horizon).unwrap_or_default();
        let mut past = arrival.map(|arrival| arrival.past).unwrap_or_default();
        let until = release.map_or(self.safe_index, |release| release.index);
        past.push(PreviousHome { epoch: org.epoch, group: self.closed, release: until });
        let surplus = past.len().saturating_sub(limits::PAST_HOMES_MAX);
        past.drain(..surplus);
        let arrival = Some(Arrival { index: FIRST_INDEX, dedup_horizon, past });
        match release {
            // Frozen: it gets no writes here, and the other group knows it by this epoch.
            Some(release) => {
                let release = Some(Release { index: FIRST_INDEX, ..release });
                HomeRecord { org, arrival, release, ended }
            }
            None => {
                let org = Org { epoch: org.epoch.saturating_add(1), ..org };
                HomeRecord { org, arrival, release: None, ended }
            }
        }
    }

    /// A write that landed in the closed group: its organization's, if that is here, as one that has
    /// moved; else the cluster's own.
    fn landed(
        self,
        reader: &dyn Reader,
        parsed: Parsed<'_>,
        record: WriteRecord,
        out: &mut Vec<Pair>,
    ) -> Result<(), StoreError> {
        if let Some(org) = record.org
            && query::home(reader, self.closed, org)?.is_some()
        {
            // One that came back with its organization has its first position there.
            let name = write_name(parsed)?;
            return match reader.get(&keys::moved_write(self.closed, org, name))? {
                Some(_) => Ok(()),
                None => self.write(reader, parsed, org, record, out),
            };
        }
        let mut applied = Applied { index: FIRST_INDEX, ..record.applied.clone() };
        if let (Some(org), None) = (record.org, applied.position) {
            // It has left; its last stay here was in the epoch before the one it left for.
            let away = query::away(reader, self.closed, org)?;
            let epoch = away.map_or(0, |away| away.epoch.saturating_sub(1));
            let index = record.applied.index;
            applied.position = Some(Position { epoch, group: self.closed, index, term: None });
        }
        let own = self.renamed(parsed);
        out.push(self.expiry(record.expires, &own));
        out.push((own, WriteRecord { applied, ..record }.encode()));
        Ok(())
    }

    fn write(
        self,
        reader: &dyn Reader,
        parsed: Parsed<'_>,
        org: OrgId,
        record: WriteRecord,
        out: &mut Vec<Pair>,
    ) -> Result<(), StoreError> {
        let applied = self.placed(reader, org, record.applied)?;
        let own = keys::moved_write(self.group, org, write_name(parsed)?);
        out.push(self.expiry(record.expires, &own));
        out.push((own, WriteRecord { applied, ..record }.encode()));
        Ok(())
    }

    /// An answer that keeps its position wherever it goes.
    fn placed(
        self,
        reader: &dyn Reader,
        org: OrgId,
        mut applied: Applied,
    ) -> Result<Applied, StoreError> {
        if applied.position.is_none() {
            let home = query::home(reader, self.closed, org)?;
            let epoch = home.map_or(0, |home| home.org.epoch);
            let (group, index) = (self.closed, applied.index);
            applied.position = Some(Position { epoch, group, index, term: None });
        }
        Ok(applied)
    }
}
