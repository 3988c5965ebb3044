//! What must hold when processes die or stand still, links are cut and disks fail: nine
//! `concordatd start` on loopback, killed with `kill -9`, paused, wiped and started again while
//! clients write.
//!
//! The tests run one after another (each has nine processes and wants the machine), each bounded in
//! time. Nothing is judged by milliseconds but the five seconds within which writing must go on
//! after a leader's death; where times are the point, they are judged as a share of the delays that
//! were asked for, or beside this process's own timers.
#![cfg(test)]

mod addresses;
mod all_killed;
mod clients;
mod damage;
mod exactly_once;
mod expired;
mod failover;
mod failover_cut;
mod fenced;
mod figures;
mod fleet;
mod home_latency;
mod in_process;
mod in_process_addresses;
mod in_process_copies;
mod in_process_failover;
mod in_process_faults;
mod in_process_features;
mod in_process_lost;
mod in_process_members;
mod in_process_move;
mod in_process_queue;
mod keyrings;
mod kinds;
mod leader_killed;
mod leases;
mod long_run;
mod membership;
mod misspelt;
mod moved;
mod promises;
mod recovery;
mod refusals;
mod region_down;
mod regions;
mod sdk;
mod sick;
mod sick_disk;
mod truth_of_408;
mod two_builds;
mod watch;
mod wiped_node;
