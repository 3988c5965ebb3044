//! The frames of gRPC: a byte of flags, the length in four bytes, the message. A call has one message each
//! way, and none is compressed.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use concordat_proto::limits;
use http::HeaderMap;

use super::media::Form;
use crate::api::outcome::Malformed;

/// The bytes before a message.
pub(crate) const HEAD_BYTES: usize = 5;
const COMPRESSED: u8 = 1;
/// The flag of a frame that has the trailers of gRPC-Web.
const TRAILERS: u8 = 0x80;

/// The one message of a request.
///
/// # Errors
/// When it is too large, compressed, or no frame, or when there is another one.
pub(crate) fn message(form: Form, body: &[u8]) -> Result<Vec<u8>, Malformed> {
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(Malformed::BodyTooLarge);
    }
    let body = match form {
        Form::Grpc | Form::Web => body.to_vec(),
        Form::WebText => text(body).ok_or_else(|| malformed("the body must be base64"))?,
    };
    match split(&body)? {
        Some((message, [])) => Ok(message.to_vec()),
        Some(_) => Err(malformed("a call has one message, and the body has more")),
        None => Err(malformed("the body ends within a message, or before it")),
    }
}

/// A message, and the bytes behind it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The first message of some bytes and the bytes behind it; nothing where it is not whole yet.
///
/// # Errors
/// When it is compressed or can never be whole.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, Malformed> {
    let Some(([flags, length @ ..], rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    match *flags {
        0 => {}
        COMPRESSED => {
            return Err(Malformed::Unsupported("messages are not decompressed: send them plain"));
        }
        _ => return Err(malformed("a frame has flags that no message has")),
    }
    let length = u32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if length <= limits::BODY_BYTES_MAX => Ok(rest.split_at_checked(length)),
        Ok(_) | Err(_) => Err(Malformed::BodyTooLarge),
    }
}

/// The bytes of a text in base64, which may be padded at several places.
fn text(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'=').map_or(rest.len(), |padding| {
            let after = rest[padding..].iter().take_while(|byte| **byte == b'=').count();
            padding + after
        });
        let (part, after) = rest.split_at(end);
        BASE64_STANDARD.decode_vec(part, &mut bytes).ok()?;
        rest = after;
    }
    Some(bytes)
}

/// The frame of a message.
pub(crate) fn of_message(message: &[u8]) -> Vec<u8> {
    framed(0, message)
}

/// The last frame of gRPC-Web: the trailers, as HTTP/1.1 writes headers.
pub(crate) fn of_trailers(trailers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    framed(TRAILERS, &lines)
}

fn framed(flags: u8, content: &[u8]) -> Vec<u8> {
    // What this process answers is far below that.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(HEAD_BYTES + content.len());
    frame.push(flags);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(content);
    frame
}

fn malformed(text: &str) -> Malformed {
    Malformed::Syntax(text.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_message_goes_through_each_form() {
        for content in [&b""[..], b"a", &[0xff; 1000]] {
            let frame = of_message(content);
            assert_eq!(message(Form::Grpc, &frame).as_deref(), Ok(content));
            assert_eq!(message(Form::Web, &frame).as_deref(), Ok(content));
            let text = BASE64_STANDARD.encode(&frame);
            assert_eq!(message(Form::WebText, text.as_bytes()).as_deref(), Ok(content));
            // A client may write head and message apart, each with its padding.
            let (head, rest) = frame.split_at(4);
            let apart = BASE64_STANDARD.encode(head) + &BASE64_STANDARD.encode(rest);
            assert_eq!(message(Form::WebText, apart.as_bytes()).as_deref(), Ok(content));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = of_message(b"abc");
        let mut twice = whole.clone();
        twice.extend(&whole);
        let mut compressed = whole.clone();
        compressed[0] = COMPRESSED;
        let trailers = of_trailers(&HeaderMap::new());
        let long = framed(0, &vec![0; limits::BODY_BYTES_MAX + 1]);
        let mut promised = whole.clone();
        promised[1] = 1;
        let of = |body: &[u8]| message(Form::Grpc, body).expect_err("it is refused");
        assert!(matches!(of(b""), Malformed::Syntax(_)));
        for end in 1..whole.len() {
            assert!(matches!(of(&whole[..end]), Malformed::Syntax(_)), "{end}");
        }
        assert!(matches!(of(&twice), Malformed::Syntax(_)));
        assert!(matches!(of(&trailers), Malformed::Syntax(_)));
        assert!(matches!(of(&compressed), Malformed::Unsupported(_)));
        assert_eq!(of(&long), Malformed::BodyTooLarge);
        assert_eq!(of(&promised), Malformed::BodyTooLarge);
        for bad in [&b"AAA"[..], b"AAAAA=", b"=", b"A-A_", b"AAAA AAAA"] {
            let refused = message(Form::WebText, bad).expect_err("it is refused");
            assert!(matches!(refused, Malformed::Syntax(_)), "{bad:?}");
        }
    }

    #[test]
    fn trailers_are_lines() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("grpc-message", HeaderValue::from_static(""));
        let frame = of_trailers(&trailers);
        assert_eq!(frame[..5], [0x80, 0, 0, 0, 32]);
        assert_eq!(&frame[5..], b"grpc-status: 0\r\ngrpc-message: \r\n");
    }
}
