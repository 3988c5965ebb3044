//! The operations of the operator's API: the route of each, the parsing of its action, and its
//! description.
//!
//! The order is the contract's: path and query, then the body.

use std::time::Duration;

use concordat_proto::{
    api::{
        cluster::{ClusterPatch, ClusterStatus, Digests},
        credential::{Binding as Bound, BindingSet},
        demo::DemoTarget,
        node::{Node, NodePatch},
        organization::{
            NewOrganization, Organization, OrganizationCreate, OrganizationMove, OrganizationPatch,
        },
        policy::{Policies, PoliciesSet, PolicyTest, PolicyVerdict},
        receipt::Receipt,
        region::{Failover, LostWrites, MemberRegion, RegionAdd, RegionPatch},
    },
    consistency::RequiredConsistency,
    header,
    id::{NodeId, OrgId, WriteId},
    limits,
    region::Region,
    registration::Binding,
};
use http::Method;

use super::{cluster, org, policies};
use crate::{
    api::{
        operation::{
            Action, ClusterWrite, CredentialRead, CredentialWrite, DemoAction, Operation,
            OperatorRead, OrgWrite, ReceiptQuery,
        },
        outcome::Malformed,
        request::Input,
    },
    dialect::{
        common::{
            body::object,
            described::{LIMIT, OFFSET},
            malformed,
            policies::text,
            query::Query,
        },
        describe::{Description, Parameter, describe, of, whole},
        traits::Route,
    },
    percent,
};

const WRITE: &str = "/v1/writes/{write_id}";
const ORGS: &str = "/v1/organizations";
const ORG: &str = "/v1/organizations/{organization_id}";
const ORG_MOVE: &str = "/v1/organizations/{organization_id}/move";
const BINDING: &str = "/v1/bindings/{binding}";
const CLUSTER: &str = "/v1/cluster";
const DIGEST: &str = "/v1/cluster/digest";
const NODES: &str = "/v1/cluster/nodes";
const NODE: &str = "/v1/cluster/nodes/{node_id}";
const REGIONS: &str = "/v1/cluster/regions";
const REGION: &str = "/v1/cluster/regions/{region}";
const FAILOVER: &str = "/v1/cluster/regions/{region}/failover";
const DIVERGENCE: &str = "/v1/cluster/regions/{region}/divergence";
const POLICIES: &str = "/v1/policies";
const POLICY_TEST: &str = "/v1/policies/test";
const CUT: &str = "/v1/demo/cut";
const HEAL: &str = "/v1/demo/heal";

type Parsed = Result<Action, Malformed>;

