//! The layout of keys: `group u32 | org 16 bytes | kind u8 | name`, big-endian, so that a group, an
//! organization and a kind are each one range.
//!
//! Pure; never reads a value.

use concordat_proto::{
    id::{ClientId, GroupId, NodeId, OrgId, WriteId},
    region::Region,
    registration::Number,
    resource::{ResourceKind, ResourceName},
    time::LogTime,
};

/// Where a key has its organization, and its kind.
const ORG_AT: usize = 4;
const KIND_AT: usize = 20;

/// The kind of record that a key holds. The numbers are on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The group's `AppliedRecord` (no organization, no name).
    Applied = 0,
    /// An `Org`: in the system group its claim, in a home group the organization itself.
    Org = 1,
    /// An `OrgKey`, by its hash.
    ApiKey = 2,
    /// An `OidcCredential`, by client id.
    Oidc = 3,
    /// A `WriteRecord`, by write id (no organization in the key: ids are unique).
    Write = 4,
    /// A `KeyRecord`, by the idempotency key's text.
    IdempotencyKey = 5,
    /// How many live idempotency keys the organization has (u64).
    IdempotencyCount = 6,
    /// The key of a record that expires, by `expires u64 | key`; the value is empty.
    Expiry = 7,
    /// The newest key of [`Kind::Expiry`] that was processed (no organization, no name): the next
    /// search begins there, so that it never walks over keys that the store has already deleted.
    Forgotten = 8,
    /// A `ReplicaMark` of the group, by node (no organization).
    ReplicaMark = 12,
    /// The group's `LeaseRecord` (no organization, no name).
    Leases = 13,
    /// An `MovedAwayRecord`: the organization was here, or is coming.
    Away = 9,
    /// A `WriteRecord` that moved here with its organization, by write id.
    MovedWrite = 10,
    /// An organization is being moved from or to this group (no organization in the key, its id is
    /// the name); the value is empty.
    OnMove = 11,
    /// The `ClusterRecord` (system group).
    Cluster = 16,
    /// A `RegionRecord`, by name (system group).
    Region = 17,
    /// A `NodeRecord`, by id (system group).
    Node = 18,
    /// An operator's `ApiKey`, by hash (system group).
    OperatorKey = 19,
    /// A `ClosedGroup`, by the group's number (system group).
    ClosedGroup = 20,
    /// The feature level that a home group's log has noted (u64; no organization, no name).
    FeatureLevel = 21,
    /// An `InheritedNames`, by the closed group's number and the greatest name in this part (no
    /// organization).
    Inherited = 22,
    /// A region of this name may have nodes (system group); the value is empty.
    RegionName = 23,
    /// An `InheritedTerms`, by the closed group's number (no organization).
    InheritedTerms = 24,
    /// A credential's `Registration`, by client id.
    Registration = 25,
    /// The client id of a credential, as its bytes, by its number.
    CredentialNumber = 26,
    /// An `OrgProfile` (no name).
    OrgProfile = 27,
    /// The organization that has an enterprise domain, as the bytes of its id, by the domain (system
    /// group; no organization).
    Domain = 28,
    /// An organization's enterprise domain, as text (system group; no name).
    DomainOf = 29,
    /// A `Resource`, by its kind's byte and its name.
    Resource = 30,
    /// The number of resources of a kind that an organization has (u64), by the kind's byte.
    ResourceCount = 31,
    /// The cluster-wide `PolicySetRecord` (system group; no organization, no name).
    Policies = 32,
    /// The revision of the cluster-wide set of policies (u64; no organization, no name): in the system group
    /// the newest one, in a home group the one that its log has noted.
    PolicyRevision = 33,
    /// The version of the organization's own set of policies, as the bytes of its write id (no name). There
    /// is none where none was ever set, so that the look-up of most requests finds nothing.
    OwnPolicyVersion = 34,
    /// A suborganization of an organization in this group, by the ids of both (no organization in the key);
    /// the value is empty. It is made from the parent's resource.
    Suborganization = 35,
    /// An organization of this group has ended, and its claim has not yet (no organization in the key, its id is
    /// the name); the value is empty.
    Ended = 36,
    /// The organization that an entry of this group has given a number, as the bytes of its id, by the number (no
    /// organization in the key). It stays where the organization moves to another group, or ends.
    OrgNumber = 37,
    /// The home group's `PartitionPolicyRecord` (no organization, no name).
    PartitionPolicyRecord = 14,
    /// An `OrgSettings` (no name).
    OrgSettings = 15,
}

