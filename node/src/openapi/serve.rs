//! The responses: the document, the page and its files. Each has an entity tag and may be kept by
//! anything between, which asks again before it uses it: another build has another document.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{Either, Full};
use sha2::{Digest, Sha256};

use super::{
    document,
    viewer::{self, File},
};
use crate::{dialect::traits::ResponseBody, hex};

/// All that the page may load is ours, and nothing in it is script or style. Pictures may be in the
/// style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A body with its entity tag.
#[derive(Debug)]
struct Cached {
    file: File,
    etag: HeaderValue,
}

impl Cached {
    fn new(file: File) -> Self {
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&file.body)[..16]));
        let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { file, etag }
    }

    /// The response to a request with these headers.
    fn response(&self, headers: &HeaderMap) -> Response<ResponseBody> {
        let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|line| {
            let line = line.as_bytes();
            let etag = self.etag.as_bytes();
            line.trim_ascii() == b"*" || line.windows(etag.len()).any(|part| part == etag)
        });
        let (status, body) = match is_known {
            true => (StatusCode::NOT_MODIFIED, Bytes::new()),
            false => (StatusCode::OK, self.file.body.clone()),
        };
        let mut response = Response::new(Either::Left(Full::new(body)));
        *response.status_mut() = status;
        let fixed = [
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let headers = response.headers_mut();
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::ETAG, self.etag.clone());
        let mut of_body = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        if !is_known {
            of_body(header::CONTENT_TYPE, self.file.media_type);
            if self.file.is_gzip {
                of_body(header::CONTENT_ENCODING, "gzip");
            }
        }
        response
    }
}

/// `/openapi.json`; with the demo's operations only in the demo.
pub(crate) fn description(with_demo: bool, headers: &HeaderMap) -> Response<ResponseBody> {
    static DOCUMENTS: [OnceLock<Cached>; 2] = [const { OnceLock::new() }; 2];
    let cached = DOCUMENTS[usize::from(with_demo)].get_or_init(|| {
        let body = document::document(with_demo).to_string().into();
        Cached::new(File { media_type: "application/json", is_gzip: false, body })
    });
    cached.response(headers)
}

/// `/docs`.
pub(crate) fn docs(headers: &HeaderMap) -> Response<ResponseBody> {
    Cached::new(viewer::page()).response(headers)
}

/// A file of `/docs`; nothing where there is none of this name.
pub(crate) fn docs_file(name: &str, headers: &HeaderMap) -> Option<Response<ResponseBody>> {
    viewer::file(name).map(|file| Cached::new(file).response(headers))
}
