//! The response to a call: HTTP 200, a message or none, and a status in the trailers, in the caller's form.

use std::future::ready;

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Either, Full};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{frame, media::Form};
use crate::dialect::traits::ResponseBody;

/// The characters of a status message that are written as they are are those of ASCII that are printed, but `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// The code of a success.
pub(crate) const OK: i32 = 0;
/// A request that can never be right.
pub(crate) const INVALID_ARGUMENT: i32 = 3;
/// The time is over.
pub(crate) const DEADLINE_EXCEEDED: i32 = 4;
/// There is no such thing.
pub(crate) const NOT_FOUND: i32 = 5;
/// A limit is reached.
pub(crate) const RESOURCE_EXHAUSTED: i32 = 8;
/// A condition of the request is false.
pub(crate) const FAILED_PRECONDITION: i32 = 9;
/// There is no such call, or an option of it is not known.
pub(crate) const UNIMPLEMENTED: i32 = 12;
/// A fault of this program.
pub(crate) const INTERNAL: i32 = 13;
/// Not here, or not now.
pub(crate) const UNAVAILABLE: i32 = 14;

/// The status of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// `google.rpc.Code`.
    pub(crate) code: i32,
    /// For people; empty for a success.
    pub(crate) message: String,
    /// An encoded `google.rpc.Status`, where there is more to say.
    pub(crate) details: Option<Vec<u8>>,
}

impl Status {
    /// Of a success.
    pub(crate) const fn ok() -> Self {
        Self { code: OK, message: String::new(), details: None }
    }

    /// Of a failure.
    pub(crate) fn failed(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None }
    }

    /// As trailers.
    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(self.code));
        let message = utf8_percent_encode(&self.message, ESCAPED).to_string();
        if let Some(message) = HeaderValue::from_str(&message).ok().filter(|text| !text.is_empty())
        {
            trailers.insert("grpc-message", message);
        }
        let details = self.details.as_ref().map(|bytes| BASE64_STANDARD_NO_PAD.encode(bytes));
        if let Some(details) = details.and_then(|text| HeaderValue::from_str(&text).ok()) {
            trailers.insert("grpc-status-details-bin", details);
        }
        trailers
    }
}

/// The response, with these headers as its metadata.
pub(crate) fn response(
    form: Form,
    metadata: HeaderMap,
    message: Option<&[u8]>,
    status: &Status,
) -> Response<ResponseBody> {
    let data = message.map(frame::of_message).unwrap_or_default();
    let trailers = status.trailers();
    let body = match form {
        Form::Grpc => {
            let trailed = Full::new(Bytes::from(data)).with_trailers(ready(Some(Ok(trailers))));
            Either::Right(trailed.boxed_unsync())
        }
        Form::Web | Form::WebText => {
            let mut data = data;
            data.extend(frame::of_trailers(&trailers));
            Either::Left(Full::new(encoded(form, data)))
        }
    };
    with_head(form, metadata, body)
}

/// Bytes of a body as a form writes them.
pub(crate) fn encoded(form: Form, bytes: Vec<u8>) -> Bytes {
    match form {
        Form::Grpc | Form::Web => Bytes::from(bytes),
        Form::WebText => Bytes::from(BASE64_STANDARD.encode(bytes)),
    }
}

/// The response with this body, whatever becomes of the call.
pub(crate) fn with_head(
    form: Form,
    metadata: HeaderMap,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.headers_mut() = metadata;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    // No message is compressed, in either direction.
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    response
}

/// The response to a call of a path that leads nowhere.
pub(crate) fn unknown(form: Form, path: &str) -> Response<ResponseBody> {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let what = match super::schema::service(service) {
        Some(_) => "the service has no such method",
        None => "there is no such service",
    };
    response(form, HeaderMap::new(), None, &Status::failed(UNIMPLEMENTED, what))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn collected(response: Response<ResponseBody>) -> (Vec<u8>, HeaderMap) {
        let body = response.into_body().collect().now_or_never().expect("whole").expect("read");
        let trailers = body.trailers().cloned().unwrap_or_default();
        (body.to_bytes().to_vec(), trailers)
    }

    #[test]
    fn a_status_is_in_the_trailers() {
        let failed = Status::failed(NOT_FOUND, "100 % \"gone\"\nüber");
        let trailers = failed.trailers();
        assert_eq!(trailers["grpc-status"], "5");
        assert_eq!(trailers["grpc-message"], "100 %25 \"gone\"%0A%C3%BCber");
        assert!(trailers.get("grpc-status-details-bin").is_none());
        let detailed = Status { details: Some(vec![1, 2, 3, 4]), ..failed };
        assert_eq!(detailed.trailers()["grpc-status-details-bin"], "AQIDBA");
        let ok = Status::ok().trailers();
        assert_eq!((ok.len(), &ok["grpc-status"]), (1, &HeaderValue::from_static("0")));
    }

    #[test]
    fn every_form_has_message_and_status() {
        let ok = Status::ok();
        let of = |form| collected(response(form, HeaderMap::new(), Some(b"ab"), &ok));
        let (data, trailers) = of(Form::Grpc);
        assert_eq!(
            (&data[..], &trailers["grpc-status"]),
            (&b"\0\0\0\0\x02ab"[..], &"0".parse().unwrap())
        );
        let (data, trailers) = of(Form::Web);
        let web = b"\0\0\0\0\x02ab\x80\0\0\0\x10grpc-status: 0\r\n";
        assert_eq!((&data[..], trailers.is_empty()), (&web[..], true));
        let (text, _) = of(Form::WebText);
        assert_eq!(BASE64_STANDARD.decode(text).unwrap(), web);
        // A failure has no message.
        let failed = Status::failed(INTERNAL, "");
        let (data, trailers) = collected(response(Form::Grpc, HeaderMap::new(), None, &failed));
        assert_eq!((data.len(), &trailers["grpc-status"]), (0, &"13".parse().unwrap()));
    }

    #[test]
    fn an_unknown_call_names_what_is_unknown() {
        for (path, text) in [
            ("/grpc.health.v1.Health/Nothing", "the service has no such method"),
            ("/grpc.health.v2.Health/Check", "there is no such service"),
            ("/", "there is no such service"),
        ] {
            let (_, trailers) = collected(unknown(Form::Grpc, path));
            assert_eq!(trailers["grpc-status"], "12", "{path}");
            assert_eq!(trailers["grpc-message"], text, "{path}");
        }
    }
}
