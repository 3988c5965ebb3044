//! A sample of each document: its JSON is read and written again, byte for byte. The samples are data, so
//! that a change of the wire form is a change of a file that a reviewer sees.
//!
//! `samples/<name>.json` is as a node or the SDK writes it: compact, members in their order, a newline at
//! the end.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    OpenEnum,
    cluster::{ClusterPatch, ClusterStatus, Digests},
    credential::{
        Binding, BindingSet, ClientSecret, CredentialCreate, CredentialPatch, OidcCredential,
    },
    demo::DemoTarget,
    envelope::Envelope,
    node::{Node, NodeLife, NodePatch},
    organization::{
        ApiKey, ApiKeyCreate, NewApiKey, NewOrganization, Organization, OrganizationCreate,
        OrganizationMove, OrganizationPatch,
    },
    policy::{Policies, PoliciesSet, PolicyTest, PolicyVerdict},
    receipt::{Receipt, ReceiptState},
    region::{Failover, LostWrites, MemberRegion, RegionAdd, RegionLife, RegionPatch},
    resource::{
        Attribute, AttributeSet, ExternalCreate, ExternalCredential, ExternalPatch, SamlCreate,
        SamlCredential, SamlPatch,
    },
};
use crate::{consistency::Outcome, records::oidc::Provider};

/// Reads and writes each line of a file.
fn round_trip<T: Serialize + DeserializeOwned>(name: &str, text: &str) {
    assert!(text.ends_with('\n') && text.len() > 1, "{name}");
    for line in text.lines() {
        let document: T =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
        assert_eq!(serde_json::to_string(&document).expect("JSON"), line, "{name}");
    }
}

macro_rules! samples {
    ($($test:ident: $document:ty;)*) => {$(
        #[test]
        fn $test() {
            let name = stringify!($test);
            round_trip::<$document>(name, include_str!(concat!("samples/", stringify!($test), ".json")));
        }
    )*};
}

samples! {
    api_key_create: ApiKeyCreate;
    api_keys: Vec<ApiKey>;
    attribute: Attribute;
    attribute_set: AttributeSet;
    binding: Binding;
    binding_set: BindingSet;
    client_secret: ClientSecret;
    cluster_patch: ClusterPatch;
    cluster_status: ClusterStatus;
    credential: OidcCredential;
    credential_create: CredentialCreate;
    credential_patch: CredentialPatch;
    demo_target: DemoTarget;
    digests: Digests;
    envelope: Envelope<Vec<u64>>;
    external_create: ExternalCreate;
    external_credential: ExternalCredential;
    external_patch: ExternalPatch;
    failover: Failover;
    policies: Policies;
    policies_set: PoliciesSet;
    policy_test: PolicyTest;
    policy_verdict: PolicyVerdict;
    lost_writes: LostWrites;
    new_api_key: NewApiKey;
    new_organization: NewOrganization;
    node_patch: NodePatch;
    nodes: Vec<Node>;
    organization_create: OrganizationCreate;
    organization_move: OrganizationMove;
    organization_patch: OrganizationPatch;
    organizations: Vec<Organization>;
    receipt: Receipt;
    region_add: RegionAdd;
    region_patch: RegionPatch;
    saml_create: SamlCreate;
    saml_credential: SamlCredential;
    saml_patch: SamlPatch;
    regions: Vec<MemberRegion>;
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn what_is_absent_or_null_is_read_as_the_default() {
    let status: ClusterStatus = read("{}").expect("an empty object");
    assert!(!status.write_available.all_regions.ok, "nothing is promised by silence");
    let status: ClusterStatus = read(
        r#"{"later":[1],"regions":[{"region":"us-iowa","nodes":[{"node_id":"00000000000000aa",
            "url":null,"live":true,"groups":null}]}],"groups":[{"group":0,"region":null,
            "regions":[{"region":"a"}]}],
            "write_available":{"local_region":{"ok":true},"all_regions":null}}"#,
    )
    .expect("nulls and gaps");
    assert!(status.regions[0].nodes[0].live && status.write_available.local_region.ok);
    assert_eq!(status.groups[0].regions[0].lag_entries, None);
    let credential: OidcCredential = read(r#"{"client_id":"a","options":null}"#).expect("gaps");
    assert_eq!((credential.provider.known(), credential.options.len()), (None, 0));
}

