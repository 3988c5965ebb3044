//! A fault, as opposed to a refusal: the replica stops. Never a reply.

/// A fault of storage or of programming.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Fault {
    /// The action that failed.
    pub context: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A fault with its source.
    pub fn caused(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { context: context.into(), source: Some(source.into()) }
    }
}
