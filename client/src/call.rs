//! One call, over as many attempts and nodes as it takes. What an attempt's end means is decided in
//! `judge.rs`, where and whether to try again in `endpoints.rs` and `retry.rs`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, Identity},
    entropy,
    envelope::Head,
    error::{ClientError, TransportError},
    header, judge,
    retry::{self, Attempt, Decision, Ended},
    transport::Outgoing,
};

/// What an answer may take beyond the time that the node itself may wait.
const GRACE: Duration = Duration::from_secs(5);
/// How long one node may take for a read as long as there are others to ask.
const READ_ATTEMPT_MAX: Duration = Duration::from_secs(10);

/// What a call is, as far as trying it again is concerned.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Changes nothing; waits for nothing.
    Read,
    /// Changes nothing; the node may wait as long as the whole call for what the headers ask.
    WaitingRead,
    /// Changes nothing; the node may wait as long as the whole call, and is told so by `?wait=`.
    Receipt,
    /// Happens at most once under this key.
    Write {
        /// The `Idempotency-Key`.
        key: String,
    },
}

/// A call before it is made.
pub(crate) struct Call {
    pub(crate) identity: Identity,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    /// All but identity and the consistency timeout.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) kind: Kind,
    /// How long the node may wait for what was asked.
    pub(crate) timeout: Duration,
}

/// An answer with a status of success and an envelope that was understood.
pub(crate) struct Answer {
    pub(crate) endpoint: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn malformed(&self, what: &'static str) -> ClientError {
        let (endpoint, status) = (self.endpoint.clone(), self.status);
        ClientError::Transport(TransportError::Malformed { endpoint, status, what })
    }
}

/// Makes the call.
pub(crate) async fn run(client: &Client, call: &Call) -> Result<Answer, ClientError> {
    let shared = &client.shared;
    let headers = client.identify(call.identity)?;
    let started = Instant::now();
    let deadline = started + call.timeout + GRACE;
    let (mut tried, mut pauses) = (Vec::new(), 0);
    let mut maybe_done = false;
    loop {
        let (index, base) = {
            let endpoints = shared.endpoints();
            let (index, endpoint) = endpoints.pick(&tried, shared.now());
            (index, endpoint.base.clone())
        };
        tried.push(index);
        let untried_endpoint = shared.endpoints().untried(&tried);
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = match call.kind {
            Kind::Read if untried_endpoint => left.min(READ_ATTEMPT_MAX),
            Kind::Read | Kind::WaitingRead | Kind::Receipt | Kind::Write { .. } => left,
        };
        let outgoing = outgoing(call, &base, headers.clone(), started.elapsed());
        let end = match shared.transport.send(outgoing, limit).await {
            Ok(incoming) => {
                shared.endpoints().on_answer(index);
                judge::judge(call, base, incoming)
            }
            Err(error) => {
                shared.endpoints().on_failure(index, shared.now());
                judge::unanswered(error)
            }
        };
        maybe_done |= end.ended == Ended::MaybeDone;
        let attempt = Attempt {
            pauses,
            ended: end.ended,
            left: deadline.saturating_duration_since(Instant::now()),
            // Every write of this client has a key.
            idempotent: true,
            write: matches!(call.kind, Kind::Write { .. }),
            untried_endpoint,
        };
        match retry::decide(&attempt, entropy::jitter()) {
            Decision::Again(pause) if pause.is_zero() => {}
            Decision::Again(pause) => {
                pauses += 1;
                sleep(pause).await;
            }
            Decision::Stop => return judge::conclude(call, end, maybe_done, tried.len()),
        }
    }
}

fn outgoing<'a>(
    call: &'a Call,
    base: &'a str,
    identity: HeaderMap,
    elapsed: Duration,
) -> Outgoing<'a> {
    let mut headers = identity;
    headers.extend(call.headers.clone());
    if !call.body.is_empty() {
        let json = http::HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
    }
    // A repeat waits for what is left; the timeout is no part of what a key stands for.
    let seconds = header::seconds_up(call.timeout.saturating_sub(elapsed));
    let mut target = call.target.clone();
    match call.kind {
        Kind::Read => {}
        Kind::WaitingRead | Kind::Write { .. } => {
            headers.insert(header::CONSISTENCY_TIMEOUT, seconds.max(1).into());
        }
        Kind::Receipt if seconds == 0 => {}
        Kind::Receipt => {
            let joint = if target.contains('?') { '&' } else { '?' };
            target.push_str(&format!("{joint}wait={seconds}"));
        }
    }
    let (method, body) = (call.method.clone(), call.body.clone());
    Outgoing { base, method, target, headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_asks_for_the_time_left() {
        let seconds = |elapsed_ms| {
            let elapsed = Duration::from_millis(elapsed_ms);
            let call = Call {
                identity: Identity::Org,
                method: Method::PATCH,
                target: "/x".into(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
                kind: Kind::Write { key: "k".into() },
                timeout: Duration::from_secs(30),
            };
            let outgoing = outgoing(&call, "http://a", HeaderMap::new(), elapsed);
            outgoing.headers[header::CONSISTENCY_TIMEOUT].to_str().unwrap().to_owned()
        };
        assert_eq!(
            (seconds(0), seconds(1), seconds(1001)),
            ("30".into(), "30".into(), "29".into())
        );
        assert_eq!(seconds(31_000), "1");
    }
}
