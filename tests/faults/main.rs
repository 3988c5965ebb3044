//! What must hold when processes die: nine `concordatd start` on loopback, killed with `kill -9`,
//! wiped and started again while clients write.
//!
//! The tests run one after another (each has nine processes and wants the machine), each bounded in
//! time. Nothing is judged by milliseconds but the five seconds within which writing must go on
//! after a leader's death.
#![cfg(test)]

mod all_killed;
mod fleet;
mod in_process;
mod in_process_members;
mod leader_killed;
mod membership;
mod region_down;
mod wiped_node;
