//! The promises when processes die or are paused, links are cut and disks fail: nine `concordatd
//! start` on loopback, killed with `kill -9`, paused, wiped and restarted while clients write.
//!
//! The tests run one after another (each has nine processes and needs the machine), each bounded in
//! time. Nothing is judged by milliseconds except the five seconds within which writes must
//! continue after a leader's death; where times matter, they are judged as a share of the requested
//! delays, or beside this process's own timers.
#![cfg(test)]

mod answers;
mod clients;
mod crashes;
mod failover;
mod figures;
mod fleet;
mod in_process;
mod membership;
mod soak;
mod watch;