impl Kind {
    /// The kind by its number.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Applied,
            1 => Self::Org,
            2 => Self::ApiKey,
            3 => Self::Oidc,
            4 => Self::Write,
            5 => Self::IdempotencyKey,
            6 => Self::IdempotencyCount,
            7 => Self::Expiry,
            8 => Self::Forgotten,
            12 => Self::ReplicaMark,
            13 => Self::Leases,
            9 => Self::Away,
            10 => Self::MovedWrite,
            11 => Self::OnMove,
            16 => Self::Cluster,
            17 => Self::Region,
            18 => Self::Node,
            19 => Self::OperatorKey,
            20 => Self::ClosedGroup,
            21 => Self::FeatureLevel,
            22 => Self::Inherited,
            23 => Self::RegionName,
            24 => Self::InheritedTerms,
            25 => Self::Registration,
            26 => Self::CredentialNumber,
            27 => Self::OrgProfile,
            28 => Self::Domain,
            29 => Self::DomainOf,
            30 => Self::Resource,
            31 => Self::ResourceCount,
            32 => Self::Policies,
            33 => Self::PolicyRevision,
            34 => Self::OwnPolicyVersion,
            35 => Self::Suborganization,
            36 => Self::Ended,
            37 => Self::OrgNumber,
            14 => Self::PartitionPolicyRecord,
            15 => Self::OrgSettings,
            _ => return None,
        })
    }
}

/// The organization in keys of records that belong to no organization.
pub const NO_ORG: OrgId = OrgId::from_bytes([0; 16]);
/// Bytes before the name.
pub const HEAD_BYTES: usize = 21;

/// All keys of a group.
#[must_use]
pub fn group_prefix(group: GroupId) -> Vec<u8> {
    group.0.to_be_bytes().to_vec()
}

/// All keys of an organization in a group.
#[must_use]
pub fn org_prefix(group: GroupId, org: OrgId) -> Vec<u8> {
    let mut key = group_prefix(group);
    key.extend_from_slice(&org.to_bytes());
    key
}

/// All keys of a kind in an organization.
#[must_use]
pub fn kind_prefix(group: GroupId, org: OrgId, kind: Kind) -> Vec<u8> {
    let mut key = org_prefix(group, org);
    key.push(kind as u8);
    key
}

/// One key.
#[must_use]
pub fn key(group: GroupId, org: OrgId, kind: Kind, name: &[u8]) -> Vec<u8> {
    let mut key = kind_prefix(group, org, kind);
    key.extend_from_slice(name);
    key
}

/// The group's `AppliedRecord`.
#[must_use]
pub fn applied(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Applied, &[])
}

/// An organization's record or claim.
#[must_use]
pub fn org(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::Org, &[])
}

/// A credential.
#[must_use]
pub fn oidc(group: GroupId, org: OrgId, client_id: &ClientId) -> Vec<u8> {
    key(group, org, Kind::Oidc, client_id.as_str().as_bytes())
}

/// A credential's registration.
#[must_use]
pub fn registration(group: GroupId, org: OrgId, client_id: &ClientId) -> Vec<u8> {
    key(group, org, Kind::Registration, client_id.as_str().as_bytes())
}

/// The client id of the credential with a number.
#[must_use]
pub fn credential_number(group: GroupId, org: OrgId, number: Number) -> Vec<u8> {
    key(group, org, Kind::CredentialNumber, &number.0.to_be_bytes())
}

/// The profile of an organization.
#[must_use]
pub fn org_profile(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::OrgProfile, &[])
}

/// All resources of a kind in an organization.
#[must_use]
pub fn resources(group: GroupId, org: OrgId, kind: ResourceKind) -> Vec<u8> {
    key(group, org, Kind::Resource, &[kind.to_u8()])
}

/// A resource.
#[must_use]
pub fn resource(group: GroupId, org: OrgId, kind: ResourceKind, name: &ResourceName) -> Vec<u8> {
    let mut key = resources(group, org, kind);
    key.extend_from_slice(name.as_str().as_bytes());
    key
}

/// The number of resources of a kind that an organization has.
#[must_use]
pub fn resource_count(group: GroupId, org: OrgId, kind: ResourceKind) -> Vec<u8> {
    key(group, org, Kind::ResourceCount, &[kind.to_u8()])
}

/// The cluster-wide set of policies.
#[must_use]
pub fn policies() -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::Policies, &[])
}

