//! What a dialect that knows one credential is bound to: `/v1/bindings/{binding}`.

use serde::{Deserialize, Serialize};

use crate::{base::id::ClientId, records::registration};

/// The result of `GET /v1/bindings/{binding}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Binding {
    /// The dialect's name.
    pub binding: registration::Binding,
    /// The credential that it knows.
    pub client_id: ClientId,
}

/// The body of `PUT /v1/bindings/{binding}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BindingSet {
    /// The credential that the dialect is to know.
    pub client_id: ClientId,
}
