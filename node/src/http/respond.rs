//! An answer becomes a response.

use bytes::Bytes;
use concordat_proto::header;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;

use crate::dialect::Answer;

/// Nothing between us and the caller keeps an answer: it may hold what only this caller may see, and
/// is true only now.
pub(super) const CACHE_CONTROL: &str = "no-store";
/// The headers that say who asks, and how fresh the answer must be.
pub(super) const VARY: &str =
    "slashid-orgid, slashid-api-key, concordat-at-least, concordat-read-mode";

/// The response that an answer stands for. `HEAD` has what `GET` has, but the body.
pub(crate) fn response(answer: Answer, method: &Method) -> Response<Full<Bytes>> {
    let body = answer.body.map(Bytes::from);
    let length = body.as_ref().map(Bytes::len);
    let is_left_out = method == Method::HEAD;
    let shown = body.filter(|_| !is_left_out).unwrap_or_default();
    let mut response = Response::new(Full::new(shown));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(length) = length {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if is_left_out {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    for (name, value) in answer.headers {
        // Values are ids, numbers and names of ours: one that is none is left out, not sent.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    fn answer(status: u16, body: Option<&[u8]>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.map(<[u8]>::to_vec) }
    }

    #[test]
    fn a_body_is_json_unless_it_says_otherwise() {
        let json = response(answer(200, Some(b"{}")), &Method::GET);
        assert_eq!(json.headers()[CONTENT_TYPE], "application/json");
        let headers = vec![("content-type", "text/plain".to_owned())];
        let text = Answer { headers, ..answer(404, Some(b"x")) };
        assert_eq!(response(text, &Method::GET).headers()[CONTENT_TYPE], "text/plain");
        let empty = response(answer(304, None), &Method::GET);
        assert!(empty.headers().get(CONTENT_TYPE).is_none());
    }

    #[test]
    fn no_answer_is_kept_by_anything_between() {
        for one in [answer(200, Some(b"{}")), answer(304, None), answer(404, Some(b"x"))] {
            let response = response(one, &Method::GET);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[header::VARY], VARY);
        }
    }

    #[test]
    fn head_is_get_without_the_body() {
        let get = response(answer(200, Some(b"{\"a\":1}")), &Method::GET);
        let mut head = response(answer(200, Some(b"{\"a\":1}")), &Method::HEAD);
        assert!(head.body().is_end_stream());
        assert_eq!(head.headers_mut().remove(CONTENT_LENGTH).unwrap(), "7");
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
        let empty = response(answer(304, None), &Method::HEAD);
        assert!(empty.headers().get(CONTENT_LENGTH).is_none());
    }
}
