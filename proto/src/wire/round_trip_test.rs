//! Properties of all encodings: values survive a round trip, and bytes that are no value are
//! refused without a panic.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    Wire, WireError,
    peer::{Notice, PeerReply, PeerRequest, ProposeReply, StreamHead},
    samples::{self, arbitrary, key, resource},
    snapshot::Chunk,
};
use crate::{
    command::Proposal,
    limits,
    records::{
        failover::ClosedGroup,
        key::OrgKey,
        lease::{LeaseRecord, ReplicaMark},
        movement::{HomeRecord, MovedAwayRecord, MovedRecord},
        oidc::{OidcCredential, ProviderOptions},
        org::{
            ApiKey, ClusterRecord, NodeRecord, Org, OrgSettings, PartitionPolicyRecord,
            RegionRecord, Rights,
        },
        record::{AppliedRecord, InheritedNames, InheritedTerms, KeyRecord, WriteRecord},
        registration::{OrgProfile, Registration},
        resource::Resource,
    },
    reply::Applied,
};

/// Every decoder, fed with the same bytes. Whatever one of them takes, it writes and takes again.
fn decode_all(bytes: &[u8]) {
    fn again<T: Wire + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        if let Ok(value) = T::decode(bytes) {
            assert_eq!(T::decode(&value.encode()), Ok(value));
        }
    }
    again::<Proposal>(bytes);
    again::<Applied>(bytes);
    again::<Org>(bytes);
    again::<ApiKey>(bytes);
    again::<OidcCredential>(bytes);
    again::<WriteRecord>(bytes);
    again::<KeyRecord>(bytes);
    again::<AppliedRecord>(bytes);
    again::<InheritedNames>(bytes);
    again::<InheritedTerms>(bytes);
    again::<RegionRecord>(bytes);
    again::<NodeRecord>(bytes);
    again::<ClusterRecord>(bytes);
    again::<PartitionPolicyRecord>(bytes);
    again::<OrgSettings>(bytes);
    again::<ClosedGroup>(bytes);
    again::<LeaseRecord>(bytes);
    again::<ReplicaMark>(bytes);
    again::<HomeRecord>(bytes);
    again::<MovedAwayRecord>(bytes);
    again::<MovedRecord>(bytes);
    again::<Registration>(bytes);
    again::<OrgProfile>(bytes);
    again::<Resource>(bytes);
    again::<OrgKey>(bytes);
    again::<u64>(bytes);
    again::<PeerRequest>(bytes);
    again::<PeerReply>(bytes);
    again::<ProposeReply>(bytes);
    again::<Notice>(bytes);
    again::<StreamHead>(bytes);
    drop(Chunk::decode_after(bytes, 0));
}

proptest! {
    #[test]
    fn proposals_round_trip(proposal in arbitrary::proposal()) {
        prop_assert_eq!(Proposal::decode(&proposal.encode()), Ok(proposal));
    }

    #[test]
    fn records_round_trip(
        resource in resource::any_resource(),
        key in key::any_org_key(),
        applied in arbitrary::applied(),
        org in arbitrary::org(),
        credential in arbitrary::credential(),
        record in arbitrary::applied_record(),
    ) {
        prop_assert_eq!(Applied::decode(&applied.encode()), Ok(applied));
        prop_assert_eq!(Org::decode(&org.encode()), Ok(org));
        prop_assert_eq!(OidcCredential::decode(&credential.encode()), Ok(credential));
        prop_assert_eq!(AppliedRecord::decode(&record.encode()), Ok(record));
        prop_assert_eq!(Resource::decode(&resource.encode()), Ok(resource));
        prop_assert_eq!(OrgKey::decode(&key.encode()), Ok(key));
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        decode_all(&bytes);
        for version in 1..=2 {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            decode_all(&bytes);
        }
    }

    #[test]
    fn cut_bytes_are_refused(proposal in arbitrary::proposal(), at: Index) {
        let bytes = proposal.encode();
        prop_assert!(Proposal::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn longer_bytes_are_refused(proposal in arbitrary::proposal(), more in vec(any::<u8>(), 1..9)) {
        let bytes = [proposal.encode(), more.clone()].concat();
        prop_assert_eq!(Proposal::decode(&bytes), Err(WireError::LeftOver { bytes: more.len() }));
    }

    #[test]
    fn flipped_bits_never_panic(proposal in arbitrary::proposal(), at: Index, bit in 0_u8..8) {
        let mut bytes = proposal.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        decode_all(&bytes);
    }
}

fn credential(name: &str) -> OidcCredential {
    let mut samples = samples::credentials().into_iter();
    samples.find(|(sample, _)| *sample == name).expect("a sample").1
}

#[test]
fn bytes_cannot_make_an_invalid_value() {
    fn refused<T: Wire + std::fmt::Debug>(value: &T, what: &'static str) {
        assert_eq!(T::decode(&value.encode()).map(drop), Err(WireError::Invalid { what }));
    }
    let mut bad = credential("google");
    bad.label = Some("x".repeat(257));
    refused(&bad, "label");
    let mut bad = credential("google");
    bad.options.scopes.push("a b".to_owned());
    refused(&bad, "scope");
    let mut bad = credential("google");
    bad.options.scopes = vec!["a".to_owned(); limits::EFFECTIVE_SCOPES_MAX + 1];
    refused(&bad, "number of scopes");
    let mut bad = credential("google");
    bad.options = credential("apple").options;
    refused(&bad, "provider of the options");
    let mut bad = credential("google");
    bad.options.specific = ProviderOptions::Azuread { tenant: "common".to_owned() };
    refused(&bad, "options of this provider");
    let mut bad = credential("apple");
    if let ProviderOptions::Apple(apple) = &mut bad.options.specific {
        apple.private_key = None;
    }
    refused(&bad, "private_key");
    let mut bad = samples::api_keys().remove(0).1;
    bad.rights = Rights(16);
    refused(&bad, "set of rights");
    let mut bad = samples::orgs().remove(0).1;
    bad.org_name = String::new();
    refused(&bad, "name of an organization");
    let mut bad = samples::home_records().remove(1).1;
    bad.arrival.as_mut().expect("it arrived").past.clear();
    refused(&bad, "number of earlier homes");
    let (_, MovedRecord::IdempotencyKey { record, .. }) = samples::moved_records().remove(3) else {
        panic!("another sample");
    };
    refused(&MovedRecord::IdempotencyKey { key: "\n".to_owned(), record }, "idempotency key");
}

#[test]
fn an_organization_that_never_moved_has_the_bytes_of_its_claim() {
    let org = samples::orgs().remove(0).1;
    let home = HomeRecord::begun(org.clone());
    assert_eq!(home.encode(), org.encode());
    assert_eq!(HomeRecord::decode(&org.encode()), Ok(home));
}

#[test]
fn a_value_beyond_the_limit_is_refused_before_it_is_read() {
    let bytes = vec![1; limits::RECORD_BYTES_MAX + 1];
    let error =
        WireError::TooLong { bytes: limits::RECORD_BYTES_MAX + 1, max: limits::RECORD_BYTES_MAX };
    assert_eq!(Org::decode(&bytes), Err(error));
}

#[test]
fn another_version_is_refused() {
    let mut bytes = 7_u64.encode();
    bytes[0] = 2;
    assert_eq!(u64::decode(&bytes), Err(WireError::Version { found: 2 }));
}
