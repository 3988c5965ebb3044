//! The common part of every response, in any dialect: no caching, and no body on `HEAD`.

use bytes::Bytes;
use concordat_proto::header;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{Either, Full};
use hyper::body::Body as _;

use crate::dialect::traits::ResponseBody;

/// Nothing between us and the caller keeps an answer: it may hold what only this caller may see, and
/// is true only now.
pub(super) const CACHE_CONTROL: &str = "no-store";

/// A response of plain text: of a probe, or of an unknown path.
pub(crate) fn text(
    status: StatusCode,
    media_type: &'static str,
    body: String,
) -> Response<ResponseBody> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The final response: not cacheable unless it says that it is, with its `Vary`. `HEAD` has the same head as `GET`, and no
/// body.
pub(crate) fn finish(
    mut response: Response<ResponseBody>,
    method: &Method,
    vary: &'static str,
) -> Response<ResponseBody> {
    let length = response.body().size_hint().exact();
    let has_body = response.headers().contains_key(CONTENT_TYPE);
    let headers = response.headers_mut();
    // A page that is the same for all callers says so itself.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        headers.insert(header::VARY, HeaderValue::from_static(vary));
    }
    if method != Method::HEAD {
        return response;
    }
    if let Some(length) = length.filter(|_| has_body) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Either::Left(Full::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &'static str) -> Response<ResponseBody> {
        text(StatusCode::OK, "application/json", body.to_owned())
    }

    #[test]
    fn no_answer_is_kept_by_anything_between() {
        let response = finish(json("{}"), &Method::GET, "a, b");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[header::VARY], "a, b");
    }

    #[test]
    fn head_is_get_without_the_body() {
        let get = finish(json("{\"a\":1}"), &Method::GET, "a");
        let mut head = finish(json("{\"a\":1}"), &Method::HEAD, "a");
        assert!(head.body().is_end_stream());
        assert_eq!(head.headers_mut().remove(CONTENT_LENGTH).unwrap(), "7");
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
        let none = Response::new(Either::Left(Full::default()));
        let empty = finish(none, &Method::HEAD, "a");
        assert!(empty.headers().get(CONTENT_LENGTH).is_none());
    }
}
