//! The demo's own requests: the same path as those from a socket, without one.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use concordat_proto::{consistency::RequiredConsistency, header, region::Region};
use http::{Request, request::Builder};
use http_body_util::{BodyExt, Collected};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    cluster::Cluster,
    saved::{Saved, SavedOrg},
};
use crate::{
    boot::failure::Failure,
    dialect::NATIVE,
    http::body::Body,
    node::Node,
    request::serve::{self, Call},
};

/// The caller, and the node.
#[derive(Clone)]
pub(super) struct Api {
    cluster: Vec<(Region, Arc<Node>)>,
    operator_key: String,
    org: Option<SavedOrg>,
}

impl Api {
    /// As the operator.
    pub(super) fn new(cluster: &Cluster, saved: &Saved) -> Self {
        let firsts = cluster.addresses().into_iter().map(|(region, _)| {
            let node = Arc::clone(cluster.first_of(&region));
            (region, node)
        });
        let operator_key = saved.operator_key.clone();
        Self { cluster: firsts.collect(), operator_key, org: None }
    }

    /// And as an organization.
    pub(super) fn with_org(mut self, org: &SavedOrg) -> Self {
        self.org = Some(org.clone());
        self
    }

    /// A request of the operator, to the home region.
    pub(super) fn operator(&self, method: &str, path: &str) -> Sending {
        let (_, node) = self.cluster.first().expect("a cluster has a region");
        let head = Request::builder().header(NATIVE.key.lower, &self.operator_key);
        Sending::new(Arc::clone(node), head, method, path)
    }

    /// A request of the organization, to a region.
    pub(super) fn org(&self, region: &Region, method: &str, path: &str) -> Sending {
        let found = self.cluster.iter().find(|(at, _)| at == region);
        let (_, node) = found.expect("every region of the plan has nodes");
        let org = self.org.as_ref().expect("the organization is made before it asks");
        let head = Request::builder()
            .header(NATIVE.organization.lower, &org.id)
            .header(NATIVE.key.lower, &org.api_key);
        Sending::new(Arc::clone(node), head, method, path)
    }
}

/// A request on its way.
pub(super) struct Sending {
    node: Arc<Node>,
    head: Builder,
    body: Bytes,
}

impl Sending {
    fn new(node: Arc<Node>, head: Builder, method: &str, path: &str) -> Self {
        Self { node, head: head.method(method).uri(path), body: Bytes::new() }
    }

    /// The body, a type of [`concordat_proto::api`].
    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        let text = serde_json::to_string(body).expect("the demo's own bodies have JSON");
        self.body = Bytes::from(text);
        self.head = self.head.header("content-type", "application/json");
        self
    }

    /// The required consistency, and the timeout in seconds.
    pub(super) fn consistency(mut self, required: RequiredConsistency, seconds: u64) -> Self {
        self.head = self
            .head
            .header(NATIVE.required.lower, required.as_str())
            .header(NATIVE.timeout.lower, seconds);
        self
    }

    /// A name for the request.
    pub(super) fn idempotency_key(mut self, key: &str) -> Self {
        self.head = self.head.header(header::IDEMPOTENCY_KEY, key);
        self
    }

    /// Asks and waits for the answer.
    pub(super) async fn send(self) -> Reply {
        let request = self.head.body(()).expect("the demo's own requests are well-formed");
        let (head, ()) = request.into_parts();
        let body = Body::Bytes(self.body);
        let (accepted, source) = (Instant::now(), Ipv4Addr::LOCALHOST.into());
        let mut call = Call { accepted, source, head, body };
        let (head, body) = serve::serve(&self.node, &mut call).await.into_parts();
        // A body that is whole is always read.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Reply { status: head.status.as_u16(), body }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The envelope.
    pub(super) body: Value,
}

impl Reply {
    /// The `result` of a success.
    pub(super) fn result(&self) -> Result<&Value, Failure> {
        self.required(&["result"])
    }

    /// The receipt of a write.
    pub(super) fn receipt(&self) -> Result<&Value, Failure> {
        self.required(&["meta", "consistency"])
    }

    fn required(&self, path: &[&str]) -> Result<&Value, Failure> {
        let found = path.iter().fold(&self.body, |value, name| &value[*name]);
        if found.is_null() {
            let message = self.body["errors"][0]["message"].as_str().unwrap_or("no message");
            let reason = format!("{}: {message}", self.status);
            return Err(Failure::fault("a request of the demo", reason));
        }
        Ok(found)
    }
}
