//! The descriptions of the operations on an enterprise's configuration. A path without its last slash is
//! an alias, which is described as an operation of its own.

use super::{body, shown};
use crate::{
    api::operation::Operation,
    dialect::describe::{Credential, Credentials, Described, Description, describe, of},
};

const BEARER: Credential =
    Credential { name: "Bearer", header: None, about: "A key of the organization." };

pub(super) const DESCRIBED: Described = Described {
    id: "aisquare",
    tag: "AISquare",
    about: "The OpenID provider of an enterprise.",
    credentials: Credentials::AnyOf(&[&[BEARER]]),
    failure: of::<shown::Failed<'static>>(),
    operations: &[
        CHANGE.at("/", ""),
        CHANGE.at("", "bare"),
        GET.at("/", ""),
        GET.at("", "bare"),
        CLAIM.at("/", ""),
        CLAIM.at("", "bare"),
    ],
};

const CHANGE: Description = describe(Operation::EntryChange, "Set the configuration")
    .takes::<body::Configuration>()
    .returns::<shown::Document<'static>>()
    .fails(&[404])
    .versioned();
const GET: Description = describe(Operation::EntryGet, "Read the configuration")
    .returns::<shown::Document<'static>>()
    .fails(&[404])
    .versioned();
const CLAIM: Description = describe(Operation::DomainClaim, "Claim the enterprise domain")
    .takes::<body::Claim>()
    .returns::<shown::Claimed<'static>>()
    .answers(&[201]);
