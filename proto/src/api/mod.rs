//! The documents of Concordat's HTTP APIs: one serde type for each request and response body.
//!
//! Of responses: nodes render these types, the SDK parses them and re-exports them, the CLI prints them. Of
//! requests: the SDK builds these types, and nodes describe their API by them. What a dialect demands of a
//! request (limits, texts of errors, which headers it takes) stays with the node, whose parsers read the
//! members by hand; a test there holds that they read every member of these types.
//! A type here is never stored and never sent between nodes: those bytes are frozen in [`crate::wire`].
//!
//! # Compatibility
//! Within `/v1` members and enum values are only added. Hence:
//! - A member is written in the order in which its type declares it. New members go to the end.
//! - A reader ignores unknown members.
//! - A reader takes a member that is absent or null for its default, except for the ids and names that say
//!   what a document is about: without these it is no document ([`lenient`]).
//! - An enum in a response is an [`OpenEnum`]: a value that this build does not know keeps its text. An
//!   enum in a request is closed.
//! - An id that does not parse makes the document invalid. It is never shortened or corrected.
//!
//! Spans end in their unit (`_ms`), whole numbers unless the field says otherwise. Raft groups, terms and
//! log indexes are numbers; all other ids are text.

pub mod cluster;
pub mod credential;
pub mod demo;
pub mod envelope;
mod error_item;
mod lenient;
pub mod node;
mod open_enum;
pub mod organization;
pub mod policy;
pub mod receipt;
pub mod region;
pub mod resource;
#[cfg(test)]
mod samples_test;
mod secret_text;

/// The keyword `oneOf` of an object of which exactly one of these members must be there.
#[cfg(feature = "schema")]
fn exactly_one(members: &[&str]) -> Vec<serde_json::Value> {
    let one = |member: &&str| serde_json::json!({ "required": [member] });
    members.iter().map(one).collect()
}

pub use open_enum::OpenEnum;
