//! The routes of each part of each service: each call by its path in HTTP, and by the one of gRPC.

use http::Method;

use super::{
    decode,
    fields::Fields,
    generic, legacy, search,
    service::{Part, Service},
};
use crate::{
    api::{operation::Operation, outcome::Malformed},
    dialect::traits::{Health, Route},
};

/// As servers of gRPC say it that know a method by its description alone.
const NOT_MIGRATED: &str = "method MigrateGenericOIDCProvider not implemented";

/// The routes of a part.
pub(super) const fn of(service: Service, part: Part) -> &'static [Route] {
    match (service, part) {
        (Service::Admin, Part::Legacy) => ADMIN_LEGACY,
        (Service::Admin, Part::Deactivate) => ADMIN_DEACTIVATE,
        (Service::Admin, Part::Reactivate) => ADMIN_REACTIVATE,
        (Service::Admin, Part::Generic) => ADMIN_GENERIC,
        (Service::Management, Part::Legacy) => MANAGEMENT_LEGACY,
        (Service::Management, Part::Deactivate) => MANAGEMENT_DEACTIVATE,
        (Service::Management, Part::Reactivate) => MANAGEMENT_REACTIVATE,
        (Service::Management, Part::Generic) => MANAGEMENT_GENERIC,
    }
}

/// The paths below which all are of a service.
pub(super) const fn own(service: Service) -> &'static [&'static str] {
    match service {
        Service::Admin => &["/admin/v1", "/idps"],
        Service::Management => &["/management/v1"],
    }
}

/// Where a service says that the process answers. One part says it for all.
pub(super) const fn health(service: Service, part: Part) -> Option<&'static Health> {
    match (service, part) {
        (Service::Admin, Part::Legacy) => Some(&ADMIN_HEALTH),
        (Service::Management, Part::Legacy) => Some(&MANAGEMENT_HEALTH),
        (_, Part::Deactivate | Part::Reactivate | Part::Generic) => None,
    }
}

const ADMIN_HEALTH: Health = Health {
    paths: &[
        (Method::GET, "/admin/v1/healthz"),
        (Method::POST, "/zitadel.admin.v1.AdminService/Healthz"),
    ],
    body: "{}",
};
const MANAGEMENT_HEALTH: Health = Health {
    paths: &[
        (Method::GET, "/management/v1/healthz"),
        (Method::POST, "/zitadel.management.v1.ManagementService/Healthz"),
    ],
    body: "{}",
};

/// The routes of some calls: the method and the path of HTTP, where the fields are besides the path, the name
/// of the call, the operation, and the action of its fields. Behind a plus: another path of a call. Behind a minus:
/// the path of one that is known and not served, for those who may do what it would.
macro_rules! routes {
    ($calls:literal: $(
        $method:ident $path:literal, $place:ident => $call:literal, $operation:ident, $action:expr;
    )* $(
        + $other:ident $alias:literal, $from:ident => $same:literal, $also:ident, $does:expr;
    )* $(
        - $refused:ident $known:literal, $would:ident => $why:expr;
    )*) => {
        &[
            $(Route {
                method: Method::$method,
                path: $path,
                operation: Operation::$operation,
                parse: |input| $action(Fields::$place(input, concat!($calls, $call))?),
            },)*
            $(Route {
                method: Method::POST,
                path: concat!($calls, $call),
                operation: Operation::$operation,
                parse: |input| $action(Fields::of_frame(input, concat!($calls, $call))?),
            },)*
            $(Route {
                method: Method::$other,
                path: $alias,
                operation: Operation::$also,
                parse: |input| $does(Fields::$from(input, concat!($calls, $same))?),
            },)*
            $(Route {
                method: Method::$refused,
                path: $known,
                operation: Operation::$would,
                parse: |_| Err(Malformed::Unsupported($why)),
            },)*
        ]
    };
}

macro_rules! admin {
    ($($calls:tt)*) => { routes!("/zitadel.admin.v1.AdminService/": $($calls)*) };
}

macro_rules! management {
    ($($calls:tt)*) => { routes!("/zitadel.management.v1.ManagementService/": $($calls)*) };
}

