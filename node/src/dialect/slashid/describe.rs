//! The descriptions of the native operations.

use concordat_proto::{
    api::{
        credential::{ClientSecret, CredentialCreate, CredentialPatch, OidcCredential},
        organization::{
            ApiKey, ApiKeyCreate, NewApiKey, NewSuborganization, Organization, Suborganization,
            SuborganizationCreate,
        },
        policy::{Policies, PoliciesSet},
        resource::{
            Attribute, AttributeSet, ExternalCreate, ExternalCredential, ExternalPatch, SamlCreate,
            SamlCredential, SamlPatch,
        },
    },
    id::{ClientId, KeyId},
    oidc::Provider,
    resource::ResourceName,
};

use crate::{
    api::operation::Operation,
    dialect::{
        common::described::{CURSOR, LIMIT, OFFSET},
        describe::{Description, Parameter, describe, of},
    },
};

const OF_PROVIDER: Parameter = Parameter {
    name: "oauth_provider",
    about: "Only credentials of this provider.",
    schema: of::<Provider>(),
};

const CREDENTIAL_ID: Parameter = Parameter {
    name: "credentialId",
    about: "The credential to delete, which is required; empty to delete all.",
    schema: of::<String>(),
};
const DELETE_ALL: Parameter = Parameter {
    name: "deleteAll",
    about: "Delete all, where credentialId is empty.",
    schema: of::<bool>(),
};

pub(super) const OPERATIONS: &[Description] = &[
    describe(Operation::OidcList, "List credentials")
        .query(&[OF_PROVIDER, LIMIT, OFFSET, CURSOR])
        .result::<Vec<OidcCredential>>(),
    describe(Operation::OidcCreate, "Create a credential")
        .takes::<CredentialCreate>()
        .no_result()
        .answers(&[201])
        .versioned(),
    describe(Operation::OidcGet, "Read a credential")
        .of::<ClientId>()
        .result::<OidcCredential>()
        .versioned(),
    describe(Operation::OidcPatch, "Change a credential")
        .of::<ClientId>()
        .takes::<CredentialPatch>()
        .no_result()
        .versioned(),
    describe(Operation::OidcDelete, "Delete a credential").of::<ClientId>().no_result(),
    describe(Operation::SecretGet, "Read a client secret")
        .of::<ClientId>()
        .result::<ClientSecret>(),
    describe(Operation::OwnOrgDelete, "Delete the organization").answers(&[204]),
    describe(Operation::SuborgList, "List suborganizations")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<Suborganization>>(),
    describe(Operation::SuborgCreate, "Create a suborganization")
        .takes::<SuborganizationCreate>()
        .result::<NewSuborganization>(),
    describe(Operation::SamlList, "List SAML credentials")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<SamlCredential>>(),
    describe(Operation::SamlCreate, "Create a SAML credential")
        .takes::<SamlCreate>()
        .result::<SamlCredential>()
        .answers(&[201])
        .versioned(),
    describe(Operation::SamlGet, "Read a SAML credential")
        .of::<ResourceName>()
        .result::<SamlCredential>()
        .versioned(),
    describe(Operation::SamlPatch, "Change a SAML credential")
        .of::<ResourceName>()
        .takes::<SamlPatch>()
        .answers(&[204])
        .versioned(),
    describe(Operation::SamlDelete, "Delete a SAML credential")
        .of::<ResourceName>()
        .answers(&[204]),
    describe(Operation::ExternalList, "List external credentials")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<ExternalCredential>>(),
    describe(Operation::ExternalCreate, "Create an external credential")
        .takes::<ExternalCreate>()
        .result::<[ResourceName; 1]>()
        .answers(&[201])
        .versioned(),
    describe(Operation::ExternalGet, "Read an external credential with its secret")
        .of::<ResourceName>()
        .result::<ExternalCredential>()
        .versioned(),
    describe(Operation::ExternalPatch, "Change an external credential")
        .of::<ResourceName>()
        .takes::<ExternalPatch>()
        .answers(&[204])
        .versioned(),
    describe(Operation::ExternalDelete, "Delete an external credential, or all")
        .query(&[CREDENTIAL_ID, DELETE_ALL])
        .answers(&[204]),
    describe(Operation::AttributeList, "List the names of attributes")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<Attribute>>(),
    describe(Operation::AttributeGet, "Read an attribute")
        .of::<ResourceName>()
        .result::<Attribute>()
        .versioned(),
    describe(Operation::AttributePut, "Set an attribute")
        .of::<ResourceName>()
        .takes::<AttributeSet>()
        .no_result()
        .versioned(),
    describe(Operation::AttributeDelete, "Delete an attribute")
        .of::<ResourceName>()
        .answers(&[204]),
    describe(Operation::KeyList, "List the organization's keys")
        .query(&[LIMIT, OFFSET])
        .result::<Vec<ApiKey>>(),
    describe(Operation::KeyIssue, "Make a key")
        .takes::<ApiKeyCreate>()
        .result::<NewApiKey>()
        .answers(&[201]),
    describe(Operation::KeyRotate, "Replace the caller's key").result::<NewApiKey>(),
    describe(Operation::KeyRevoke, "Revoke a key").of::<KeyId>().answers(&[204]),
    describe(Operation::OrgPoliciesGet, "Read the organization's own policies")
        .result::<Policies>()
        .versioned(),
    describe(Operation::OrgPoliciesPut, "Replace the organization's own policies")
        .takes::<PoliciesSet>()
        .no_result()
        .versioned(),
    describe(Operation::OwnOrgGet, "Read the key's own organization").result::<Organization>(),
];
