//! The descriptions of the operations on a tenant's configuration.

use super::{body, shown};
use crate::{
    api::operation::Operation,
    dialect::describe::{Credential, Credentials, Described, Description, describe, of},
};

pub(super) const KEY_SHOWN: &str = "X-API-Key";
pub(super) const TENANT_SHOWN: &str = "X-Tenant-ID";

const KEY: Credential =
    Credential { name: "JitsudoKey", header: Some(KEY_SHOWN), about: "A key of the organization." };
const BEARER: Credential =
    Credential { name: "Bearer", header: None, about: "A key of the organization." };
const TENANT: Credential = Credential {
    name: "JitsudoTenant",
    header: Some(TENANT_SHOWN),
    about: "The id of the organization whose key is given.",
};

pub(super) const DESCRIBED: Described = Described {
    id: "jitsudo",
    tag: "jitsudo",
    about: "The one OpenID provider of a tenant.",
    credentials: Credentials::AnyOf(&[&[KEY, TENANT], &[BEARER, TENANT]]),
    failure: of::<shown::ErrorDocument<'static>>(),
    operations: OPERATIONS,
};

const OPERATIONS: &[Description] = &[
    describe(Operation::EntryChange, "Set the configuration")
        .takes::<body::Configuration>()
        .returns::<shown::Document<'static>>()
        .versioned(),
    describe(Operation::EntryGet, "Read the configuration")
        .returns::<shown::Document<'static>>()
        .fails(&[404])
        .versioned(),
    describe(Operation::EntryDelete, "Delete the configuration").answers(&[204]).fails(&[404]),
];
