//! An answer in JSON as the answer to a call: by the description of the call's response, or of
//! `google.rpc.Status` where it has failed.
//!
//! The headers of the answer are the metadata of the call: marks, receipt and version go with every form.

use bytes::Bytes;
use futures::FutureExt;
use http::{Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Collected};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::{
    media,
    reply::{self, FAILED_PRECONDITION, INTERNAL, Status},
    schema,
};
use crate::dialect::traits::ResponseBody;

/// The response in the form that the request's head asks for; as it is, where the request is no call.
pub(crate) fn answer(head: &Parts, response: Response<ResponseBody>) -> Response<ResponseBody> {
    let call = schema::method(head.uri.path()).zip(media::check(head).ok());
    let Some((method, form)) = call.filter(|_| response.status() != StatusCode::METHOD_NOT_ALLOWED)
    else {
        return response;
    };
    let (response, body) = response.into_parts();
    let body = whole(body);
    let (message, status) = match response.status {
        StatusCode::NOT_MODIFIED => {
            let text = "If-None-Match names the current version";
            (None, Status::failed(FAILED_PRECONDITION, text))
        }
        status if status.is_success() => match encoded(method.output(), &body) {
            Some(message) => (Some(message), Status::ok()),
            None => (None, fault(method.full_name())),
        },
        _ => (None, failure(&body).unwrap_or_else(|| fault(method.full_name()))),
    };
    let mut metadata = response.headers;
    metadata.remove(http::header::CONTENT_LENGTH);
    reply::response(form, metadata, message.as_deref(), &status)
}

/// The bytes of an answer. An answer in JSON is whole: nothing is awaited.
fn whole(body: ResponseBody) -> Bytes {
    let collected = body.collect().now_or_never().and_then(Result::ok);
    collected.map(Collected::to_bytes).unwrap_or_default()
}

/// An answer that its own description does not know is a fault of this program.
fn fault(method: &str) -> Status {
    tracing::error!(method, "an answer is not as it is described");
    Status::failed(INTERNAL, "the answer is not as it is described")
}

/// A message in JSON as protobuf. Nothing is the empty message.
fn encoded(descriptor: MessageDescriptor, json: &[u8]) -> Option<Vec<u8>> {
    if json.is_empty() {
        return Some(Vec::new());
    }
    parsed(descriptor, json).map(|message| message.encode_to_vec())
}

/// A message in JSON. A field that the description does not know makes it none.
pub(crate) fn parsed(descriptor: MessageDescriptor, json: &[u8]) -> Option<DynamicMessage> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(descriptor, &mut json).ok()?;
    json.end().ok().map(|()| message)
}

/// The status that a failure's JSON describes.
fn failure(json: &[u8]) -> Option<Status> {
    let status = parsed(schema::message("google.rpc.Status")?, json)?;
    let code = status.get_field_by_name("code")?.as_i32()?;
    let message = status.get_field_by_name("message")?.as_str()?.to_owned();
    let has_details = status.has_field_by_name("details");
    let details = has_details.then(|| status.encode_to_vec());
    Some(Status { code, message, details })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_taken_from_its_json() {
        let plain = failure(br#"{"code": 3, "message": "wrong"}"#).expect("a status");
        assert_eq!(plain, Status::failed(3, "wrong"));
        assert_eq!(failure(br#"{"code": 3, "text": "wrong"}"#), None);
        assert_eq!(failure(b"404 page not found"), None);
        let detailed = br#"{"code": 5, "message": "none", "details": [
            {"@type": "type.googleapis.com/grpc.health.v1.HealthCheckRequest", "service": "a"}]}"#;
        let details = failure(detailed).expect("a status").details.expect("some");
        let status = schema::message("google.rpc.Status").expect("it is described");
        let status = DynamicMessage::decode(status, &details[..]).expect("it is one");
        let again = serde_json::to_value(&status).expect("JSON");
        assert_eq!(again, serde_json::from_slice::<serde_json::Value>(detailed).expect("JSON"));
    }

    #[test]
    fn an_answer_is_described_or_a_fault() {
        let descriptor = || schema::message("grpc.health.v1.HealthCheckResponse").expect("one");
        assert_eq!(encoded(descriptor(), br#"{"status": "SERVING"}"#), Some(vec![8, 1]));
        assert_eq!(encoded(descriptor(), b""), Some(Vec::new()));
        for bad in [&b"{\"state\": 1}"[..], b"{} x", b"{\"status\": \"NONE\"}", b"x"] {
            assert_eq!(encoded(descriptor(), bad), None, "{bad:?}");
        }
    }
}
