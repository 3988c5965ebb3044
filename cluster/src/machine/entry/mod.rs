//! One log entry while it is applied: its context, its view of the state, and its changes. No rule
//! of any command belongs here.

pub(super) mod changes;
pub(super) mod context;
pub(super) mod repeated;
pub(super) mod txn;
pub(super) mod view;