const fn route(
    method: Method,
    path: &'static str,
    operation: Operation,
    parse: fn(&Input<'_>) -> Parsed,
) -> Route {
    Route { method, path, operation, parse }
}

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    route(Method::GET, WRITE, Operation::ReceiptGet, receipt),
    route(Method::GET, BINDING, Operation::BindingGet, |input| {
        Ok(Action::CredentialRead(CredentialRead::Binding(binding(input)?)))
    }),
    route(Method::PUT, BINDING, Operation::BindingSet, |input| {
        let binding = binding(input)?;
        let client_id = org::parse_binding(object(input)?)?;
        Ok(Action::CredentialWrite(CredentialWrite::Bind(binding, client_id)))
    }),
    route(Method::POST, ORGS, Operation::OrgCreate, |input| {
        Ok(Action::OrgWrite(OrgWrite::Create(org::parse_create(object(input)?)?)))
    }),
    route(Method::GET, ORGS, Operation::OrgList, |input| {
        Ok(Action::OperatorRead(OperatorRead::Orgs(Query::new(input.query).page()?)))
    }),
    route(Method::GET, ORG, Operation::OrgGet, |input| {
        Ok(Action::OperatorRead(OperatorRead::Org(org_id(input)?)))
    }),
    route(Method::PATCH, ORG, Operation::OrgPatch, |input| {
        let id = org_id(input)?;
        Ok(Action::OrgWrite(OrgWrite::Patch(id, org::parse_settings(object(input)?)?)))
    }),
    route(Method::DELETE, ORG, Operation::OrgDelete, |input| {
        Ok(Action::OrgWrite(OrgWrite::End(org_id(input)?)))
    }),
    route(Method::POST, ORG_MOVE, Operation::OrgMove, |input| {
        let id = org_id(input)?;
        Ok(Action::OrgWrite(OrgWrite::Move(id, org::parse_move(object(input)?)?)))
    }),
    route(Method::GET, CLUSTER, Operation::ClusterGet, |_| {
        Ok(Action::OperatorRead(OperatorRead::Cluster))
    }),
    route(Method::PATCH, CLUSTER, Operation::ClusterPatch, |input| {
        let setting = cluster::parse_setting(object(input)?)?;
        Ok(Action::ClusterWrite(ClusterWrite::Setting(setting)))
    }),
    route(Method::GET, DIGEST, Operation::DigestGet, |_| {
        Ok(Action::OperatorRead(OperatorRead::Digest))
    }),
    route(Method::GET, NODES, Operation::NodeList, |_| {
        Ok(Action::OperatorRead(OperatorRead::Nodes))
    }),
    route(Method::PATCH, NODE, Operation::NodePatch, |input| {
        let node = node(input)?;
        let patch = cluster::parse_node_patch(object(input)?)?;
        Ok(Action::ClusterWrite(ClusterWrite::Node(node, patch)))
    }),
    route(Method::DELETE, NODE, Operation::NodeDelete, |input| {
        Ok(Action::ClusterWrite(ClusterWrite::NodeRemove(node(input)?)))
    }),
    route(Method::GET, REGIONS, Operation::RegionList, |_| {
        Ok(Action::OperatorRead(OperatorRead::Regions))
    }),
    route(Method::POST, REGIONS, Operation::RegionAdd, |input| {
        let add = cluster::parse_region(object(input)?)?;
        Ok(Action::ClusterWrite(ClusterWrite::RegionAdd(add)))
    }),
    route(Method::PATCH, REGION, Operation::RegionPatch, |input| {
        let region = region(input)?;
        let patch = cluster::parse_region_patch(object(input)?)?;
        Ok(Action::ClusterWrite(ClusterWrite::Region(region, patch)))
    }),
    route(Method::DELETE, REGION, Operation::RegionDelete, |input| {
        Ok(Action::ClusterWrite(ClusterWrite::RegionRemove(region(input)?)))
    }),
    route(Method::POST, FAILOVER, Operation::RegionFailover, |input| {
        let region = region(input)?;
        let failover = cluster::parse_failover(object(input)?)?;
        Ok(Action::ClusterWrite(ClusterWrite::Failover(region, failover)))
    }),
    route(Method::GET, DIVERGENCE, Operation::DivergenceGet, |input| {
        Ok(Action::OperatorRead(OperatorRead::Divergence(region(input)?)))
    }),
    route(Method::GET, POLICIES, Operation::PoliciesGet, |_| {
        Ok(Action::OperatorRead(OperatorRead::Policies))
    }),
    route(Method::PUT, POLICIES, Operation::PoliciesPut, |input| {
        Ok(Action::ClusterWrite(ClusterWrite::Policies(text(input)?)))
    }),
    route(Method::POST, POLICY_TEST, Operation::PoliciesTest, |input| {
        let trial = policies::parse_test(object(input)?)?;
        Ok(Action::OperatorRead(OperatorRead::PolicyTest(Box::new(trial))))
    }),
    route(Method::POST, CUT, Operation::DemoCut, |input| {
        Ok(Action::Demo(DemoAction::Cut(org::parse_target(object(input)?)?)))
    }),
    route(Method::POST, HEAL, Operation::DemoHeal, |input| {
        Ok(Action::Demo(DemoAction::Heal(org::parse_target(object(input)?)?)))
    }),
];

fn receipt(input: &Input<'_>) -> Parsed {
    let query = Query::new(input.query);
    let (write_id, wait, required) = (write_id(input)?, wait(&query)?, required(&query)?);
    Ok(Action::Receipt(ReceiptQuery { write_id, wait, required }))
}

fn wait(query: &Query<'_>) -> Result<Option<Duration>, Malformed> {
    let Some(text) = query.single("wait")? else { return Ok(None) };
    let most = limits::RECEIPT_WAIT_MAX;
    match header::parse_seconds(&text) {
        Some(wait) if wait >= Duration::from_secs(1) && wait <= most => Ok(Some(wait)),
        Some(_) | None => Err(malformed(format!(
            "wait must be a whole number of seconds from 1 to {}",
            most.as_secs()
        ))),
    }
}

/// The regions that must have applied the write: all regions unless the query says otherwise. The
/// node does not know what the write itself required, and repeats of it may differ.
fn required(query: &Query<'_>) -> Result<RequiredConsistency, Malformed> {
    let Some(text) = query.single("required")? else { return Ok(RequiredConsistency::AllRegions) };
    text.parse().map_err(|_| malformed("required must be local_region or all_regions"))
}

fn write_id(input: &Input<'_>) -> Result<WriteId, Malformed> {
    let text = percent::decode(input.path_parameter);
    let write_id = text.and_then(|text| text.parse().ok());
    write_id.ok_or_else(|| malformed("the write id in the path must be a UUID"))
}

