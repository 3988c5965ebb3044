//! The operator's endpoints: organizations, their homes, the cluster and the availability of
//! writes.

mod ends;
mod moves;
mod outlook;
mod routes;