/// The revision of the cluster-wide set of policies, as a group knows it.
#[must_use]
pub fn policy_revision(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::PolicyRevision, &[])
}

/// The mark that the claim of an organization is to end.
#[must_use]
pub fn ended(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Ended, &org.to_bytes())
}

/// The organization that was given a number in a group.
#[must_use]
pub fn org_number(group: GroupId, number: Number) -> Vec<u8> {
    key(group, NO_ORG, Kind::OrgNumber, &number.0.to_be_bytes())
}

/// All suborganizations of an organization.
#[must_use]
pub fn suborganizations_of(group: GroupId, parent: OrgId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Suborganization, &parent.to_bytes())
}

/// A suborganization of an organization.
#[must_use]
pub fn suborganization(group: GroupId, parent: OrgId, child: OrgId) -> Vec<u8> {
    let mut key = suborganizations_of(group, parent);
    key.extend_from_slice(&child.to_bytes());
    key
}

/// The version of an organization's own set of policies.
#[must_use]
pub fn own_policy_version(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::OwnPolicyVersion, &[])
}

/// The organization that has an enterprise domain.
#[must_use]
pub fn domain(domain: &str) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::Domain, domain.as_bytes())
}

/// An organization's enterprise domain.
#[must_use]
pub fn domain_of(org: OrgId) -> Vec<u8> {
    key(GroupId::SYSTEM, org, Kind::DomainOf, &[])
}

/// An API key by its hash.
#[must_use]
pub fn api_key(group: GroupId, org: OrgId, hash: &[u8; 32]) -> Vec<u8> {
    key(group, org, Kind::ApiKey, hash)
}

/// The settings of an organization.
#[must_use]
pub fn org_settings(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::OrgSettings, &[])
}

/// An operator key by its hash.
#[must_use]
pub fn operator_key(hash: &[u8; 32]) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::OperatorKey, hash)
}

/// A remembered write.
#[must_use]
pub fn write(group: GroupId, write_id: WriteId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Write, &write_id.to_bytes())
}

/// The kind of a record by its key.
#[must_use]
pub fn kind(key: &[u8]) -> Option<Kind> {
    key.get(KIND_AT).copied().and_then(Kind::from_u8)
}

/// The organization in a record's key, [`NO_ORG`] where there is none.
#[must_use]
pub fn org_in(key: &[u8]) -> Option<OrgId> {
    let bytes = key.get(ORG_AT..KIND_AT)?;
    bytes.try_into().ok().map(OrgId::from_bytes)
}

/// The record of an organization that is not in this group.
#[must_use]
pub fn away(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::Away, &[])
}

/// A remembered write that moved here.
#[must_use]
pub fn moved_write(group: GroupId, org: OrgId, write_id: WriteId) -> Vec<u8> {
    key(group, org, Kind::MovedWrite, &write_id.to_bytes())
}

/// The mark that an organization is being moved.
#[must_use]
pub fn on_move(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, NO_ORG, Kind::OnMove, &org.to_bytes())
}

/// A remembered idempotency key.
#[must_use]
pub fn idempotency_key(group: GroupId, org: OrgId, text: &str) -> Vec<u8> {
    key(group, org, Kind::IdempotencyKey, text.as_bytes())
}

/// A node.
#[must_use]
pub fn node(id: NodeId) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::Node, &id.0.to_be_bytes())
}

/// The number of idempotency keys that an organization has.
#[must_use]
pub fn idempotency_count(group: GroupId, org: OrgId) -> Vec<u8> {
    key(group, org, Kind::IdempotencyCount, &[])
}

/// The mark that `target` expires once log time has passed `expires`.
#[must_use]
pub fn expiry(group: GroupId, expires: LogTime, target: &[u8]) -> Vec<u8> {
    let mut key = key(group, NO_ORG, Kind::Expiry, &expires.0.to_be_bytes());
    key.extend_from_slice(target);
    key
}

/// When an [`expiry`] is due and the key that it removes; `None` for a key of another kind.
#[must_use]
pub fn parse_expiry(key: &[u8]) -> Option<(LogTime, &[u8])> {
    let parsed = parse(key)?;
    let (expires, target) = parsed.name.split_first_chunk::<8>()?;
    (parsed.kind == Kind::Expiry).then(|| (LogTime(u64::from_be_bytes(*expires)), target))
}

/// How far a group has removed expired records.
#[must_use]
pub fn forgotten(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Forgotten, &[])
}

