//! What an attempt's end means for the call. Pure.
//!
//! What must hold: a write is reported as not done only if every attempt of it certainly was not
//! done. One attempt that was lost on its way makes every later end unknown, unless that end was
//! decided in the log under the same idempotency key.

use std::time::Duration;

use crate::{
    call::{Answer, Call, Kind},
    envelope::Head,
    error::{ClientError, TransportError},
    header::{self, Freshness},
    pending::Pending,
    retry::Ended,
    transport::Incoming,
};

/// How one attempt ended: for the retry decision, and for the caller if it is the last.
pub(crate) struct End {
    pub(crate) ended: Ended,
    pub(crate) result: Result<Answer, ClientError>,
    /// It tells how the write ended, whatever became of earlier attempts.
    pub(crate) settles: bool,
}

/// What a missing answer means.
pub(crate) fn unanswered(error: TransportError) -> End {
    let (ended, result) = match error {
        TransportError::Connect { .. } => {
            (Ended::NotSent, unavailable(None, Vec::new(), Some(error)))
        }
        TransportError::Lost { .. }
        | TransportError::TimedOut { .. }
        | TransportError::Malformed { .. } => (Ended::MaybeDone, ClientError::Transport(error)),
    };
    End { ended, result: Err(result), settles: false }
}

/// What an answer means.
pub(crate) fn judge(call: &Call, endpoint: String, incoming: Incoming) -> End {
    let Incoming { status, headers, body } = incoming;
    let retry_after = header::retry_after(&headers);
    let end = |ended, error, settles| End { ended, result: Err(error), settles };
    let Some(head) = Head::parse(&body) else {
        return foreign(call, endpoint, status, retry_after, &body);
    };
    if (200..300).contains(&status) {
        let result = Ok(Answer { endpoint, status, headers, head, body });
        return End { ended: Ended::Answered, result, settles: true };
    }
    if !head.fails_with(status) && head.receipt().is_none() {
        return foreign(call, endpoint, status, retry_after, &body);
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
                end(Ended::MaybeDone, unavailable(Some((status, None)), messages, None), false)
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
        500.. => end(Ended::MaybeDone, unavailable(Some((status, None)), messages, None), false),
        _ => {
            let freshness = Freshness::of(&headers);
            // What was decided in the log has a receipt. Without one it is this node's own word, which
            // may come from what an earlier attempt has done.
            let settles = decided_in_log(status) && head.receipt().is_some();
            end(Ended::Answered, ClientError::Refused { status, messages, freshness }, settles)
        }
    }
}

/// An answer without an envelope that fits its status: of a route that the node does not know, or of something between.
/// Such a thing's 503 or 408 does not say that the node did nothing.
fn foreign(
    call: &Call,
    endpoint: String,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> End {
    let (ended, error) = match status {
        429 => {
            let error = unavailable(Some((status, retry_after)), Vec::new(), None);
            (Ended::Limited { retry_after }, error)
        }
        400..=407 | 409..500 => {
            // Only a node's own text: others might repeat what they were sent.
            let unrouted = matches!(body, b"404 page not found" | b"404 page not found\n");
            let message = if unrouted { "no such route" } else { "the answer has no envelope" };
            let (messages, freshness) = (vec![message.to_owned()], Freshness::Unmarked);
            (Ended::Answered, ClientError::Refused { status, messages, freshness })
        }
        503 if !matches!(call.kind, Kind::Write { .. }) => {
            let error = unavailable(Some((status, retry_after)), Vec::new(), None);
            (Ended::Unavailable { retry_after }, error)
        }
        _ => {
            let what = "it has no envelope";
            let malformed = TransportError::Malformed { endpoint, status, what };
            (Ended::MaybeDone, ClientError::Transport(malformed))
        }
    };
    End { ended, result: Err(error), settles: false }
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

/// Refusals that the log remembers under the idempotency key: they answer for the first attempt.
/// Any other one only says that this attempt did not reach the log.
const fn decided_in_log(status: u16) -> bool {
    matches!(status, 404 | 409 | 410 | 412 | 422)
}

/// What the caller is told when no further attempt is made.
pub(crate) fn conclude(
    call: &Call,
    end: End,
    maybe_done: bool,
    attempts: usize,
) -> Result<Answer, ClientError> {
    match (&call.kind, end.result) {
        (Kind::Write { key }, Err(error)) if maybe_done && !end.settles => {
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
    use crate::client::Identity;

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

    fn answer(status: u16, body: &str) -> End {
        let headers =
            HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("3"))]);
        let incoming = Incoming { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
        judge(&write(), "http://a".into(), incoming)
    }

    fn failing(status: u16) -> End {
        answer(status, &format!(r#"{{"errors":[{{"httpcode":{status},"message":"m"}}]}}"#))
    }

    #[test]
    fn only_the_contract_says_that_nothing_was_done() {
        let retry_after = Some(Duration::from_secs(3));
        assert_eq!(failing(503).ended, Ended::Unavailable { retry_after });
        assert_eq!(failing(429).ended, Ended::Limited { retry_after });
        assert_eq!(failing(500).ended, Ended::MaybeDone);
        assert_eq!(failing(408).ended, Ended::MaybeDone, "no write to wait for");
        for foreign in ["", "<html>", "{}", r#"{"message":"Service Unavailable"}"#] {
            assert_eq!(answer(503, foreign).ended, Ended::MaybeDone, "{foreign}");
            assert_eq!(answer(502, foreign).ended, Ended::MaybeDone, "{foreign}");
            assert_eq!(answer(408, foreign).ended, Ended::MaybeDone, "{foreign}");
            assert_eq!(answer(429, foreign).ended, Ended::Limited { retry_after }, "{foreign}");
            assert_eq!(answer(413, foreign).ended, Ended::Answered, "{foreign}");
        }
        assert_eq!(answer(200, "<html>").ended, Ended::MaybeDone);
    }

    const RECEIPT: &str = r#"{"required":"local_region","achieved":true,"outcome":"committed","write_id":"0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d10","position":null,"elapsed_ms":1.0,"regions":[]}"#;

    fn refused_in_the_log(status: u16) -> End {
        let error = format!(r#"{{"httpcode":{status},"message":"m"}}"#);
        answer(status, &format!(r#"{{"meta":{{"consistency":{RECEIPT}}},"errors":[{error}]}}"#))
    }

    fn is_unknown(end: End, maybe_done: bool) -> bool {
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
