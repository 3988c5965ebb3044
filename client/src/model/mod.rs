//! Values that calls take and return, beside the documents of [`concordat_proto::api`]. Nothing here sends
//! anything: that is the work of `call` and `api`.

pub(crate) mod envelope;
pub(crate) mod freshness;
pub(crate) mod identity;
pub(crate) mod options;
pub(crate) mod pending;
pub(crate) mod read;
