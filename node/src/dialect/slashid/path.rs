//! The parameters of paths: ids and names, percent-decoded once (contract 1.1).

use concordat_proto::{id::ClientId, resource::ResourceName};

use crate::{
    api::{outcome::Malformed, request::Input},
    dialect::common::malformed,
    percent,
};

/// The client id of a credential.
pub(super) fn client_id(input: &Input<'_>) -> Result<ClientId, Malformed> {
    let text = percent::decode(input.path_parameter)
        .ok_or_else(|| malformed("the client id in the path is badly encoded"))?;
    ClientId::new(text).map_err(|_| {
        malformed("the client id in the path must be 1 to 255 characters, no control characters")
    })
}

/// The name of a resource.
pub(super) fn name(input: &Input<'_>) -> Result<ResourceName, Malformed> {
    let text = percent::decode(input.path_parameter)
        .ok_or_else(|| malformed("the name in the path is badly encoded"))?;
    ResourceName::new(text)
        .map_err(|_| malformed("the name in the path must be 1 to 70 bytes, no control characters"))
}
