//! The descriptions of the operator's operations.

use concordat_proto::{
    api::{
        cluster::{ClusterPatch, ClusterStatus, Digests},
        credential::{Binding, BindingSet},
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
    id::{NodeId, OrgId, WriteId},
    limits,
    region::Region,
    registration::Binding as BindingName,
};

use crate::{
    api::operation::Operation,
    dialect::{
        common::described::{LIMIT, OFFSET},
        describe::{Description, Parameter, describe, of, whole},
    },
};

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

pub(super) const OPERATIONS: &[Description] = &[
    describe(Operation::ReceiptGet, "Read a write's receipt")
        .of::<WriteId>()
        .query(&[WAIT, REQUIRED])
        .result::<Receipt>(),
    describe(Operation::BindingGet, "Read what a dialect is bound to")
        .of::<BindingName>()
        .result::<Binding>(),
    describe(Operation::BindingSet, "Bind a dialect to a credential")
        .of::<BindingName>()
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
