//! An answer becomes a response.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;

use crate::dialect::Answer;

/// The response that an answer stands for.
pub(crate) fn response(answer: Answer) -> Response<Full<Bytes>> {
    let has_body = answer.body.is_some();
    let mut response = Response::new(Full::new(answer.body.map(Bytes::from).unwrap_or_default()));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
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
    use super::*;

    #[test]
    fn a_body_is_json_unless_it_says_otherwise() {
        let answer = Answer { status: 200, headers: Vec::new(), body: Some(b"{}".to_vec()) };
        assert_eq!(response(answer).headers()[CONTENT_TYPE], "application/json");
        let headers = vec![("content-type", "text/plain".to_owned())];
        let answer = Answer { status: 404, headers, body: Some(b"x".to_vec()) };
        assert_eq!(response(answer).headers()[CONTENT_TYPE], "text/plain");
        let answer = Answer { status: 304, headers: Vec::new(), body: None };
        assert!(response(answer).headers().get(CONTENT_TYPE).is_none());
    }
}
