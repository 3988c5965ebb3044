//! The descriptions of the calls, by part. Both services have the same, and different headings.

use super::{
    error,
    message::{Found, Idp, Listed, Provider, Written},
    request::{AddLegacy, GenericOidc, Search, UpdateLegacy, UpdateLegacyConfig},
    service::{Part, Service},
};
use crate::{
    api::operation::Operation,
    dialect::describe::{Credential, Credentials, Described, Description, describe, of},
};

/// Names the organization; without it, it is the key's own.
pub(super) const ORGANIZATION: &str = "x-zitadel-orgid";

const BEARER: Credential =
    Credential { name: "Bearer", header: None, about: "A key of the organization." };
const OF_ORGANIZATION: Credential = Credential {
    name: "ZitadelOrganization",
    header: Some(ORGANIZATION),
    about: "The id of the organization, if not the key's own.",
};

/// Of a part of a service.
pub(super) const fn described(service: Service, part: Part) -> Described {
    let (tag, about) = match service {
        Service::Admin => ("ZITADEL admin", "Identity providers of the instance."),
        Service::Management => ("ZITADEL management", "Identity providers of one organization."),
    };
    let (id, operations) = match (service, part) {
        (Service::Admin, Part::Legacy) => ("zitadel_admin_idp", LEGACY),
        (Service::Admin, Part::Deactivate) => ("zitadel_admin_deactivate", DEACTIVATE),
        (Service::Admin, Part::Reactivate) => ("zitadel_admin_reactivate", REACTIVATE),
        (Service::Admin, Part::Generic) => ("zitadel_admin_provider", GENERIC),
        (Service::Management, Part::Legacy) => ("zitadel_management_idp", LEGACY),
        (Service::Management, Part::Deactivate) => ("zitadel_management_deactivate", DEACTIVATE),
        (Service::Management, Part::Reactivate) => ("zitadel_management_reactivate", REACTIVATE),
        (Service::Management, Part::Generic) => ("zitadel_management_provider", GENERIC),
    };
    let credentials = Credentials::AnyOf(&[&[BEARER], &[BEARER, OF_ORGANIZATION]]);
    let failure = of::<error::Body<'static>>();
    Described { id, tag, about, credentials, failure, operations }
}

const LEGACY: &[Description] = &[
    describe(Operation::EntryCreate, "Add a configuration")
        .takes::<AddLegacy>()
        .returns::<Written>()
        .versioned(),
    describe(Operation::EntryList, "Search configurations")
        .takes::<Search>()
        .returns::<Listed<Idp>>(),
    describe(Operation::EntryGet, "Read a configuration").returns::<Found<Idp>>().versioned(),
    CONFIG.at("/v1/idps/{id}/oidc_config", "oidc_config"),
    CONFIG.at("/oidc_config", "oidc_config_bare"),
    describe(Operation::EntryChange, "Change the name of a configuration")
        .takes::<UpdateLegacy>()
        .returns::<Written>()
        .versioned(),
    describe(Operation::EntryDelete, "Remove a configuration").returns::<Written>(),
];
const CONFIG: Description =
    describe(Operation::EntryChange, "Change the OpenID Connect settings of a configuration")
        .takes::<UpdateLegacyConfig>()
        .returns::<Written>()
        .versioned();
const DEACTIVATE: &[Description] = &[describe(Operation::EntryChange, "Set a configuration aside")
    .returns::<Written>()
    .versioned()];
const REACTIVATE: &[Description] =
    &[describe(Operation::EntryChange, "Take a configuration back into use")
        .returns::<Written>()
        .versioned()];
const GENERIC: &[Description] = &[
    describe(Operation::EntryCreate, "Add a generic OpenID Connect provider")
        .takes::<GenericOidc>()
        .returns::<Written>()
        .versioned(),
    // Not of what is known and not served.
    describe(Operation::EntryChange, "Change a generic OpenID Connect provider")
        .at("/{id}", "")
        .takes::<GenericOidc>()
        .returns::<Written>()
        .versioned(),
    describe(Operation::EntryList, "Search providers")
        .takes::<Search>()
        .returns::<Listed<Provider>>(),
    describe(Operation::EntryGet, "Read a provider").returns::<Found<Provider>>().versioned(),
    describe(Operation::EntryDelete, "Delete a provider").returns::<Written>(),
];
