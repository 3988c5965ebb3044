//! Classifies the end of an attempt. Pure.
//!
//! Invariant: a write is reported as not done only if every attempt of it certainly was not done.
//! One lost attempt makes every later end ambiguous, unless the log decided that end under the same
//! idempotency key.
//!
//! Only an answer with a node's envelope counts: a failure with its own status among the `errors`,
//! a success with the result that the call must have. Everything else (a redirect, HTML, a proxy's
//! 401 or 503) says nothing about the call, and the next endpoint is asked.

use std::time::Duration;

use crate::{
    call::{
        header,
        retry::Ended,
        transport::Incoming,
        types::{Answer, Call, Kind, Understood},
    },
    error::{ClientError, TransportError},
    model::{envelope::Head, freshness::Freshness, pending::Pending},
};

/// The status of a write whose answer has no body.
const NO_CONTENT: u16 = 204;

/// How one attempt ended: for the retry decision, and for the caller if it is the last.
pub(crate) struct End<T> {
    pub(crate) ended: Ended,
    pub(crate) result: Result<(Answer, T), ClientError>,
    /// Whether it decides the write's outcome, whatever the earlier attempts did.
    pub(crate) is_conclusive: bool,
}

impl<T> End<T> {
    /// Whether a node answered. Its 503 counts as an answer.
    pub(crate) fn is_of_a_node(&self) -> bool {
        match &self.result {
            Err(ClientError::Unavailable { status, .. }) => status.is_some(),
            Err(ClientError::Transport(_)) => false,
            Ok(_) | Err(_) => self.ended != Ended::Unrouted,
        }
    }

    /// The required consistency was not reached: any other node would have waited as well.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.result, Err(ClientError::Pending(_)))
    }

    /// Nothing arrived before the timeout.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.result, Err(ClientError::Transport(TransportError::TimedOut { .. })))
    }
}

/// The meaning of a missing answer.
pub(crate) fn unanswered<T>(error: TransportError) -> End<T> {
    let (ended, result) = match error {
        TransportError::Connect { .. } => {
            (Ended::NotSent, unavailable(None, Vec::new(), Some(error)))
        }
        TransportError::Lost { .. }
        | TransportError::TimedOut { .. }
        | TransportError::Malformed { .. } => (Ended::Ambiguous, ClientError::Transport(error)),
    };
    End { ended, result: Err(result), is_conclusive: false }
}

/// The meaning of an answer; `understand` makes the call's value from a success.
pub(crate) fn classify<T>(
    call: &Call,
    endpoint: String,
    incoming: Incoming,
    understand: &dyn Fn(&Answer) -> Understood<T>,
) -> End<T> {
    let Incoming { status, headers, body } = incoming;
    let retry_after = header::retry_after(&headers);
    let end = |ended, error, is_conclusive| End { ended, result: Err(error), is_conclusive };
    // Without a body a node's answer shows by the receipt in its headers.
    let head = match header::receipt(&headers).filter(|_| status == NO_CONTENT) {
        Some(receipt) => Some(Head::of_receipt(&receipt)),
        None => Head::parse(&body),
    };
    let Some(head) = head else {
        return foreign(endpoint, status, "it has no envelope", &body);
    };
    if (200..300).contains(&status) {
        if !head.is_marked() {
            return foreign(endpoint, status, "it has no envelope", &body);
        }
        let answer = Answer { endpoint, headers, head, body };
        return match understand(&answer) {
            Ok(understood) => {
                let result = Ok((answer, understood));
                End { ended: Ended::Answered, result, is_conclusive: true }
            }
            Err(what) => foreign(answer.endpoint, status, what, &[]),
        };
    }
    if !head.fails_with(status) && head.receipt().is_none() {
        return foreign(endpoint, status, "it has no envelope", &body);
    }
    let messages = head.messages();
    match status {
        408 => match (&call.kind, head.receipt()) {
            (Kind::Write { key }, Some(receipt)) => {
                let (idempotency_key, identity) = (key.clone(), call.identity);
                let pending = Pending { receipt, idempotency_key, identity };
                end(Ended::Answered, ClientError::Pending(Box::new(pending)), true)
            }
            (Kind::Read | Kind::WaitingRead | Kind::Receipt | Kind::Write { .. }, _) => {
                end(Ended::Ambiguous, unavailable(Some((status, None)), messages, None), false)
            }
        },
        429 => {
            let error = unavailable(Some((status, retry_after)), messages, None);
            end(Ended::Limited { retry_after }, error, false)
        }
        // The contract: nothing was proposed.
        503 => {
            let error = unavailable(Some((status, retry_after)), messages, None);
            end(Ended::Unavailable { retry_after }, error, false)
        }
        500.. => end(Ended::Ambiguous, unavailable(Some((status, None)), messages, None), false),
        _ => {
            let freshness = Freshness::of(&headers);
            // A result of the log has a receipt. Without one it is this node's own decision, which
            // may be a consequence of an earlier attempt.
            let is_conclusive = decided_in_log(status) && head.receipt().is_some();
            end(
                Ended::Answered,
                ClientError::Refused { status, messages, freshness },
                is_conclusive,
            )
        }
    }
}