fn org_id(input: &Input<'_>) -> Result<OrgId, Malformed> {
    let text = percent::decode(input.path_parameter);
    let org_id = text.and_then(|text| text.parse().ok());
    org_id.ok_or_else(|| malformed("the organization id in the path must be a UUID"))
}

fn binding(input: &Input<'_>) -> Result<Binding, Malformed> {
    let expected = "the binding in the path must be 1 to 32 of a-z, 0-9 and -";
    input.path_parameter.parse().map_err(|_| malformed(expected))
}

fn node(input: &Input<'_>) -> Result<NodeId, Malformed> {
    let parsed = input.path_parameter.parse();
    parsed.map_err(|_| malformed("the node id in the path must be 16 hex digits"))
}

fn region(input: &Input<'_>) -> Result<Region, Malformed> {
    let parsed = input.path_parameter.parse();
    parsed.map_err(|_| malformed("the region in the path must be a region's name"))
}

const WAIT: Parameter = Parameter {
    name: "wait",
    about: "For how many seconds to wait for the regions that are missing.",
    schema: whole::<1, { limits::RECEIPT_WAIT_MAX.as_secs() }>,
};
const REQUIRED: Parameter = Parameter {
    name: "required",
    about: "The regions that must have applied the write; all of them by default.",
    schema: of::<RequiredConsistency>(),
};

/// The descriptions.
pub(super) const OPERATIONS: &[Description] = &[
    describe(Operation::ReceiptGet, "Read a write's receipt")
        .of::<WriteId>()
        .query(&[WAIT, REQUIRED])
        .result::<Receipt>(),
    describe(Operation::BindingGet, "Read what a dialect is bound to")
        .of::<Binding>()
        .result::<Bound>(),
    describe(Operation::BindingSet, "Bind a dialect to a credential")
        .of::<Binding>()
        .takes::<BindingSet>()
        .no_result(),
    describe(Operation::OrgCreate, "Create an organization")
        .takes::<OrganizationCreate>()
        .result::<NewOrganization>()
        .answers(&[201]),
    describe(Operation::OrgList, "List organizations")
        .query(&[LIMIT, OFFSET])
        .result::<Vec<Organization>>(),
    describe(Operation::OrgGet, "Read an organization").of::<OrgId>().result::<Organization>(),
    describe(Operation::OrgPatch, "Change an organization")
        .of::<OrgId>()
        .takes::<OrganizationPatch>()
        .no_result(),
    describe(Operation::OrgDelete, "Delete an organization").of::<OrgId>().answers(&[204]),
    describe(Operation::OrgMove, "Move an organization to another home region")
        .of::<OrgId>()
        .takes::<OrganizationMove>()
        .result_or_none::<Organization>()
        .answers(&[200, 202]),
    describe(Operation::ClusterGet, "Read the cluster's state").result::<ClusterStatus>(),
    describe(Operation::ClusterPatch, "Change a setting of the cluster")
        .takes::<ClusterPatch>()
        .no_result(),
    describe(Operation::DigestGet, "Read digests of this node's state").result::<Digests>(),
    describe(Operation::NodeList, "List nodes").result::<Vec<Node>>(),
    describe(Operation::NodePatch, "Drain a node, or undrain it")
        .of::<NodeId>()
        .takes::<NodePatch>()
        .no_result(),
    describe(Operation::NodeDelete, "Remove a node").of::<NodeId>().no_result(),
    describe(Operation::RegionList, "List regions").result::<Vec<MemberRegion>>(),
    describe(Operation::RegionAdd, "Add a region").takes::<RegionAdd>().no_result(),
    describe(Operation::RegionPatch, "Change a region")
        .of::<Region>()
        .takes::<RegionPatch>()
        .no_result(),
    describe(Operation::RegionDelete, "Remove a region").of::<Region>().no_result(),
    describe(Operation::RegionFailover, "Fail a lost region over")
        .of::<Region>()
        .takes::<Failover>()
        .no_result()
        .answers(&[202]),
    describe(Operation::DivergenceGet, "Read the writes that only a failed region has")
        .of::<Region>()
        .result::<LostWrites>(),
    describe(Operation::PoliciesGet, "Read the cluster-wide policies")
        .result::<Policies>()
        .versioned(),
    describe(Operation::PoliciesPut, "Replace the cluster-wide policies")
        .takes::<PoliciesSet>()
        .no_result()
        .versioned(),
    describe(Operation::PoliciesTest, "Decide a request without carrying it out")
        .takes::<PolicyTest>()
        .result::<PolicyVerdict>()
        .fails(&[404]),
    describe(Operation::DemoCut, "Cut a region or a node off")
        .takes::<DemoTarget>()
        .no_result()
        .fails(&[404]),
    describe(Operation::DemoHeal, "Heal a cut").takes::<DemoTarget>().no_result().fails(&[404]),
];
