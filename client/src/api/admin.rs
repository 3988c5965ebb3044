//! Writes of the operator: a method, a path and a body, answered by a receipt.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::write::{Write, Written, json_body, sealed},
    call::core::Core,
    error::ClientError,
};

/// A change of the cluster, or of an organization's settings, by the operator.
#[derive(Debug)]
pub struct AdminWrite {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl sealed::Action for AdminWrite {
    type Done = Written;
    const OPERATOR: bool = true;
    fn target(&self) -> (Method, String) {
        (self.method.clone(), self.path.clone())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        self.body.as_ref().map_or(Ok(Bytes::new()), json_body)
    }
    fn done(&self, written: Written, _body: &[u8]) -> Option<Written> {
        Some(written)
    }
}

pub(super) fn patch(core: &Core, path: String, body: impl Serialize) -> Write<'_, AdminWrite> {
    Write::new(core, AdminWrite { method: Method::PATCH, path, body: Some(json(body)) })
}

pub(super) fn post(core: &Core, path: String, body: impl Serialize) -> Write<'_, AdminWrite> {
    Write::new(core, AdminWrite { method: Method::POST, path, body: Some(json(body)) })
}

/// As a tree, whose members are sorted: the bytes of a request stay the same from release to release,
/// since a repeat under the same idempotency key must have them.
fn json(body: impl Serialize) -> Value {
    serde_json::to_value(body).expect("plain data is JSON")
}

pub(super) fn delete(core: &Core, path: String) -> Write<'_, AdminWrite> {
    Write::new(core, AdminWrite { method: Method::DELETE, path, body: None })
}
