//! The HTTP API as a document of OpenAPI 3.1, and the page that shows it.
//!
//! The document is made from what serves: the routes of all dialects, the table of operations, and the
//! types that parse and render. A dialect describes its own part ([`crate::dialect::describe`]); what is
//! common is in `neutral`. Nothing here depends on a request, on stored state or on the network, and
//! neither page needs a key.

mod document;
mod neutral;
mod page;
mod schemas;
mod serve;
mod viewer;

pub(crate) use serve::{description, docs, docs_file};

#[cfg(test)]
mod openapi_test;
