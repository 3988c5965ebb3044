//! How readers of documents treat what is absent, null or not understood.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

/// Reads an explicit `null` like an absent member.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads `null`, and a value that is not understood, as nothing.
pub(super) fn understood<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    #[derive(Deserialize)]
    #[serde(untagged, bound = "T: DeserializeOwned")]
    enum Either<T> {
        Understood(T),
        Other(IgnoredAny),
    }
    Ok(match Deserialize::deserialize(deserializer)? {
        Either::Understood(value) => Some(value),
        Either::Other(_) => None,
    })
}
