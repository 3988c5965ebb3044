//! The parsers of requests read every member that the types of [`concordat_proto::api`] have.
//!
//! A parser reads its body by hand, since the contract has a text for each error. These types are what the
//! SDK writes and what `docs/openapi.json` describes. So each of them is written here with every member set
//! to a value that is no default: without any one of the members the parser must understand something
//! else. Which members there are is taken from the type's schema. A member that is added to a type and not
//! to its parser fails here, as does one that no body here has.

use std::{collections::BTreeSet, net::Ipv4Addr};

use concordat_proto::{
    api::{
        OpenEnum,
        cluster::{ClusterPatch, LeaseSettings},
        credential::{
            BindingSet, CredentialCreate, CredentialPatch, GenericOptions, OptionsByProvider,
            PrivateKey, ProviderOptions,
        },
        demo::DemoTarget,
        node::NodePatch,
        organization::{
            ApiKeyCreate, OrganizationCreate, OrganizationMove, OrganizationPatch,
            SuborganizationAdmin, SuborganizationCreate,
        },
        policy::{PoliciesSet, PolicyTest},
        region::{Failover, RegionAdd, RegionPatch},
        resource::{
            AttributeSet, ExternalCreate, ExternalPatch, JsonText, SamlCreate, SamlMembers,
            SamlPatch,
        },
    },
    consistency::RequiredConsistency,
    id::{ClientId, NodeId, OrgId},
    key::Right,
    oidc::{ClaimMapping, Provider},
    org::{NodeState, PartitionPolicy, StaleSecrets, SurvivalGoal},
    region::Region,
    resource::{ExternalProvider, ExternalType, HandleType},
    secret::Secret,
};
use http::{HeaderMap, HeaderValue};
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::{
    REGISTRY,
    describe::{Description, SchemaOf},
    script,
    traits::Route,
};
use crate::api::{operation::Operation, request::Input};

const ORG: &str = "af5fbd30-7ce7-4548-8b30-4cd59cb2aba1";
const NODE: &str = "00000000000000aa";
const URL: &str = "https://idp.example/a";
const TIME: &str = "2027-01-01T00:00:00Z";

/// Bodies of an operation that together have all members.
struct Bodies {
    operation: Operation,
    /// The parameter of the path.
    path: &'static str,
    bodies: Vec<Value>,
}