/// The mark of one replica in a group's log.
#[must_use]
pub fn replica_mark(group: GroupId, node: NodeId) -> Vec<u8> {
    key(group, NO_ORG, Kind::ReplicaMark, &node.0.to_be_bytes())
}

/// A group's lease terms.
#[must_use]
pub fn leases(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Leases, &[])
}

/// A home group's partition policy.
#[must_use]
pub fn partition_policy(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::PartitionPolicyRecord, &[])
}

/// A home group's feature level.
#[must_use]
pub fn feature_level(group: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::FeatureLevel, &[])
}

/// All parts of the write names that a successor has from a closed group.
#[must_use]
pub fn inherited_of(group: GroupId, closed: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::Inherited, &closed.0.to_be_bytes())
}

/// The part that has the names up to this one, and beyond those of the part before.
#[must_use]
pub fn inherited(group: GroupId, closed: GroupId, up_to: u64) -> Vec<u8> {
    let mut key = inherited_of(group, closed);
    key.extend_from_slice(&up_to.to_be_bytes());
    key
}

/// The terms of the log that a closed group's successor was made from.
#[must_use]
pub fn inherited_terms(group: GroupId, closed: GroupId) -> Vec<u8> {
    key(group, NO_ORG, Kind::InheritedTerms, &closed.0.to_be_bytes())
}

/// The record of a closed home group.
#[must_use]
pub fn closed_group(closed: GroupId) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::ClosedGroup, &closed.0.to_be_bytes())
}

/// The `ClusterRecord`.
#[must_use]
pub fn cluster() -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::Cluster, &[])
}

/// A region.
#[must_use]
pub fn region(region: &Region) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::Region, region.as_str().as_bytes())
}

/// The mark that a region of this name may have nodes.
#[must_use]
pub fn region_name(region: &Region) -> Vec<u8> {
    key(GroupId::SYSTEM, NO_ORG, Kind::RegionName, region.as_str().as_bytes())
}

/// A key beyond all keys of an organization and before those of the next one.
#[must_use]
pub fn after_org(group: GroupId, org: OrgId) -> Vec<u8> {
    let mut key = org_prefix(group, org);
    key.push(u8::MAX);
    key
}

/// The least key beyond all that begin with `prefix`; `None` when there is none.
#[must_use]
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let end = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = prefix[..=end].to_vec();
    key[end] += 1;
    Some(key)
}

/// The parts of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The group.
    pub group: GroupId,
    /// The organization, or [`NO_ORG`].
    pub org: OrgId,
    /// The kind.
    pub kind: Kind,
    /// The rest.
    pub name: &'a [u8],
}

/// Decodes a key; `None` if it does not have this layout.
#[must_use]
pub fn parse(key: &[u8]) -> Option<Parsed<'_>> {
    let (group, rest) = key.split_first_chunk::<4>()?;
    let (org, rest) = rest.split_first_chunk::<16>()?;
    let (kind, name) = rest.split_first()?;
    Some(Parsed {
        group: GroupId(u32::from_be_bytes(*group)),
        org: OrgId::from_bytes(*org),
        kind: Kind::from_u8(*kind)?,
        name,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_round_trip(group: u32, org: [u8; 16], kind: u8, name: Vec<u8>) {
            let (group, org) = (GroupId(group), OrgId::from_bytes(org));
            if let Some(kind) = Kind::from_u8(kind) {
                let key = key(group, org, kind, &name);
                prop_assert_eq!(parse(&key), Some(Parsed { group, org, kind, name: &name }));
                prop_assert!(key < after_org(group, org));
                prop_assert!(key.starts_with(&org_prefix(group, org)));
            }
        }

        #[test]
        fn parse_never_panics(key: Vec<u8>) {
            let _ = (parse(&key), parse_expiry(&key));
        }

        #[test]
        fn expiries_round_trip_in_order_of_time(a: u64, b: u64, target: Vec<u8>) {
            let (one, two) =
                (expiry(GroupId(3), LogTime(a), &target), expiry(GroupId(3), LogTime(b), &[]));
            prop_assert_eq!(parse_expiry(&one), Some((LogTime(a), &target[..])));
            prop_assert!(a >= b || one < two);
        }

        #[test]
        fn a_successor_is_beyond_its_prefix(prefix: Vec<u8>, rest: Vec<u8>) {
            let inside = [&prefix[..], &rest[..]].concat();
            match successor(&prefix) {
                Some(successor) => prop_assert!(inside < successor && prefix < successor),
                None => prop_assert!(prefix.iter().all(|byte| *byte == u8::MAX)),
            }
        }
    }
}