/// An answer that is not a node's, or not one that this client understands: nothing is known of the
/// call by it. An exception is the plain text of a route that is not known: that was certainly not
/// done there.
fn foreign<T>(endpoint: String, status: u16, what: &'static str, body: &[u8]) -> End<T> {
    if status == 404 && matches!(body, b"404 page not found" | b"404 page not found\n") {
        let (messages, freshness) = (vec!["no such route".to_owned()], Freshness::Unmarked);
        let result = Err(ClientError::Refused { status, messages, freshness });
        return End { ended: Ended::Unrouted, result, is_conclusive: false };
    }
    // A proxy without its node may find it again; another kind of server will not change.
    let ended = if status >= 500 { Ended::Ambiguous } else { Ended::Foreign };
    let malformed = TransportError::Malformed { endpoint, status, what };
    End { ended, result: Err(ClientError::Transport(malformed)), is_conclusive: false }
}

fn unavailable(
    answer: Option<(u16, Option<Duration>)>,
    messages: Vec<String>,
    source: Option<TransportError>,
) -> ClientError {
    let status = answer.map(|(status, _)| status);
    let retry_after = answer.and_then(|(_, retry_after)| retry_after);
    ClientError::Unavailable { status, messages, retry_after, source }
}

/// Refusals that the log remembers under the idempotency key: they are the first attempt's result.
/// Any other one only says that this attempt did not reach the log.
const fn decided_in_log(status: u16) -> bool {
    matches!(status, 404 | 409 | 410 | 412 | 422)
}

