//! Answers to what never reached a log, and was no fault of the request: overload and breakage.
//!
//! What broke is for the log, never for the caller.

use std::time::Duration;

use crate::dialect::{Answer, slashid::render};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// 503: as many requests in flight as may be.
pub(crate) fn overloaded() -> Answer {
    render::unavailable("this node has too many requests in flight", RETRY_AFTER)
}

/// 429: as many writes waiting as may be, of all or of the organisation.
pub(crate) fn too_many_waits() -> Answer {
    render::too_many("too many writes wait for their consistency here", RETRY_AFTER)
}

/// 503: no leader was reached in time, and certainly nothing was proposed.
pub(crate) fn no_leader() -> Answer {
    let message = "no leader could be reached; nothing was stored";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: not provably current, and nothing less was asked for.
pub(crate) fn not_current() -> Answer {
    render::unavailable("this node cannot prove that it is current", RETRY_AFTER)
}

/// 503: other moves between the same two homes go first, and did not leave room for this one in time.
pub(crate) fn not_its_turn(ahead: u32) -> Answer {
    let message = format!(
        "{ahead} moves between the same two regions go first; nothing was stored, ask again to keep \
         the place in the queue"
    );
    render::unavailable(&message, RETRY_AFTER)
}

/// 429: as many moves as may be wait for their turn at this node.
pub(crate) fn too_many_moves() -> Answer {
    render::too_many("too many moves wait for their turn here; nothing was stored", RETRY_AFTER)
}

/// 503: nobody reads the log, and a reading of a secret must be audited.
pub(crate) fn not_audited() -> Answer {
    render::unavailable("this node cannot write its audit trail now", RETRY_AFTER)
}

/// 503: something is not in this node's state, and that state has never been current since the node was
/// started: it may be there all the same.
pub(crate) fn never_current() -> Answer {
    let message = "this node has not caught up with its cluster since it was started, and cannot \
                   say that something is not there; ask another node";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: the organisation is on its way to another home, and had not arrived there in time. What was
/// proposed was refused where it no longer is.
pub(crate) fn moving() -> Answer {
    let message = "the organization is moving to another region; nothing was stored";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: the organisation's group is closed, and what takes its place was not here in time.
pub(crate) fn failing_over() -> Answer {
    let message = "the organization's home region is being failed over; nothing was stored";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: the region is cut off from the rest of the cluster, and was told to stop then.
pub(crate) fn fenced() -> Answer {
    let message = "this region is cut off from the rest of the cluster and fences itself \
                   (when_isolated is fence); nothing was stored";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: the node is not a member yet.
pub(crate) fn not_a_member() -> Answer {
    render::unavailable("this node has not joined its cluster yet", RETRY_AFTER)
}

/// 503: what this node seals may be for nobody else to open.
pub(crate) fn keyring_unchecked() -> Answer {
    let message = "this node has not held its keyring against the cluster's state yet; nothing was \
                   stored";
    render::unavailable(message, RETRY_AFTER)
}

/// 503: a secret cannot be sealed or opened here.
pub(crate) fn no_key(error: crate::seal::SealError) -> Answer {
    tracing::error!(%error, "an organisation's data key cannot be used");
    render::unavailable("secrets cannot be handled on this node now", RETRY_AFTER)
}

/// 503: a stored private key cannot be used. It was checked when it came: this is this node's fault.
pub(crate) fn no_private_key() -> Answer {
    tracing::error!("a stored private key cannot be used");
    render::unavailable("secrets cannot be handled on this node now", RETRY_AFTER)
}

/// 503: the store is broken. Its watcher was told, and stops the process.
pub(crate) fn broken(doing: &str, error: &dyn std::error::Error) -> Answer {
    tracing::error!(error = %chain(error), "{doing}");
    render::unavailable("this node cannot read its state", RETRY_AFTER)
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
