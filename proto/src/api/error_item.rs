//! One error of a response.

use serde::{Deserialize, Serialize};

use super::lenient::null_as_default;

/// Why a request failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorItem {
    /// The HTTP status of the response; in a receipt, that of the response that refused the write. Zero
    /// where it is absent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub httpcode: u16,
    /// The reason, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
}
