//! A permanently lost region, on real processes: failed over by the operator's command or by the
//! partition policy.

mod cut;
mod fenced;
mod under_load;
