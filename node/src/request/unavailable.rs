//! What broke, for the log; the caller learns only that nothing can be said here now.

use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    seal::SealError,
};

/// An answer that nothing can be done or said now.
pub(crate) fn unavailable(why: Unavailable) -> Answer {
    Outcome::Unavailable(why).into()
}

/// The store is broken. Its watcher has been notified, and stops the process.
pub(crate) fn broken(doing: &str, error: &dyn std::error::Error) -> Answer {
    tracing::error!(error = %chain(error), "{doing}");
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

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