const ADMIN_LEGACY: &[Route] = admin! {
    POST "/admin/v1/idps/oidc", of_body => "AddOIDCIDP", EntryCreate,
        |fields| legacy::add(Service::Admin, decode::add_legacy(fields));
    POST "/admin/v1/idps/_search", of_body => "ListIDPs", EntryList,
        |fields| search::list(Service::Admin, Part::Legacy, decode::search(fields));
    GET "/admin/v1/idps/{id}", of_path => "GetIDPByID", EntryGet,
        |fields| search::get(Service::Admin, Part::Legacy, &decode::by_id(fields));
    PUT "/admin/v1/idps/{id}", of_body => "UpdateIDP", EntryChange,
        |fields| legacy::update(Service::Admin, decode::update_legacy(fields));
    DELETE "/admin/v1/idps/{id}", of_path => "RemoveIDP", EntryDelete,
        |fields| legacy::remove(Service::Admin, &decode::by_id(fields));
    PUT "/admin/v1/idps/{id}/oidc_config", of_body => "UpdateIDPOIDCConfig", EntryChange,
        |fields| legacy::update_config(Service::Admin, decode::update_legacy_config(fields));
    // As one published page has it, without the prefix.
    + PUT "/idps/{id}/oidc_config", of_body => "UpdateIDPOIDCConfig", EntryChange,
        |fields| legacy::update_config(Service::Admin, decode::update_legacy_config(fields));
};
const ADMIN_DEACTIVATE: &[Route] = admin! {
    POST "/admin/v1/idps/{id}/_deactivate", of_body => "DeactivateIDP", EntryChange,
        |fields| legacy::deactivate(Service::Admin, &decode::by_id(fields));
};
const ADMIN_REACTIVATE: &[Route] = admin! {
    POST "/admin/v1/idps/{id}/_reactivate", of_body => "ReactivateIDP", EntryChange,
        |fields| legacy::reactivate(Service::Admin, &decode::by_id(fields));
};
const ADMIN_GENERIC: &[Route] = admin! {
    POST "/admin/v1/idps/generic_oidc", of_body => "AddGenericOIDCProvider", EntryCreate,
        |fields| generic::add(Service::Admin, decode::generic_oidc(fields));
    PUT "/admin/v1/idps/generic_oidc/{id}", of_body => "UpdateGenericOIDCProvider", EntryChange,
        |fields| generic::update(Service::Admin, decode::generic_oidc(fields));
    POST "/admin/v1/idps/templates/_search", of_body => "ListProviders", EntryList,
        |fields| search::list(Service::Admin, Part::Generic, decode::search(fields));
    GET "/admin/v1/idps/templates/{id}", of_path => "GetProviderByID", EntryGet,
        |fields| search::get(Service::Admin, Part::Generic, &decode::by_id(fields));
    DELETE "/admin/v1/idps/templates/{id}", of_path => "DeleteProvider", EntryDelete,
        |fields| search::delete(&decode::by_id(fields));
    - POST "/admin/v1/idps/generic_oidc/{id}/_migrate", EntryChange => NOT_MIGRATED;
};

const MANAGEMENT_LEGACY: &[Route] = management! {
    POST "/management/v1/idps/oidc", of_body => "AddOrgOIDCIDP", EntryCreate,
        |fields| legacy::add(Service::Management, decode::add_legacy(fields));
    POST "/management/v1/idps/_search", of_body => "ListOrgIDPs", EntryList,
        |fields| search::list(Service::Management, Part::Legacy, decode::search(fields));
    GET "/management/v1/idps/{id}", of_path => "GetOrgIDPByID", EntryGet,
        |fields| search::get(Service::Management, Part::Legacy, &decode::by_id(fields));
    PUT "/management/v1/idps/{id}", of_body => "UpdateOrgIDP", EntryChange,
        |fields| legacy::update(Service::Management, decode::update_legacy(fields));
    DELETE "/management/v1/idps/{id}", of_path => "RemoveOrgIDP", EntryDelete,
        |fields| legacy::remove(Service::Management, &decode::by_id(fields));
    PUT "/management/v1/idps/{id}/oidc_config", of_body => "UpdateOrgIDPOIDCConfig", EntryChange,
        |fields| legacy::update_config(Service::Management, decode::update_legacy_config(fields));
};
const MANAGEMENT_DEACTIVATE: &[Route] = management! {
    POST "/management/v1/idps/{id}/_deactivate", of_body => "DeactivateOrgIDP", EntryChange,
        |fields| legacy::deactivate(Service::Management, &decode::by_id(fields));
};
const MANAGEMENT_REACTIVATE: &[Route] = management! {
    POST "/management/v1/idps/{id}/_reactivate", of_body => "ReactivateOrgIDP", EntryChange,
        |fields| legacy::reactivate(Service::Management, &decode::by_id(fields));
};
const MANAGEMENT_GENERIC: &[Route] = management! {
    POST "/management/v1/idps/generic_oidc", of_body => "AddGenericOIDCProvider", EntryCreate,
        |fields| generic::add(Service::Management, decode::generic_oidc(fields));
    PUT "/management/v1/idps/generic_oidc/{id}", of_body => "UpdateGenericOIDCProvider", EntryChange,
        |fields| generic::update(Service::Management, decode::generic_oidc(fields));
    POST "/management/v1/idps/templates/_search", of_body => "ListProviders", EntryList,
        |fields| search::list(Service::Management, Part::Generic, decode::search(fields));
    GET "/management/v1/idps/templates/{id}", of_path => "GetProviderByID", EntryGet,
        |fields| search::get(Service::Management, Part::Generic, &decode::by_id(fields));
    DELETE "/management/v1/idps/templates/{id}", of_path => "DeleteProvider", EntryDelete,
        |fields| search::delete(&decode::by_id(fields));
    - POST "/management/v1/idps/generic_oidc/{id}/_migrate", EntryChange => NOT_MIGRATED;
};
