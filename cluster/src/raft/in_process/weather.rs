//! What becomes of a message beyond cuts and delays: late, lost or twice, as somebody outside draws
//! it. Without weather nothing of the kind happens.
//!
//! It never touches streams: they are connections, which lose and double nothing.

use std::{fmt, time::Duration};

use concordat_proto::region::Region;

/// A message on its way.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Where it comes from.
    pub from: &'a Region,
    /// The address it goes to.
    pub to: &'a str,
    /// Whether an answer is waited for.
    pub is_request: bool,
    /// What it says.
    pub body: &'a [u8],
}

/// What becomes of it.
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

/// Draws what becomes of messages.
pub trait Weather: fmt::Debug + Send + Sync + 'static {
    /// Called once for each message, in the order of sending.
    fn fate(&self, message: Message<'_>) -> Fate;
}
