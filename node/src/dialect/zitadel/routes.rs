//! The routes of each part of each service, and the decoding of their requests: the id in the path, then
//! the body.

use http::Method;

use super::{
    decode,
    fields::Fields,
    generic, legacy,
    request::ById,
    search,
    service::{Part, Service},
};
use crate::{
    api::{
        operation::{Action, Operation},
        outcome::Malformed,
        request::Input,
    },
    dialect::{common::malformed, traits::Route},
    percent,
};

type Parse = fn(&Input<'_>) -> Result<Action, Malformed>;

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

const fn post(path: &'static str, operation: Operation, parse: Parse) -> Route {
    Route { method: Method::POST, path, operation, parse }
}

const fn put(path: &'static str, parse: Parse) -> Route {
    Route { method: Method::PUT, path, operation: Operation::EntryChange, parse }
}

const fn get(path: &'static str, parse: Parse) -> Route {
    Route { method: Method::GET, path, operation: Operation::EntryGet, parse }
}

const fn delete(path: &'static str, parse: Parse) -> Route {
    Route { method: Method::DELETE, path, operation: Operation::EntryDelete, parse }
}

macro_rules! legacy {
    ($prefix:literal, $service:expr $(, $more:expr)*) => {
        &[
            post(concat!($prefix, "/idps/oidc"), Operation::EntryCreate, |input| {
                legacy::add($service, decode::add_legacy(Fields::of_body(input)?)?)
            }),
            post(concat!($prefix, "/idps/_search"), Operation::EntryList, |input| {
                let request = decode::search($service, true, Fields::of_body(input)?)?;
                search::list($service, Part::Legacy, request)
            }),
            get(concat!($prefix, "/idps/{id}"), |input| {
                search::get($service, Part::Legacy, &by_id(input)?)
            }),
            put(concat!($prefix, "/idps/{id}"), |input| {
                let fields = Fields::of_body(input)?;
                legacy::update($service, decode::update_legacy(id(input)?, fields)?)
            }),
            delete(concat!($prefix, "/idps/{id}"), |input| {
                legacy::remove($service, &by_id(input)?)
            }),
            put(concat!($prefix, "/idps/{id}/oidc_config"), |input| update_config($service, input)),
            $($more,)*
        ]
    };
}

macro_rules! generic {
    ($prefix:literal, $service:expr) => {
        &[
            post(concat!($prefix, "/idps/generic_oidc"), Operation::EntryCreate, |input| {
                let fields = Fields::of_body(input)?;
                generic::add($service, decode::generic_oidc(String::new(), fields)?)
            }),
            put(concat!($prefix, "/idps/generic_oidc/{id}"), |input| {
                let fields = Fields::of_body(input)?;
                generic::update($service, decode::generic_oidc(id(input)?, fields)?)
            }),
            post(concat!($prefix, "/idps/templates/_search"), Operation::EntryList, |input| {
                let request = decode::search($service, false, Fields::of_body(input)?)?;
                search::list($service, Part::Generic, request)
            }),
            get(concat!($prefix, "/idps/templates/{id}"), |input| {
                search::get($service, Part::Generic, &by_id(input)?)
            }),
            delete(concat!($prefix, "/idps/templates/{id}"), |input| {
                search::delete(&by_id(input)?)
            }),
        ]
    };
}

const ADMIN_LEGACY: &[Route] = legacy!(
    "/admin/v1",
    Service::Admin,
    // As one published page has it, without the prefix.
    put("/idps/{id}/oidc_config", |input| update_config(Service::Admin, input))
);
const ADMIN_DEACTIVATE: &[Route] =
    &[post("/admin/v1/idps/{id}/_deactivate", Operation::EntryChange, |input| {
        legacy::deactivate(Service::Admin, &by_id_alone(input)?)
    })];
const ADMIN_REACTIVATE: &[Route] =
    &[post("/admin/v1/idps/{id}/_reactivate", Operation::EntryChange, |input| {
        legacy::reactivate(Service::Admin, &by_id_alone(input)?)
    })];
const ADMIN_GENERIC: &[Route] = generic!("/admin/v1", Service::Admin);
const MANAGEMENT_LEGACY: &[Route] = legacy!("/management/v1", Service::Management);
const MANAGEMENT_DEACTIVATE: &[Route] =
    &[post("/management/v1/idps/{id}/_deactivate", Operation::EntryChange, |input| {
        legacy::deactivate(Service::Management, &by_id_alone(input)?)
    })];
const MANAGEMENT_REACTIVATE: &[Route] =
    &[post("/management/v1/idps/{id}/_reactivate", Operation::EntryChange, |input| {
        legacy::reactivate(Service::Management, &by_id_alone(input)?)
    })];
const MANAGEMENT_GENERIC: &[Route] = generic!("/management/v1", Service::Management);

fn update_config(service: Service, input: &Input<'_>) -> Result<Action, Malformed> {
    let fields = Fields::of_body(input)?;
    legacy::update_config(service, decode::update_legacy_config(id(input)?, fields)?)
}

fn id(input: &Input<'_>) -> Result<String, Malformed> {
    let id = percent::decode(input.path_parameter);
    let id = id.ok_or_else(|| malformed("the id in the path is badly encoded"))?;
    Ok(id.into_owned())
}

fn by_id(input: &Input<'_>) -> Result<ById, Malformed> {
    Ok(ById { id: id(input)? })
}

/// The body must be a message, and nothing in it is read.
fn by_id_alone(input: &Input<'_>) -> Result<ById, Malformed> {
    let _: Fields = Fields::of_body(input)?;
    by_id(input)
}
