//! One call, over as many attempts and nodes as it takes. What an attempt's end means is decided in
//! `judge.rs`, where and whether to try again in `endpoints.rs` and `retry.rs`.
//!
//! Attempts run beside each other when one is silent: the first end that settles the call ends all.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use http::{HeaderMap, Method};
use tokio::time::{Instant, sleep_until};

use crate::{
    client::{Client, Identity},
    endpoints::Course,
    entropy,
    envelope::Head,
    error::{ClientError, TransportError},
    header,
    judge::{self, End, Understood},
    retry::{self, Attempt, Decision, Ended, IN_FLIGHT_MAX, Silent},
    transport::{Incoming, Outgoing, Progress},
};

/// What an answer may take beyond the time that the node itself may wait: the way there and back, and
/// up to a second by which that time is rounded up.
const GRACE: Duration = Duration::from_secs(3);

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
    pub(crate) headers: HeaderMap,
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

/// An attempt of which an answer is waited for.
struct Flight {
    number: usize,
    endpoint: usize,
    progress: Arc<Progress>,
    /// It was silent for so long that somebody else was asked as well.
    hedged: bool,
}

/// The end of an attempt: its number, its node, and what came back.
type Landed = (usize, String, Result<Incoming, TransportError>);

/// A call under way.
struct Race<'a> {
    client: &'a Client,
    call: &'a Call,
    identity: HeaderMap,
    started: Instant,
    deadline: Instant,
    /// The endpoint of every attempt.
    tried: Vec<usize>,
    flights: Vec<Flight>,
    landing: FuturesUnordered<BoxFuture<'a, Landed>>,
    hedges: u32,
    pauses: u32,
    /// When the next attempt begins, if one was decided on.
    due: Option<Instant>,
    /// An attempt that is over may have been done, or may yet be.
    maybe_done: bool,
}

/// Makes the call. `understand` makes what is asked for out of a success; one that cannot be understood
/// does not end the call.
pub(crate) async fn run<T>(
    client: &Client,
    call: &Call,
    understand: &(dyn Fn(&Answer) -> Understood<T> + Sync),
) -> Result<(Answer, T), ClientError> {
    let mut race = Race::new(client, call)?;
    let mut last: Option<End<T>> = None;
    loop {
        let Some((flight, base, result)) = race.next().await else {
            let end = last.expect("a call has at least one attempt");
            return judge::conclude(call, end, race.maybe_done, race.tried.len());
        };
        let end = match result {
            Ok(incoming) => judge::judge(call, base, incoming, understand),
            Err(error) => judge::unanswered(error),
        };
        race.on_end(&flight, &end);
        // A node's own no may come from what an attempt under way has done: that one says more.
        let is_write = matches!(call.kind, Kind::Write { .. });
        if end.ended == Ended::Answered && (end.settles || !is_write || race.flights.is_empty()) {
            race.on_over(&end);
            return judge::conclude(call, end, race.maybe_done, race.tried.len());
        }
        if last.is_none() || !end.is_silence() {
            last = Some(end);
        }
    }
}

impl<'a> Race<'a> {
    fn new(client: &'a Client, call: &'a Call) -> Result<Self, ClientError> {
        let identity = client.identify(call.identity)?;
        let started = Instant::now();
        Ok(Self {
            client,
            call,
            identity,
            started,
            deadline: started + call.timeout + GRACE,
            tried: Vec::new(),
            flights: Vec::new(),
            landing: FuturesUnordered::new(),
            hedges: 0,
            pauses: 0,
            due: Some(started),
            maybe_done: false,
        })
    }

    /// The next attempt that ends, after beginning those whose time has come; `None` when nothing is
    /// under way any more, nor to be begun.
    async fn next(&mut self) -> Option<(Flight, String, Result<Incoming, TransportError>)> {
        loop {
            let now = Instant::now();
            let hedge = self.hedge_at();
            if self.due.is_some_and(|due| due <= now) {
                self.due = None;
                self.begin();
                continue;
            }
            if hedge.is_some_and(|hedge| hedge <= now) {
                self.hedges += 1;
                self.flights.iter_mut().for_each(|flight| flight.hedged = true);
                self.begin();
                continue;
            }
            let wake = [self.due, hedge].into_iter().flatten().min();
            if wake.is_none() && self.landing.is_empty() {
                return None;
            }
            tokio::select! {
                Some((number, base, result)) = self.landing.next(), if !self.landing.is_empty() => {
                    let place = self.flights.iter().position(|flight| flight.number == number);
                    let flight = self.flights.remove(place.expect("what lands was under way"));
                    return Some((flight, base, result));
                }
                () = sleep_until(wake.unwrap_or(self.deadline)), if wake.is_some() => {}
            }
        }
    }