/// The caller's result when no further attempt is made.
pub(crate) fn conclude<T>(
    call: &Call,
    end: End<T>,
    maybe_done: bool,
    attempts: usize,
) -> Result<(Answer, T), ClientError> {
    match (&call.kind, end.result) {
        (Kind::Write { key }, Err(error)) if maybe_done && !end.is_conclusive => {
            let (idempotency_key, source) = (key.clone(), Box::new(error));
            Err(ClientError::OutcomeUnknown { idempotency_key, attempts, source })
        }
        (_, result) => result,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::model::identity::Identity;

    fn write() -> Call {
        Call {
            identity: Identity::Org,
            method: Method::PATCH,
            target: "/x".into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            kind: Kind::Write { key: "k".into() },
            timeout: Duration::from_secs(30),
        }
    }

    fn answer(status: u16, body: &str) -> End<()> {
        let headers =
            HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("3"))]);
        let incoming = Incoming { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
        let understand = |answer: &Answer| answer.head.receipt().map(drop).ok_or("no receipt");
        classify(&write(), "http://a".into(), incoming, &understand)
    }

    fn failing(status: u16) -> End<()> {
        answer(status, &format!(r#"{{"errors":[{{"httpcode":{status},"message":"m"}}]}}"#))
    }

    #[test]
    fn only_the_contract_says_that_nothing_was_done() {
        let retry_after = Some(Duration::from_secs(3));
        assert_eq!(failing(503).ended, Ended::Unavailable { retry_after });
        assert_eq!(failing(429).ended, Ended::Limited { retry_after });
        assert_eq!(failing(500).ended, Ended::Ambiguous);
        assert_eq!(failing(408).ended, Ended::Ambiguous, "no write to wait for");
        for status in [400, 401, 403, 404, 409, 412, 422] {
            assert_eq!(failing(status).ended, Ended::Answered, "{status}");
            assert!(failing(status).is_of_a_node(), "{status}");
        }
    }

    #[test]
    fn an_answer_without_a_body_has_its_receipt_in_the_headers() {
        let with_headers = |status, names: &[&'static str]| {
            let line =
                "required=all_regions; achieved=true; outcome=committed; regions=\"a:applied\"";
            let all = [
                (concordat_proto::header::WRITE_ID, "0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d10"),
                (concordat_proto::header::CONSISTENCY, line),
            ];
            let headers = all.into_iter().filter(|(name, _)| names.contains(name)).map(|pair| {
                let (name, value) = pair;
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let headers = headers.collect();
            let understand = |answer: &Answer| answer.head.receipt().ok_or("no receipt");
            let incoming = Incoming { status, headers, body: Bytes::new() };
            classify(&write(), "http://a".into(), incoming, &understand)
        };
        let both = [concordat_proto::header::WRITE_ID, concordat_proto::header::CONSISTENCY];
        let (_, receipt) = with_headers(204, &both).result.expect("an answer");
        assert!(receipt.achieved && receipt.regions[0].applied);
        assert_eq!(with_headers(204, &both[1..]).ended, Ended::Foreign);
        assert_eq!(with_headers(200, &both).ended, Ended::Foreign, "there must be an envelope");
    }

    #[test]
    fn what_has_no_envelope_is_no_nodes_word() {
        let other = r#"{"errors":[{"httpcode":400,"message":"another status"}]}"#;
        for body in ["", "<html>", "{}", r#"{"message":"Unauthorized"}"#, other] {
            for status in [502, 503, 504] {
                assert_eq!(answer(status, body).ended, Ended::Ambiguous, "{status} {body}");
            }
            for status in [200, 204, 301, 302, 307, 401, 403, 404, 407, 408, 413, 429] {
                let end = answer(status, body);
                assert_eq!(end.ended, Ended::Foreign, "{status} {body}");
                assert!(!end.is_of_a_node() && !end.is_conclusive, "{status} {body}");
                assert!(is_unknown(end, true), "{status} {body}");
            }
        }
        let unreceipted = answer(200, r#"{"meta":{},"errors":[]}"#);
        assert_eq!(unreceipted.ended, Ended::Foreign, "it does not say what it must");
        let unrouted = answer(404, "404 page not found");
        assert_eq!(unrouted.ended, Ended::Unrouted);
        assert!(!is_unknown(unrouted, false), "certainly not done");
    }

    const RECEIPT: &str = r#"{"required":"local_region","achieved":true,"outcome":"committed","write_id":"0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d10","position":null,"elapsed_ms":1.0,"regions":[]}"#;

    fn refused_in_the_log(status: u16) -> End<()> {
        let error = format!(r#"{{"httpcode":{status},"message":"m"}}"#);
        answer(status, &format!(r#"{{"meta":{{"consistency":{RECEIPT}}},"errors":[{error}]}}"#))
    }

    fn is_unknown(end: End<()>, maybe_done: bool) -> bool {
        let result = conclude(&write(), end, maybe_done, 2);
        matches!(result, Err(ClientError::OutcomeUnknown { .. }))
    }

    #[test]
    fn a_lost_attempt_makes_later_refusals_unknown_unless_the_log_decided_them() {
        for (status, known) in [(404, true), (409, true), (412, true), (401, false), (429, false)] {
            assert!(!is_unknown(refused_in_the_log(status), false), "{status}");
            assert_eq!(is_unknown(refused_in_the_log(status), true), !known, "{status}");
        }
        assert!(is_unknown(answer(404, "404 page not found"), true));
        assert!(is_unknown(answer(404, "{}"), true));
    }

    /// "The region is failed over already": by the attempt before, whose answer was lost.
    #[test]
    fn a_nodes_own_no_does_not_settle_a_lost_attempt() {
        for status in [404, 409] {
            assert!(!is_unknown(failing(status), false), "{status}");
            assert!(is_unknown(failing(status), true), "{status}");
        }
    }
}
