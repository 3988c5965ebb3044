//! One call, over as many attempts and nodes as it takes. `classify.rs` decides what an attempt's
//! end means, `endpoints.rs` and `retry.rs` decide where and whether to retry.
//!
//! Attempts run in parallel when one is silent: the first conclusive end ends all.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use http::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::{
    call::{
        classify::{self, End},
        core::Core,
        endpoints::Course,
        entropy, header,
        retry::{self, Attempt, Decision, Ended, IN_FLIGHT_MAX, Silent},
        transport::{Incoming, Outgoing, Progress},
        types::{Answer, Call, Kind, Understood},
    },
    error::{ClientError, TransportError},
};

/// The time for an answer beyond the node's own waiting time: the round trip, and up to a second by
/// which the time is rounded up.
const GRACE: Duration = Duration::from_secs(3);

/// An attempt that has not answered yet.
struct Flight {
    number: usize,
    endpoint: usize,
    progress: Arc<Progress>,
    /// It was silent for so long that another endpoint was asked as well.
    hedged: bool,
}

/// The end of an attempt: its number, its node, and its result.
type Landed = (usize, String, Result<Incoming, TransportError>);

/// A call under way.
struct Race<'a> {
    core: &'a Core,
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
    /// When the next attempt begins, if there is one.
    due: Option<Instant>,
    /// An attempt that is over may have been done, or may yet be.
    maybe_done: bool,
}

/// Makes the call. `understand` makes the call's value from a success; an answer that it cannot
/// parse does not end the call.
pub(crate) async fn run<T>(
    core: &Core,
    call: &Call,
    understand: &(dyn Fn(&Answer) -> Understood<T> + Sync),
) -> Result<(Answer, T), ClientError> {
    let mut race = Race::new(core, call)?;
    let mut last: Option<End<T>> = None;
    loop {
        let Some((flight, base, result)) = race.next().await else {
            let end = last.expect("a call has at least one attempt");
            return classify::conclude(call, end, race.maybe_done, race.tried.len());
        };
        let end = match result {
            Ok(incoming) => classify::classify(call, base, incoming, understand),
            Err(error) => classify::unanswered(error),
        };
        race.on_end(&flight, &end);
        // A node's own refusal may be a consequence of another attempt in flight, which says more.
        let is_write = matches!(call.kind, Kind::Write { .. });
        if end.ended == Ended::Answered
            && (end.is_conclusive || !is_write || race.flights.is_empty())
        {
            race.on_over(&end);
            return classify::conclude(call, end, race.maybe_done, race.tried.len());
        }
        if last.is_none() || !end.is_silence() {
            last = Some(end);
        }
    }
}

impl<'a> Race<'a> {
    fn new(core: &'a Core, call: &'a Call) -> Result<Self, ClientError> {
        let identity = core.identify(call.identity)?;
        let started = Instant::now();
        Ok(Self {
            core,
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

    /// The next attempt that ends, after starting those that are due; `None` when none is in flight
    /// any more, nor to be started.
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

    /// When the silence of the attempts in flight has lasted so long that another endpoint is asked
    /// as well.
    fn hedge_at(&self) -> Option<Instant> {
        let last = self.flights.iter().map(|flight| flight.progress.last()).max()?;
        let shared = &self.core.shared;
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
        let shared = &self.core.shared;
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
        let shared = &self.core.shared;
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
        let shared = &self.core.shared;
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
    // A retry waits for the remaining time; the timeout is not part of a request's digest.
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
    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::model::identity::Identity;

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
