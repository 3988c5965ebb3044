//! Moves of organizations between home groups: the queue, and the steps.
//!
//! [`crate::machine`] alone decides which step is allowed.

pub(crate) mod drive;
pub(crate) mod queue;
pub(crate) mod turn;