    fn silent(&self) -> Vec<usize> {
        self.flights.iter().map(|flight| flight.endpoint).collect()
    }

    /// When the silence of what is under way has lasted so long that somebody else is asked as well.
    fn hedge_at(&self) -> Option<Instant> {
        let last = self.flights.iter().map(|flight| flight.progress.last()).max()?;
        let shared = &self.client.shared;
        let (endpoints, silent) = (shared.endpoints(), self.silent());
        if self.flights.len() >= IN_FLIGHT_MAX || !endpoints.untried(&self.tried) {
            return None;
        }
        let course = Course { tried: &self.tried, silent: &silent };
        let next = endpoints.best(course, shared.now());
        let waits = !matches!(self.call.kind, Kind::Read);
        // A read is as good wherever it is answered; a write and a receipt are of the region that is
        // asked.
        let regional = matches!(self.call.kind, Kind::Write { .. } | Kind::Receipt);
        let silence = retry::silence_max(&Silent {
            timeout: self.call.timeout,
            hedges: self.hedges,
            waits,
            crossing: regional && endpoints.is_crossing(&silent, next),
        });
        let at = last + silence;
        (at < self.deadline).then_some(at)
    }

    /// Begins an attempt.
    fn begin(&mut self) {
        let shared = &self.client.shared;
        let silent = self.silent();
        let (endpoint, base) = {
            let mut endpoints = shared.endpoints();
            let course = Course { tried: &self.tried, silent: &silent };
            let (index, endpoint) = endpoints.pick(course, shared.now());
            (index, endpoint.base.clone())
        };
        let number = self.tried.len();
        self.tried.push(endpoint);
        let progress = Arc::new(Progress::begin());
        self.flights.push(Flight {
            number,
            endpoint,
            progress: Arc::clone(&progress),
            hedged: false,
        });
        let left = self.deadline.saturating_duration_since(Instant::now());
        let (call, identity, elapsed) = (self.call, self.identity.clone(), self.started.elapsed());
        let flight = async move {
            let outgoing = outgoing(call, &base, identity, elapsed);
            let result = shared.transport.send(outgoing, left, &progress).await;
            (number, base, result)
        };
        self.landing.push(flight.boxed());
    }

    /// Learns from an attempt's end, and decides on the next one.
    fn on_end<T>(&mut self, flight: &Flight, end: &End<T>) {
        let shared = &self.client.shared;
        if end.is_of_a_node() {
            shared.endpoints().on_answer(flight.endpoint);
        } else {
            shared.endpoints().on_failure(flight.endpoint, shared.now());
        }
        self.maybe_done |= end.ended.may_be_done();
        let now = Instant::now();
        let attempt = Attempt {
            pauses: self.pauses,
            ended: end.ended,
            left: self.deadline.saturating_duration_since(now),
            // Every write of this client has a key.
            idempotent: true,
            write: matches!(self.call.kind, Kind::Write { .. }),
            untried_endpoint: shared.endpoints().untried(&self.tried),
        };
        let Decision::Again(pause) = retry::decide(&attempt, entropy::jitter()) else { return };
        if !pause.is_zero() {
            self.pauses += 1;
        }
        let at = now + pause;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The call is over. An endpoint that was silent while another one could answer is asked last for a
    /// while; where the answer is that the time is up, all were silent with reason.
    fn on_over<T>(&self, end: &End<T>) {
        if end.is_pending() {
            return;
        }
        let shared = &self.client.shared;
        for flight in self.flights.iter().filter(|flight| flight.hedged) {
            shared.endpoints().on_failure(flight.endpoint, shared.now());
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
