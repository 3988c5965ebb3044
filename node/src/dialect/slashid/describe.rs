//! The descriptions of the native operations.

use concordat_proto::{
    api::{
        credential::{ClientSecret, CredentialCreate, CredentialPatch, OidcCredential},
        organization::Organization,
    },
    id::ClientId,
    oidc::Provider,
};

use crate::{
    api::operation::Operation,
    dialect::{
        common::described::{LIMIT, OFFSET},
        describe::{Description, Parameter, describe, of},
    },
};

const OF_PROVIDER: Parameter = Parameter {
    name: "oauth_provider",
    about: "Only credentials of this provider.",
    schema: of::<Provider>(),
};

pub(super) const OPERATIONS: &[Description] = &[
    describe(Operation::OidcList, "List credentials")
        .query(&[OF_PROVIDER, LIMIT, OFFSET])
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
    describe(Operation::OwnOrgGet, "Read the key's own organization").result::<Organization>(),
];