fn bodies<T: Serialize>(
    operation: Operation,
    path: &'static str,
    bodies: impl IntoIterator<Item = T>,
) -> Bodies {
    let value = |body: T| serde_json::to_value(body).expect("JSON");
    Bodies { operation, path, bodies: bodies.into_iter().map(value).collect() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn json(text: &str) -> JsonText {
    JsonText::new(text).expect("JSON")
}

fn org() -> OrgId {
    ORG.parse().expect("an id")
}

fn node() -> NodeId {
    NODE.parse().expect("an id")
}

fn region() -> Region {
    Region::new("asia-japan").expect("a region")
}

fn client_id() -> ClientId {
    ClientId::new("my-app").expect("an id")
}

/// The options of a provider, with all members that it knows.
fn options(provider: Provider) -> Option<OptionsByProvider> {
    let scopes =
        ProviderOptions { authorize_scopes: vec!["one".to_owned()], ..ProviderOptions::default() };
    let options = match provider {
        Provider::Google
        | Provider::Github
        | Provider::Bitbucket
        | Provider::Gitlab
        | Provider::Facebook
        | Provider::Line => scopes,
        Provider::Azuread => ProviderOptions { tenant: text("consumers"), ..scopes },
        Provider::Okta => ProviderOptions { organization_url: text(URL), ..scopes },
        Provider::Apple => ProviderOptions {
            private_key: Some(PrivateKey::New(Secret::new(script::pem()))),
            team_id: text("TEAM567890"),
            key_id: text("KEY4567890"),
            secret_lifetime: text("1h"),
            ..scopes
        },
        Provider::Oidc => ProviderOptions { generic: Some(generic()), ..scopes },
    };
    Some(OptionsByProvider::from([(OpenEnum::Known(provider), options)]))
}

fn generic() -> GenericOptions {
    GenericOptions {
        issuer: URL.to_owned(),
        use_pkce: true,
        is_id_token_mapping: true,
        display_name_mapping: Some(ClaimMapping::Email.into()),
        username_mapping: Some(ClaimMapping::PreferredUsername.into()),
        discovery_url: text(URL),
        authorization_endpoint: text(URL),
        token_endpoint: text(URL),
        userinfo_endpoint: text(URL),
    }
}

fn of_credentials() -> Vec<Bodies> {
    let create = |provider| CredentialCreate {
        client_id: client_id(),
        client_secret: Secret::new("hush".to_owned()),
        provider,
        label: text("l"),
        external_cred_id: text("e"),
        enable_in_authz_server: Some(true),
        options: options(provider),
    };
    let patch = |provider| CredentialPatch {
        client_secret: Some(Secret::new("hush".to_owned())),
        provider: Some(provider),
        label: text("l"),
        external_cred_id: text("e"),
        enable_in_authz_server: Some(true),
        options: options(provider),
    };
    let saml = || SamlMembers {
        label: text("l"),
        email_claims: Some(vec!["email".to_owned()]),
        enable_in_authz_server: Some(true),
    };
    let external = ExternalCreate {
        extcred_provider: ExternalProvider::Shopify,
        extcred_type: ExternalType::AccessToken,
        extcred_label: text("l"),
        json_blob: json(r#"{"token":"hush"}"#),
    };
    let of_external =
        ExternalPatch { extcred_label: text("l"), json_blob: Some(json(r#"{"token":"hush"}"#)) };
    vec![
        bodies(Operation::OidcCreate, "", Provider::ALL.map(create)),
        bodies(Operation::OidcPatch, "my-app", Provider::ALL.map(patch)),
        bodies(
            Operation::SamlCreate,
            "",
            [SamlCreate { idp_metadata_url: URL.to_owned(), members: saml() }],
        ),
        bodies(
            Operation::SamlPatch,
            "one",
            [SamlPatch { idp_metadata_url: text(URL), members: saml() }],
        ),
        bodies(Operation::ExternalCreate, "", [external]),
        bodies(Operation::ExternalPatch, "one", [of_external]),
        bodies(Operation::AttributePut, "one", [AttributeSet { value: json("[1]") }]),
        bodies(Operation::BindingSet, "jitsudo", [BindingSet { client_id: client_id() }]),
    ]
}

fn of_organizations() -> Vec<Bodies> {
    let create = OrganizationCreate {
        org_name: "O".to_owned(),
        tenant_name: text("T"),
        home_region: Some(region()),
        id: Some(org()),
        enterprise_domain: text("acme.example"),
    };
    let patches = [
        OrganizationPatch::StaleSecrets(StaleSecrets::Refuse),
        OrganizationPatch::EnterpriseDomain("acme.example".to_owned()),
    ];
    let admin =
        SuborganizationAdmin { handle: HandleType::Username.into(), value: "ann".to_owned() };
    let suborganization =
        SuborganizationCreate { sub_org_name: "Part".to_owned(), admins: vec![admin] };
    let key = ApiKeyCreate { rights: vec![Right::Read], label: text("CI"), expires_at: text(TIME) };
    vec![
        bodies(Operation::OrgCreate, "", [create]),
        bodies(Operation::OrgPatch, ORG, patches),
        bodies(Operation::OrgMove, ORG, [OrganizationMove::To(region()), OrganizationMove::Cancel]),
        bodies(Operation::SuborgCreate, "", [suborganization]),
        bodies(Operation::KeyIssue, "", [key]),
    ]
}

fn of_the_cluster() -> Vec<Bodies> {
    let lease = LeaseSettings { local_ms: 600, remote_ms: 1600, clock_drift_percent: 2 };
    let settings = [
        ClusterPatch::SurvivalGoal(SurvivalGoal::Region),
        ClusterPatch::Lease(lease),
        ClusterPatch::PartitionPolicy(PartitionPolicy::Fence),
    ];
    let changes = [
        RegionPatch::CancelRemoval,
        RegionPatch::RecreateGroup(node()),
        RegionPatch::Relocate(region()),
    ];
    let failover = Failover { to: region(), confirm_fenced: true, skip_nodes: vec![node()] };
    let targets = || [DemoTarget::Region(region()), DemoTarget::Node(node())];
    vec![
        bodies(Operation::ClusterPatch, "", settings),
        bodies(Operation::NodePatch, NODE, [NodePatch { state: NodeState::Draining }]),
        bodies(Operation::RegionAdd, "", [RegionAdd { region: region() }]),
        bodies(Operation::RegionPatch, "us-iowa", changes),
        bodies(Operation::RegionFailover, "us-iowa", [failover]),
        bodies(Operation::DemoCut, "", targets()),
        bodies(Operation::DemoHeal, "", targets()),
    ]
}

fn of_policies() -> Vec<Bodies> {
    let set = || PoliciesSet { policies: "permit (principal, action, resource);".to_owned() };
    let test = PolicyTest {
        operation: "oidc_get".to_owned(),
        organization_id: Some(org()),
        rights: Some(vec![Right::Read]),
        credential_id: text("my-app"),
        credential_kind: text("saml"),
        region: Some(region()),
        required_consistency: Some(RequiredConsistency::AllRegions),
        source_address: Some(Ipv4Addr::LOCALHOST.into()),
        time: text(TIME),
        policies: text("a"),
        organization_policies: text("b"),
    };
    vec![
        bodies(Operation::PoliciesPut, "", [set()]),
        bodies(Operation::OrgPoliciesPut, "", [set()]),
        bodies(Operation::PoliciesTest, "", [test]),
    ]
}

fn all() -> Vec<Bodies> {
    [of_credentials(), of_organizations(), of_the_cluster(), of_policies()]
        .into_iter()
        .flatten()
        .collect()
}

/// The routes of the dialects whose requests are types of [`concordat_proto::api`], and of each the
/// operations that take a body, with its schema.
fn described() -> Vec<(&'static Route, SchemaOf)> {
    let mut found = Vec::new();
    for dialect in &REGISTRY[..2] {
        for Description { operation, takes, .. } in dialect.described().operations {
            let route = dialect.routes().iter().find(|route| route.operation == *operation);
            found.extend(takes.map(|takes| (route.expect("its route"), takes)));
        }
    }
    found
}

/// What the parser understands of a body, or its message.
fn understood(route: &Route, path_parameter: &str, body: &Value) -> Result<String, String> {
    let headers = HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    let text = body.to_string();
    let input = Input { path_parameter, query: "", headers: &headers, body: text.as_bytes() };
    (route.parse)(&input).map(|it| format!("{it:?}")).map_err(|error| error.to_string())
}

/// All members of a body, at any depth: the place of the object, and the name.
fn members(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    if let Value::Object(inner) = value {
        for (name, value) in inner {
            found.push((at.to_owned(), name.clone()));
            members(value, &format!("{at}/{name}"), found);
        }
    } else if let Value::Array(items) = value {
        for (place, item) in items.iter().enumerate() {
            members(item, &format!("{at}/{place}"), found);
        }
    }
}

/// The names of all properties of a schema, at any depth.
fn properties(schema: &Value, found: &mut BTreeSet<String>) {
    if let Value::Object(inner) = schema {
        let named = inner.get("properties").and_then(Value::as_object);
        found.extend(named.into_iter().flat_map(serde_json::Map::keys).cloned());
        inner.values().for_each(|value| properties(value, found));
    } else if let Value::Array(items) = schema {
        items.iter().for_each(|item| properties(item, found));
    }
}

fn members_of_schema(takes: SchemaOf) -> BTreeSet<String> {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let mut found = BTreeSet::new();
    properties(&takes(&mut generator).to_value(), &mut found);
    generator.take_definitions(true).values().for_each(|it| properties(it, &mut found));
    found
}

/// The members without which the parser understands something else.
fn members_read(route: &Route, of: &Bodies) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    for body in &of.bodies {
        let whole = understood(route, of.path, body);
        assert!(whole.is_ok(), "{:?}: {body}: {whole:?}", of.operation);
        let mut all = Vec::new();
        members(body, "", &mut all);
        for (at, name) in all {
            let mut less = body.clone();
            let object = less.pointer_mut(&at).and_then(Value::as_object_mut);
            object.expect("an object").remove(&name);
            if understood(route, of.path, &less) != whole {
                read.insert(name);
            }
        }
    }
    read
}

#[test]
fn parsers_read_every_member_of_the_shared_types() {
    let all = all();
    for (route, takes) in described() {
        let of = all.iter().find(|it| it.operation == route.operation);
        let of = of.unwrap_or_else(|| panic!("no body of {:?} is here", route.operation));
        let (read, there) = (members_read(route, of), members_of_schema(takes));
        let unread: Vec<&String> = there.difference(&read).collect();
        assert!(unread.is_empty(), "{:?}: not read, or in no body here: {unread:?}", of.operation);
    }
}

/// A member that is null is one that is absent: in the types by `Option`, in the parsers by `Object`.
#[test]
fn parsers_take_null_for_absent() {
    let all = all();
    for (route, _) in described() {
        for of in all.iter().filter(|it| it.operation == route.operation) {
            for body in &of.bodies {
                for name in body.as_object().expect("an object").keys() {
                    let (mut null, mut absent) = (body.clone(), body.clone());
                    null[name] = Value::Null;
                    absent.as_object_mut().expect("an object").remove(name);
                    let [null, absent] =
                        [null, absent].map(|body| understood(route, of.path, &body));
                    assert_eq!(null, absent, "{:?}: {name}", of.operation);
                }
            }
        }
    }
}
