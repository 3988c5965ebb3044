//! `grpc.health.v1.Health`: whether the node is ready, as `/readyz` says it for reads. All services of a node are
//! ready together.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Response};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use tokio::time::sleep;

use super::{
    media::Form,
    message,
    reply::{self, INTERNAL, NOT_FOUND, RESOURCE_EXHAUSTED, Status, UNAVAILABLE},
    schema,
    streams::{self, Step},
};
use crate::{dialect::traits::ResponseBody, http::body::Body, node::Node, observe::health};

/// How often a watched status is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

/// The status now. An unknown service is an error.
pub(crate) async fn check(node: &Node, form: Form, body: &mut Body) -> Response<ResponseBody> {
    let (message, status) = match service(node, form, body).await.map(|name| status(node, &name)) {
        Ok(SERVICE_UNKNOWN) => (None, Status::failed(NOT_FOUND, "there is no such service")),
        Ok(status) => (encoded(status), Status::ok()),
        Err(status) => (None, status),
    };
    reply::response(form, HeaderMap::new(), message.as_deref(), &status)
}

/// The status now and each other one, until the caller goes or the node stops.
pub(crate) async fn watch(node: &Arc<Node>, form: Form, body: &mut Body) -> Response<ResponseBody> {
    let failed = |status| reply::response(form, HeaderMap::new(), None, &status);
    let name = match service(node, form, body).await {
        Ok(name) => name,
        Err(status) => return failed(status),
    };
    let Some(place) = node.streams.place() else {
        return failed(Status::failed(RESOURCE_EXHAUSTED, "this node has too many streams"));
    };
    let watch = Watch { node: Arc::clone(node), name, last: None };
    streams::response(form, place, watch, Watch::step)
}

struct Watch {
    node: Arc<Node>,
    name: String,
    last: Option<i32>,
}

impl Watch {
    async fn step(mut self) -> Step<Self> {
        loop {
            let status = status(&self.node, &self.name);
            if self.last != Some(status) {
                self.last = Some(status);
                return match encoded(status) {
                    Some(message) => Step::Message(message, self),
                    None => Step::End(Status::failed(INTERNAL, "the service is not described")),
                };
            }
            tokio::select! {
                () = self.node.streams.stopped() => {
                    return Step::End(Status::failed(UNAVAILABLE, "the node stops"));
                }
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// The name of the service that a request asks for.
async fn service(node: &Node, form: Form, body: &mut Body) -> Result<String, Status> {
    let bytes = message::read(body, form, node.limits.body_time).await?;
    let request = message::decoded("grpc.health.v1.HealthCheckRequest", &bytes)?;
    let name = request.get_field_by_name("service");
    Ok(name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default())
}

fn status(node: &Node, service: &str) -> i32 {
    match service {
        _ if !service.is_empty() && schema::service(service).is_none() => SERVICE_UNKNOWN,
        _ if health::is_ready(node) => SERVING,
        _ => NOT_SERVING,
    }
}

fn encoded(status: i32) -> Option<Vec<u8>> {
    let mut message = DynamicMessage::new(schema::message("grpc.health.v1.HealthCheckResponse")?);
    message.set_field_by_name("status", Value::EnumNumber(status));
    Some(message.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_described_ones() {
        let name = "grpc.health.v1.HealthCheckResponse.ServingStatus";
        let values = schema::pool().get_enum_by_name(name).expect("it is described");
        let number = |name| values.get_value_by_name(name).expect("a value").number();
        assert_eq!(number("SERVING"), SERVING);
        assert_eq!(number("NOT_SERVING"), NOT_SERVING);
        assert_eq!(number("SERVICE_UNKNOWN"), SERVICE_UNKNOWN);
        assert_eq!(encoded(SERVING), Some(vec![8, 1]));
    }
}
