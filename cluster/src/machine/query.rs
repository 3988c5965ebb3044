//! Typed reads of the state, over the newest state, a snapshot or an overlay alike.
//!
//! Nothing here decides or changes anything. Bytes that cannot be read are a fault, never an
//! absence.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    failover::ClosedGroup,
    id::{ClientId, GroupId, NodeId, OrgId, WriteId},
    key::OrgKey,
    lease::{LeaseRecord, ReplicaMark},
    movement::{HomeRecord, MovedAwayRecord},
    oidc::{OidcCredential, Provider},
    org::{
        ApiKey, ClusterRecord, KeyHash, NodeRecord, OrgSettings, PartitionPolicyRecord,
        RegionRecord, RegionState,
    },
    record::{AppliedRecord, InheritedTerms, KeyRecord, WriteRecord},
    region::Region,
    reply::Applied,
    version,
    wire::Wire,
};

use super::list::{Collector, Part, Wanted};
use crate::store::{
    Reader, StoreError,
    keys::{self, Kind},
};

/// Pairs read from a store at a time.
pub(super) const PAGE_PAIRS: usize = 256;

/// An organization in a home group that has its records, whether or not it is leaving.
///
/// # Errors
/// When the store is broken.
pub fn home(
    reader: &dyn Reader,
    group: GroupId,
    id: OrgId,
) -> Result<Option<HomeRecord>, StoreError> {
    load(reader, &keys::org(group, id))
}

/// A group's record of an organization that is elsewhere.
///
/// # Errors
/// When the store is broken.
pub fn away(
    reader: &dyn Reader,
    group: GroupId,
    id: OrgId,
) -> Result<Option<MovedAwayRecord>, StoreError> {
    load(reader, &keys::away(group, id))
}

/// The organizations that are being moved from or to a group, in order of id.
///
/// # Errors
/// When the store is broken.
pub fn on_move(reader: &dyn Reader, group: GroupId) -> Result<Vec<OrgId>, StoreError> {
    let mut found = Vec::new();
    each(reader, &keys::kind_prefix(group, keys::NO_ORG, Kind::OnMove), |key, _| {
        found.push(moved_org(key)?);
        Ok(())
    })?;
    Ok(found)
}

/// Some of the organizations that are being moved from or to a group: those after `after` in order
/// of id, at most `limit`.
///
/// # Errors
/// When the store is broken.
pub fn on_move_after(
    reader: &dyn Reader,
    group: GroupId,
    after: Option<OrgId>,
    limit: usize,
) -> Result<Vec<OrgId>, StoreError> {
    let prefix = keys::kind_prefix(group, keys::NO_ORG, Kind::OnMove);
    let after = after.map(|org| keys::on_move(group, org));
    let pairs = reader.scan(&prefix, after.as_deref(), limit)?;
    pairs.iter().map(|(key, _)| moved_org(key)).collect()
}

fn moved_org(key: &[u8]) -> Result<OrgId, StoreError> {
    let name = keys::parse(key).and_then(|parsed| parsed.name.try_into().ok());
    name.map(OrgId::from_bytes).ok_or_else(|| StoreError::new("a move of no organization"))
}

/// The claim of an organization; that of one that has ended, too.
///
/// # Errors
/// When the store is broken.
pub fn claim(reader: &dyn Reader, id: OrgId) -> Result<Option<HomeRecord>, StoreError> {
    home(reader, GroupId::SYSTEM, id)
}

/// A group's organizations in order of id, those after `after`, at most `limit`.
///
/// # Errors
/// When the store is broken.
pub fn homes(
    reader: &dyn Reader,
    group: GroupId,
    after: Option<OrgId>,
    limit: usize,
) -> Result<Vec<HomeRecord>, StoreError> {
    let prefix = keys::group_prefix(group);
    let mut begin = after.map(|org| keys::after_org(group, org));
    let mut found = Vec::new();
    // An organization's keys are adjacent, whatever their kind: look at the first, skip the rest.
    while found.len() < limit {
        let first = reader.scan(&prefix, begin.as_deref(), 1)?;
        let Some((key, _)) = first.first() else { break };
        let parsed = keys::parse(key).ok_or_else(|| StoreError::new("a key of no known kind"))?;
        found.extend(home(reader, group, parsed.org)?);
        begin = Some(keys::after_org(group, parsed.org));
    }
    Ok(found)
}

