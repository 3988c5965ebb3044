//! The protocol of leases, stale readers and moves as explicit-state models: every state that any
//! order of pauses, delays, losses, restarts and elections leads to is looked at, within bounds
//! that each model states.
//!
//! | model | what it has | what it takes for granted |
//! |---|---|---|
//! | [`lease`] | votes, logs, leader leases, transfer, restarts, leases, stale readers, fallback | a fixed membership |
//! | [`membership`] | serving, leaving, removal, regions that count, what a leader has applied | that a replaced leader proves nothing |
//! | [`failover`] | elections, logs, commits, messages of leaders long gone, reports, who founds | that no lease of the closed group is held any more |
//! | [`home_move`] | `Release`, `Adopt`, late `Adopt`, reads by the newest record, there and back | that a group's stale readers are known |
//!
//! The scene is two regions of two nodes (of a failover: three voters, and two survivors). The promise is looked at from one replica, one write (or
//! each write of a few) and one judge: others only keep that judge waiting, so what breaks the
//! promise with them breaks it without. Each model says why that holds for what it leaves out.
//!
//! Time goes in ticks, which may come at any moment: so a process pauses wherever it is not made
//! to take its next step, and a message is late until the step that takes it. All clocks tick
//! together: that they drift, and the margin against it, is not modeled. A lease and a leader
//! lease are two ticks long.
//!
//! Every rule of the protocol has a flaw that leaves it out and a test that expects the promise
//! to break: a model that finds nothing wrong without a rule would not be worth its states.
//!
//! Must never be built on the code that it vouches for: it would share its mistakes.

mod bits;
mod failover;
mod failover_test;
mod home_move;
mod home_move_test;
mod lease;
mod lease_grant;
mod lease_raft;
mod lease_state;
mod lease_test;
mod membership;
mod membership_steps;
mod membership_test;
mod request;
mod search;

use search::{Model, explore};

/// The promise holds in every state.
fn prove_sound<M: Model>(model: &M) {
    let explored = explore(model);
    println!("{} states, {} steps deep", explored.states, explored.depth);
    if let Some(violation) = explored.violation {
        panic!("{}:\n{}", violation.promise, violation.trace.join("\n"));
    }
}

/// A rule left out breaks the promise; a shortest way there is printed.
fn prove_broken<M: Model>(model: &M) {
    let explored = explore(model);
    let violation = explored.violation.expect("the model misses the rule that was left out");
    println!(
        "{} after {} steps ({} states):\n{}",
        violation.promise,
        violation.trace.len(),
        explored.states,
        violation.trace.join("\n")
    );
}
