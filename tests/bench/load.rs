//! A closed loop of clients: each sends, waits for the answer, and sends again until the time is up.

use std::{io, time::Duration};

use concordat_tests::{
    connection::{Connection, request},
    workload::CREDENTIALS,
};
use tokio::{task::JoinSet, time::Instant};

use crate::setup::Target;

/// The operation of each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Sets the label of its own credential.
    Write {
        /// `all_regions` instead of `local_region`.
        everywhere: bool,
    },
    /// Reads credentials by client id.
    Read,
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Of every successful answer, in ascending order.
    pub(crate) latencies_us: Vec<u32>,
    /// Answers of another status, and connections that broke.
    pub(crate) failures: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// The latency that this many of a thousand answers did not exceed.
    pub(crate) fn permille(&self, permille: usize) -> Option<Duration> {
        let last = self.latencies_us.len().checked_sub(1)?;
        let at = (self.latencies_us.len() * permille / 1000).min(last);
        Some(Duration::from_micros(self.latencies_us[at].into()))
    }

    pub(crate) fn count(&self) -> u64 {
        self.latencies_us.len() as u64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `clients` clients for so long; client `i` goes to `urls[i % urls.len()]`.
pub(crate) async fn run(
    target: &Target,
    urls: &[String],
    work: Work,
    clients: usize,
    time: Duration,
) -> Outcome {
    let begun = Instant::now();
    let deadline = begun + time;
    let mut all = JoinSet::new();
    for number in 0..clients {
        let url = urls[number % urls.len()].clone();
        let client = Client { target: target.clone(), number, work, counter: 0 };
        all.spawn(client.run(url, deadline));
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = all.join_next().await {
        let one = ended.expect("a client panicked");
        outcome.latencies_us.extend(one.latencies_us);
        outcome.failures += one.failures;
    }
    outcome.elapsed = begun.elapsed();
    outcome.latencies_us.sort_unstable();
    outcome
}

struct Client {
    target: Target,
    number: usize,
    work: Work,
    counter: u64,
}

impl Client {
    async fn run(mut self, url: String, deadline: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        while Instant::now() < deadline {
            if self.converse(&url, deadline, &mut outcome).await.is_err() {
                outcome.failures += 1;
                tokio::task::yield_now().await;
            }
        }
        outcome
    }

    /// Over one connection until it breaks or the time is up.
    async fn converse(
        &mut self,
        url: &str,
        deadline: Instant,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        let mut connection = Connection::open(url).await?;
        while Instant::now() < deadline {
            let bytes = self.next_request();
            let begun = Instant::now();
            let status = connection.exchange(&bytes).await?.status;
            if status == 200 {
                let micros = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
                outcome.latencies_us.push(micros);
            } else {
                outcome.failures += 1;
            }
        }
        Ok(())
    }

    fn next_request(&mut self) -> Vec<u8> {
        self.counter += 1;
        let identity =
            [("slashid-orgid", &*self.target.org), ("slashid-api-key", &*self.target.api_key)];
        match self.work {
            Work::Read => {
                // A step that is prime to the count visits all of them.
                let step = self.number as u64 * 7919 + self.counter * 31;
                let which = step % self.target.credentials;
                request("GET", &format!("{CREDENTIALS}/bench-{which}"), &identity, None)
            }
            Work::Write { everywhere } => {
                let scope = if everywhere { "all_regions" } else { "local_region" };
                let headers = [identity[0], identity[1], ("slashid-required-consistency", scope)];
                let which = self.number as u64 % self.target.credentials;
                let body = format!(r#"{{"label":"{}"}}"#, self.counter);
                request("PATCH", &format!("{CREDENTIALS}/bench-{which}"), &headers, Some(&body))
            }
        }
    }
}
