//! The answers to one client while things break: they are true, they come in time, and a write is
//! done once however often it is repeated.

mod dialects;
mod exactly_once;
mod home_latency;
mod refusals;
mod request_timeout;
mod sdk;
