//! A failover's decisions: who may still act for a group, what the survivors of a closed group have,
//! which of them founds its successor, and why an operator's failover would be refused.
//!
//! Pure: what was asked and answered comes in as values, time as a span of the node's steady clock.
//! Nothing here names a successor; `raft/failover` asks, waits and proposes. What the machine does with
//! a proposed step is in `machine/failover`.

pub mod blocker;
pub mod fence;
pub mod survivors;
