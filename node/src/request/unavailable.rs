//! Internal errors: logged here; the caller learns only that the node cannot answer now.

use concordat_cluster::error_chain::chain;

use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    seal::SealError,
};

/// The answer that the node cannot do or answer it now.
pub(crate) fn unavailable(why: Unavailable) -> Answer {
    Outcome::Unavailable(why).into()
}

/// The store is broken. Its watcher has been notified, and stops the process.
pub(crate) fn broken(context: &str, error: &dyn std::error::Error) -> Answer {
    tracing::error!(error = %chain(error), "{context}");
    unavailable(Unavailable::Broken)
}

/// A secret cannot be sealed or opened here.
pub(crate) fn no_key(error: SealError) -> Answer {
    tracing::error!(%error, "an organization's data key cannot be used");
    unavailable(Unavailable::Secrets)
}

/// A stored private key cannot be used. It was checked when it came: this is this node's fault.
pub(crate) fn no_private_key() -> Answer {
    tracing::error!("a stored private key cannot be used");
    unavailable(Unavailable::Secrets)
}
