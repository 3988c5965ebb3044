//! Policies in the language Cedar: which are in force, and what they say of a request.
//!
//! Pure: nothing here reads the state, a clock or a socket. What is asked ([`question`]) is compared with
//! sets that were compiled from their texts ([`compiled`]), after a set that a caller brings was checked
//! against the schema ([`check`]).
//!
//! # Which policies are in force
//! 1. The default set (`default.cedar`): the rights of keys and operators. Always.
//! 2. The cluster-wide set, which operators set. It may permit what the default set does not, and forbid
//!    anything.
//! 3. The organization's own set, for requests by its keys and by operators who act for it. It may only
//!    forbid: an organization can never widen what the cluster gives it.
//!
//! `forbid` wins, and a policy that cannot be evaluated denies the request. While no set but the default
//! one is in force nothing is evaluated: `auth::authorize` compares the rights, and a test here proves that
//! this is the same.

pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod compiled;
pub(crate) mod question;
mod reads;
pub(crate) mod schema;

#[cfg(test)]
mod engine_test;
