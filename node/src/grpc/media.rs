//! The media types of gRPC and gRPC-Web: how the messages of a call are encoded.

use http::{HeaderMap, Version, header::CONTENT_TYPE, request::Parts};

use crate::api::outcome::Malformed;

/// The encoding of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// gRPC: frames, and trailers behind them.
    Grpc,
    /// gRPC-Web: the trailers are the last frame.
    Web,
    /// The same in base64.
    WebText,
}

const TYPES: [(&str, Form); 6] = [
    ("application/grpc", Form::Grpc),
    ("application/grpc+proto", Form::Grpc),
    ("application/grpc-web", Form::Web),
    ("application/grpc-web+proto", Form::Web),
    ("application/grpc-web-text", Form::WebText),
    ("application/grpc-web-text+proto", Form::WebText),
];

impl Form {
    /// By the media type of a request; nothing where it is none of these.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let text = types.next()?.to_str().ok()?;
        if types.next().is_some() {
            return None;
        }
        let essence = text.split(';').next().unwrap_or_default().trim();
        let known = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence));
        known.map(|(_, form)| *form)
    }

    /// The media type of the response.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc+proto",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        }
    }
}

/// The form of a call by a request with this head. Only HTTP/2 carries the trailers of gRPC.
///
/// # Errors
/// When its media type is none of the known ones.
pub(crate) fn check(head: &Parts) -> Result<Form, Malformed> {
    match Form::of(&head.headers) {
        Some(Form::Grpc) if head.version != Version::HTTP_2 => {
            let message = "gRPC needs HTTP/2; gRPC-Web is served over HTTP/1.1 too".to_owned();
            Err(Malformed::MediaType(message))
        }
        Some(form) => Ok(form),
        None => {
            let message = "content-type must be one of gRPC or gRPC-Web with protobuf".to_owned();
            Err(Malformed::MediaType(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(version: Version, types: &[&str]) -> Parts {
        let mut request = Request::builder().version(version);
        for name in types {
            request = request.header(CONTENT_TYPE, *name);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn of(types: &[&str]) -> Option<Form> {
        Form::of(&head(Version::HTTP_2, types).headers)
    }

    #[test]
    fn a_form_is_known_by_its_media_type() {
        for (name, form) in TYPES {
            assert_eq!(of(&[name]), Some(form), "{name}");
            assert_eq!(Form::of(&head(Version::HTTP_2, &[form.media_type()]).headers), Some(form));
        }
        assert_eq!(of(&["Application/gRPC; charset=utf-8"]), Some(Form::Grpc));
        for other in [
            "application/grpc+json",
            "application/grpc-web+thrift",
            "application/grpcweb",
            "application/json",
            "",
        ] {
            assert_eq!(of(&[other]), None, "{other}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["application/grpc", "application/grpc"]), None);
    }

    #[test]
    fn grpc_needs_http_2() {
        let is_taken = |version, name| check(&head(version, &[name])).is_ok();
        assert!(is_taken(Version::HTTP_2, "application/grpc"));
        assert!(!is_taken(Version::HTTP_11, "application/grpc"));
        assert!(is_taken(Version::HTTP_11, "application/grpc-web"));
        assert!(is_taken(Version::HTTP_11, "application/grpc-web-text"));
        assert!(!is_taken(Version::HTTP_2, "application/json"));
    }
}