#[test]
fn a_wrong_id_makes_a_document_invalid() {
    let node = |id: &str| {
        let text = format!(r#"{{"node_id":"{id}","region":"us-iowa"}}"#);
        read::<Node>(&text).map(|node| node.node_id.to_string())
    };
    assert_eq!(node("00000000000000aa").as_deref(), Ok("00000000000000aa"));
    for wrong in ["", "aa", "00_00000000000aa", "000000000000000g", "00000000000000aa0"] {
        assert!(node(wrong).unwrap_err().contains("not a valid node id"), "{wrong}");
    }
    assert!(read::<Node>(r#"{"region":"us-iowa"}"#).is_err(), "a node without an id");
    assert!(read::<RegionAdd>(r#"{"region":"US"}"#).is_err());
}

#[test]
fn values_of_a_newer_server_keep_their_text() {
    let text = r#"{"node_id":"00000000000000aa","region":"a","state":"hibernating"}"#;
    let node: Node = read(text).expect("a node");
    assert_eq!(node.state, OpenEnum::Unknown("hibernating".to_owned()));
    assert!(serde_json::to_string(&node).expect("JSON").contains(r#""state":"hibernating""#));
    assert!(node.state != NodeLife::Replaced && read::<NodePatch>(r#"{"state":"x"}"#).is_err());
    let replaced: OpenEnum<NodeLife> = read(r#""replaced""#).expect("text");
    assert!(replaced == NodeLife::Replaced);
    let empty: OpenEnum<RegionLife> = read(r#""empty""#).expect("text");
    assert!(empty == RegionLife::Empty);
    let later: OpenEnum<Provider> = read(r#""later""#).expect("text");
    assert_eq!(later.to_string(), "later");
}

#[test]
fn a_receipt_promises_only_what_is_understood() {
    let text = |outcome: &str, state: &str, elapsed: &str| {
        format!(
            r#"{{"required":"local_region","outcome":"{outcome}","elapsed_ms":{elapsed},
                "write_id":"0193a1b2-0000-7000-8000-000000000001","position":"?",
                "regions":[{{"region":"a","state":"{state}","applied_ms":-1}}]}}"#
        )
    };
    let value = |text: &str| crate::consistency::Receipt::from(read::<Receipt>(text).expect("one"));
    assert_eq!(value(&text("lost", "pending", "0")).outcome, Outcome::Lost);
    let receipt = value(&text("mislaid", "half", "-1.0"));
    assert_eq!((receipt.outcome, receipt.achieved), (Outcome::Unknown, false));
    assert!(!receipt.regions[0].applied && receipt.elapsed.is_zero() && receipt.position.is_none());
    let known: Receipt = read(&text("committed", "applied", "1200.5")).expect("one");
    assert!(known.regions[0].state == ReceiptState::Applied);
    assert_eq!(known.elapsed_ms.0.as_micros(), 1_200_500);

    // In an envelope it is left out, and the rest stands.
    let body = r#"{"meta":{"consistency":{"required":"nowhere","write_id":"x"}},"errors":[{}]}"#;
    let envelope: Envelope<Option<u8>> = read(body).expect("an envelope");
    assert_eq!(envelope.meta.expect("meta").consistency, None);
    assert_eq!(envelope.errors.map(|errors| errors.len()), Some(1));
}

#[test]
fn a_change_is_one_change() {
    for wrong in [
        r#"{}"#,
        r#"{"state":"leaving"}"#,
        r#"{"state":"open","voter_region":"a"}"#,
        r#"{"recreate_group_on":"00000000000000aa"}"#,
        r#"{"recreate_group_on":"00000000000000aa","confirm_fenced":false}"#,
    ] {
        assert!(read::<RegionPatch>(wrong).is_err(), "{wrong}");
    }
    for wrong in ["{}", r#"{"cancel":false}"#, r#"{"cancel":true,"home_region":"a"}"#] {
        assert!(read::<OrganizationMove>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let text = include_str!("samples/credential_create.json").lines().last().expect("a line");
    let create: CredentialCreate = read(text).expect("a body");
    let shown = format!("{create:?}");
    assert!(!shown.contains("hush") && !shown.contains("BEGIN"), "{shown}");
}

/// Text forms are not for stored bytes: these are frozen elsewhere.
#[test]
fn ids_and_enums_do_not_get_into_binary_formats() {
    let encode =
        |value: &dyn Fn() -> Result<Vec<u8>, bincode::error::EncodeError>| value().is_err();
    let config = bincode::config::standard();
    let node = crate::base::id::NodeId(1);
    assert!(encode(&|| bincode::serde::encode_to_vec(node, config)));
    assert!(encode(&|| bincode::serde::encode_to_vec(Provider::Google, config)));
}