/// The claims in order of organization, those of ended ones among them; those after `after`, at most
/// `limit`.
///
/// # Errors
/// When the store is broken.
pub fn claims(
    reader: &dyn Reader,
    after: Option<OrgId>,
    limit: usize,
) -> Result<Vec<HomeRecord>, StoreError> {
    homes(reader, GroupId::SYSTEM, after, limit)
}

/// An organization's API key.
///
/// # Errors
/// When the store is broken.
pub fn api_key(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    hash: &KeyHash,
) -> Result<Option<OrgKey>, StoreError> {
    load(reader, &keys::api_key(group, org, hash))
}

/// The mark of one replica in a group's log.
///
/// # Errors
/// When the store is broken.
pub fn replica_mark(
    reader: &dyn Reader,
    group: GroupId,
    node: NodeId,
) -> Result<Option<ReplicaMark>, StoreError> {
    load(reader, &keys::replica_mark(group, node))
}

/// The marks of all replicas in a group's log.
///
/// # Errors
/// When the store is broken.
pub fn replica_marks(
    reader: &dyn Reader,
    group: GroupId,
) -> Result<BTreeMap<NodeId, ReplicaMark>, StoreError> {
    let mut found = BTreeMap::new();
    each(reader, &keys::kind_prefix(group, keys::NO_ORG, Kind::ReplicaMark), |key, value| {
        let name = keys::parse(key).and_then(|parsed| parsed.name.first_chunk::<8>().copied());
        let node = name.ok_or_else(|| StoreError::new("a replica's mark of no node"))?;
        found.insert(NodeId(u64::from_be_bytes(node)), decode(key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// A group's lease terms; the default ones until some are set.
///
/// # Errors
/// When the store is broken.
pub fn leases(reader: &dyn Reader, group: GroupId) -> Result<LeaseRecord, StoreError> {
    Ok(load(reader, &keys::leases(group))?.unwrap_or_default())
}

/// The settings that an organization has chosen.
///
/// # Errors
/// When the store is broken.
pub fn org_settings(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
) -> Result<OrgSettings, StoreError> {
    Ok(load(reader, &keys::org_settings(group, org))?.unwrap_or_default())
}

/// An operator's key.
///
/// # Errors
/// When the store is broken.
pub fn operator_key(reader: &dyn Reader, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
    load(reader, &keys::operator_key(hash))
}

/// All operators' keys, in order of hash.
///
/// # Errors
/// When the store is broken.
pub fn operator_keys(reader: &dyn Reader) -> Result<Vec<ApiKey>, StoreError> {
    let mut found = Vec::new();
    each(reader, &system_prefix(Kind::OperatorKey), |key, value| {
        found.push(decode(key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// An OIDC credential.
///
/// # Errors
/// When the store is broken.
pub fn oidc(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    client_id: &ClientId,
) -> Result<Option<OidcCredential>, StoreError> {
    load(reader, &keys::oidc(group, org, client_id))
}

/// A part of an organization's OIDC credentials, in order of client id; only those of a provider, where one is
/// given.
///
/// # Errors
/// When the store is broken.
pub fn oidc_part(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    provider: Option<Provider>,
    wanted: Wanted<'_>,
) -> Result<Part<OidcCredential>, StoreError> {
    let mut part = Collector::new(wanted);
    each(reader, &keys::kind_prefix(group, org, Kind::Oidc), |key, value| {
        let credential: OidcCredential = decode(key, value)?;
        if provider.is_some_and(|provider| provider != credential.provider) {
            return Ok(());
        }
        let name = credential.client_id.clone();
        part.offer(name.as_str(), value.len(), || Ok(credential))
    })?;
    Ok(part.finish())
}

/// The cluster, once it is formed.
///
/// # Errors
/// When the store is broken.
pub fn cluster(reader: &dyn Reader) -> Result<Option<ClusterRecord>, StoreError> {
    load(reader, &keys::cluster())
}

/// A region.
///
/// # Errors
/// When the store is broken.
pub fn region(reader: &dyn Reader, region: &Region) -> Result<Option<RegionRecord>, StoreError> {
    load(reader, &keys::region(region))
}

/// The feature level in a group's log.
///
/// # Errors
/// When the store is broken.
pub fn feature_level(reader: &dyn Reader, group: GroupId) -> Result<u32, StoreError> {
    if group == GroupId::SYSTEM {
        return Ok(cluster(reader)?.map_or(version::FEATURE_LEVEL_FIRST, |it| it.feature_level));
    }
    let noted: Option<u64> = load(reader, &keys::feature_level(group))?;
    let noted = noted.and_then(|level| u32::try_from(level).ok());
    Ok(noted.unwrap_or(version::FEATURE_LEVEL_FIRST))
}

/// The terms of the log that a closed group's successor was made from, as a group in its line of
/// successors has kept them; nothing where they were not kept.
///
/// # Errors
/// When the store is broken.
pub fn inherited_terms(
    reader: &dyn Reader,
    group: GroupId,
    closed: GroupId,
) -> Result<Option<InheritedTerms>, StoreError> {
    load(reader, &keys::inherited_terms(group, closed))
}

/// A home group's partition policy.
///
/// # Errors
/// When the store is broken.
pub fn partition_policy(
    reader: &dyn Reader,
    group: GroupId,
) -> Result<PartitionPolicyRecord, StoreError> {
    Ok(load(reader, &keys::partition_policy(group))?.unwrap_or_default())
}

/// The record of a closed group.
///
/// # Errors
/// When the store is broken.
pub fn closed_group(
    reader: &dyn Reader,
    group: GroupId,
) -> Result<Option<ClosedGroup>, StoreError> {
    load(reader, &keys::closed_group(group))
}

/// All closed groups, in order of number.
///
/// # Errors
/// When the store is broken.
pub fn closed_groups(reader: &dyn Reader) -> Result<Vec<ClosedGroup>, StoreError> {
    let mut found = Vec::new();
    each(reader, &system_prefix(Kind::ClosedGroup), |key, value| {
        found.push(decode(key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// All regions, in order of name.
///
/// # Errors
/// When the store is broken.
pub fn regions(reader: &dyn Reader) -> Result<Vec<RegionRecord>, StoreError> {
    let mut found = Vec::new();
    each(reader, &system_prefix(Kind::Region), |key, value| {
        found.push(decode(key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// The names of the regions that nodes may join in: the recorded ones; where none is recorded, those
/// of the regions that are there.
///
/// # Errors
/// When the store is broken.
pub fn region_names(reader: &dyn Reader) -> Result<BTreeSet<Region>, StoreError> {
    let recorded = recorded_names(reader)?;
    if !recorded.is_empty() {
        return Ok(recorded);
    }
    let there = regions(reader)?.into_iter();
    let there = there.filter(|record| record.state != RegionState::Removed);
    Ok(there.map(|record| record.region).collect())
}

/// The recorded names of regions.
pub(super) fn recorded_names(reader: &dyn Reader) -> Result<BTreeSet<Region>, StoreError> {
    let mut names = BTreeSet::new();
    each(reader, &system_prefix(Kind::RegionName), |key, _| {
        let name = keys::parse(key).and_then(|parsed| std::str::from_utf8(parsed.name).ok());
        let name = name.and_then(|name| Region::new(name).ok());
        names.insert(name.ok_or_else(|| StoreError::new("the name of no region"))?);
        Ok(())
    })?;
    Ok(names)
}

/// A node.
///
/// # Errors
/// When the store is broken.
pub fn node(reader: &dyn Reader, id: NodeId) -> Result<Option<NodeRecord>, StoreError> {
    load(reader, &keys::node(id))
}

/// All nodes that ever registered, the replaced ones too.
///
/// # Errors
/// When the store is broken.
pub fn nodes(reader: &dyn Reader) -> Result<BTreeMap<NodeId, NodeRecord>, StoreError> {
    let mut found = BTreeMap::new();
    each(reader, &system_prefix(Kind::Node), |key, value| {
        let node: NodeRecord = decode(key, value)?;
        found.insert(node.id, node);
        Ok(())
    })?;
    Ok(found)
}

/// A remembered write that landed in this group.
///
/// # Errors
/// When the store is broken.
pub fn write(
    reader: &dyn Reader,
    group: GroupId,
    write_id: WriteId,
) -> Result<Option<WriteRecord>, StoreError> {
    load(reader, &keys::write(group, write_id))
}

/// A remembered write of an organization, whether it landed in this group or moved here; `home` is
/// the organization's record in this group.
///
/// # Errors
/// When the store is broken.
pub fn remembered(
    reader: &dyn Reader,
    group: GroupId,
    home: Option<&HomeRecord>,
    write_id: WriteId,
) -> Result<Option<WriteRecord>, StoreError> {
    if let Some(home) = home.filter(|home| home.arrival.is_some()) {
        let key = keys::moved_write(group, home.org.id, write_id);
        let moved: Option<WriteRecord> = load(reader, &key)?;
        if let Some(WriteRecord { expires, org, applied }) = moved {
            return Ok(Some(WriteRecord { expires, org, applied: seen_from(applied, home) }));
        }
    }
    write(reader, group, write_id)
}

/// A result from an earlier home is visible in this one since the organization's arrival.
pub(super) fn seen_from(mut applied: Applied, home: &HomeRecord) -> Applied {
    let is_earlier = applied.position.is_some_and(|position| home.is_earlier(&position));
    if let Some(arrival) = home.arrival.as_ref().filter(|_| is_earlier) {
        applied.index = arrival.index;
    }
    applied
}

/// The remembered result of a request with an idempotency key, [`seen_from`] the organization's
/// present home; none once it has expired. `org` is [`keys::NO_ORG`] for operators' writes to the
/// system group.
///
/// # Errors
/// When the store is broken.
pub fn remembered_key(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    home: Option<&HomeRecord>,
    text: &str,
) -> Result<Option<KeyRecord>, StoreError> {
    let log_time = applied(reader, group)?.log_time;
    let record: Option<KeyRecord> = load(reader, &keys::idempotency_key(group, org, text))?;
    Ok(record.filter(|record| record.expires >= log_time).map(|record| match home {
        Some(home) => KeyRecord { applied: seen_from(record.applied, home), ..record },
        None => record,
    }))
}

/// The number of an organization's idempotency keys (in the system group: the operators', under
/// [`keys::NO_ORG`]).
///
/// # Errors
/// When the store is broken.
pub fn idempotency_keys(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
) -> Result<u64, StoreError> {
    Ok(load(reader, &keys::idempotency_count(group, org))?.unwrap_or(0))
}

/// The applied position of a group's state; the default before its first entry.
///
/// # Errors
/// When the store is broken.
pub fn applied(reader: &dyn Reader, group: GroupId) -> Result<AppliedRecord, StoreError> {
    Ok(load(reader, &keys::applied(group))?.unwrap_or_default())
}

/// The record at a key.
pub(super) fn load<T: Wire>(reader: &dyn Reader, key: &[u8]) -> Result<Option<T>, StoreError> {
    reader.get(key)?.map(|bytes| decode(key, &bytes)).transpose()
}

/// A record; the key is for the error's text.
pub(super) fn decode<T: Wire>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    T::decode(bytes).map_err(|error| {
        let kind = keys::parse(key).map(|parsed| parsed.kind);
        StoreError::caused(format!("a record of kind {kind:?} cannot be read"), error)
    })
}

/// Every pair under a prefix, in order of key, read in pages.
pub(super) fn each(
    reader: &dyn Reader,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let pairs = reader.scan(prefix, after.as_deref(), PAGE_PAIRS)?;
        for (key, value) in &pairs {
            visit(key, value)?;
        }
        if pairs.len() < PAGE_PAIRS {
            return Ok(());
        }
        after = pairs.into_iter().last().map(|(key, _)| key);
    }
}

fn system_prefix(kind: Kind) -> Vec<u8> {
    keys::kind_prefix(GroupId::SYSTEM, keys::NO_ORG, kind)
}
