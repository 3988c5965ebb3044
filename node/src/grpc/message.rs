//! The messages of calls that the node itself answers: read from a body, and by their descriptions.

use std::time::Duration;

use prost_reflect::DynamicMessage;

use super::{
    frame,
    media::Form,
    reply::{
        DEADLINE_EXCEEDED, INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Status, UNIMPLEMENTED,
    },
    schema,
};
use crate::{
    api::outcome::Malformed,
    http::body::{Body, BodyError},
};

/// The one message of a body.
pub(crate) async fn read(body: &mut Body, form: Form, time: Duration) -> Result<Vec<u8>, Status> {
    let bytes = body.read(time).await.map_err(unread)?;
    frame::message(form, &bytes).map_err(|malformed| refused(&malformed))
}

/// A message by its full name.
pub(crate) fn decoded(name: &str, bytes: &[u8]) -> Result<DynamicMessage, Status> {
    let undescribed = || Status::failed(INTERNAL, "the message is not described");
    let descriptor = schema::message(name).ok_or_else(undescribed)?;
    let wrong = |_| Status::failed(INVALID_ARGUMENT, format!("the message is no {name}"));
    DynamicMessage::decode(descriptor, bytes).map_err(wrong)
}

/// The status for a body that was not read.
pub(crate) fn unread(error: BodyError) -> Status {
    match error {
        BodyError::TooSlow => Status::failed(DEADLINE_EXCEEDED, Malformed::BodyTooSlow.to_string()),
        BodyError::Broken => Status::failed(INVALID_ARGUMENT, Malformed::BodyBroken.to_string()),
    }
}

/// The status for bytes that are no message.
pub(crate) fn refused(malformed: &Malformed) -> Status {
    let code = match malformed {
        Malformed::BodyTooLarge => RESOURCE_EXHAUSTED,
        Malformed::Unsupported(_) => UNIMPLEMENTED,
        Malformed::Syntax(_)
        | Malformed::Fields(_)
        | Malformed::MediaType(_)
        | Malformed::ContentCoding
        | Malformed::BodyTooSlow
        | Malformed::BodyBroken
        | Malformed::OrganizationMissing
        | Malformed::ForeignPosition
        | Malformed::Head(_)
        | Malformed::HeadTooLarge(_)
        | Malformed::UriTooLong
        | Malformed::TransferCoding
        | Malformed::NoHttp => INVALID_ARGUMENT,
    };
    Status::failed(code, malformed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_its_status() {
        assert_eq!(refused(&Malformed::BodyTooLarge).code, 8);
        assert_eq!(refused(&Malformed::Unsupported("x")), Status::failed(12, "x"));
        assert_eq!(refused(&Malformed::Syntax("x".to_owned())), Status::failed(3, "x"));
        assert_eq!(unread(BodyError::TooSlow).code, 4);
        assert_eq!(unread(BodyError::Broken).code, 3);
        let name = "grpc.health.v1.HealthCheckRequest";
        assert_eq!(decoded(name, b"\x0a\x05a").expect_err("it is cut").code, 3);
        assert!(decoded(name, b"\x0a\x01a").is_ok());
    }
}
