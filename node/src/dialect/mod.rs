//! The dialects: each is an HTTP API of its own over the same operations. It converts requests into
//! [`crate::api`]'s types and outcomes into responses.
//!
//! A dialect is a folder here and a line in [`REGISTRY`]. No other file names it. No dialect
//! imports another; none does IO, reads a clock or knows the store. [`common`] is their shared part.

pub mod aisquare;
pub mod common;
pub mod describe;
pub mod jitsudo;
pub mod operator;
pub mod slashid;
pub mod traits;
pub mod zitadel;

use self::{
    common::terms::Names,
    traits::Dialect,
    zitadel::{Part, Service, Zitadel},
};

/// All dialects. The first one answers requests without a route, but for paths that belong to another one.
///
/// Every other one takes the consistency in the headers of the native one, so that one client
/// configuration serves all.
pub static REGISTRY: [&dyn Dialect; 12] = [
    &slashid::Slashid,
    &operator::OperatorApi { names: &slashid::NAMES },
    &jitsudo::Jitsudo { names: &slashid::NAMES },
    &aisquare::Aisquare { names: &slashid::NAMES },
    &zitadel(Service::Admin, Part::Legacy),
    &zitadel(Service::Admin, Part::Deactivate),
    &zitadel(Service::Admin, Part::Reactivate),
    &zitadel(Service::Admin, Part::Generic),
    &zitadel(Service::Management, Part::Legacy),
    &zitadel(Service::Management, Part::Deactivate),
    &zitadel(Service::Management, Part::Reactivate),
    &zitadel(Service::Management, Part::Generic),
];

const fn zitadel(service: Service, part: Part) -> Zitadel {
    Zitadel { service, part, names: &slashid::NAMES }
}

/// The headers of the native API, in which this process itself asks.
pub static NATIVE: &Names = &slashid::NAMES;

#[cfg(test)]
mod answer_test;
#[cfg(test)]
mod answered;
#[cfg(test)]
mod members_test;
#[cfg(test)]
mod request_test;
#[cfg(test)]
mod script;
