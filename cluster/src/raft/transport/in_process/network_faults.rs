//! Injected network faults beyond cuts and delays: messages that are late, lost or duplicated, as
//! the caller's implementation decides. Without one there are none.
//!
//! It never touches streams: they are connections, which lose and duplicate nothing.

use std::{fmt, time::Duration};

use concordat_proto::region::Region;

/// A message on its way.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The sender's region.
    pub from: &'a Region,
    /// The address it goes to.
    pub to: &'a str,
    /// Whether the sender waits for an answer.
    pub is_request: bool,
    /// Its content.
    pub body: &'a [u8],
}

/// The fate of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fate {
    /// Longer under way by this much. Requests may overtake one another; notices never do.
    pub later: Duration,
    /// It never arrives.
    pub is_lost: bool,
    /// It arrives, and its answer does not.
    pub is_answer_lost: bool,
    /// A request that arrives twice. Sockets do not do that; who takes it well takes all.
    pub is_doubled: bool,
}

/// Decides the fate of messages.
pub trait NetworkFaults: fmt::Debug + Send + Sync + 'static {
    /// Called once for each message, in the order of sending.
    fn fate(&self, message: Message<'_>) -> Fate;
}
