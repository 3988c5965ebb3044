//! Clients that write while things break, and their records of acknowledged writes.
//!
//! Each client owns one credential and sets its label to 1, 2, 3 …, a new `Idempotency-Key` for
//! each; it never continues before a write is acknowledged, but retries it under the same key
//! through other nodes. So the expected result is simple: whatever happened in between, the label
//! is the last acknowledged number, and every second client, whose every write has `If-Match` of
//! the write before, would get a 412 if any write had been lost or applied twice. A timed-out write
//! is unknown until its repeat is answered.
//!
//! An unexpected answer is recorded as a violation; the test judges.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::connection::{Connection, request};
use crate::rng::Rng;

/// Where the credentials are.
pub const CREDENTIALS: &str = "/organizations/sso/oidc/provider-credentials";
/// For how long a node may be behind what it acknowledged while it says that it is stale.
const BEHIND_MAX: Duration = Duration::from_secs(30);
/// Between reads of such a node.
const BEHIND_PAUSE: Duration = Duration::from_millis(100);
/// The time for an answer beyond the consistency timeout before the node is abandoned.
const GRACE: Duration = Duration::from_secs(3);
/// Between attempts that reached no node.
const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// Between a client's writes: nodes and clients share few cores.
const PACE_MS_MAX: u64 = 4;
/// For one write, over everything a test may break meanwhile.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// The target of the writes, and the caller.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Base URLs of the nodes through which the clients may go; the first ones are preferred.
    pub urls: Vec<String>,
    /// The organization.
    pub org: String,
    /// Its key.
    pub api_key: String,
    /// How many clients.
    pub clients: usize,
    /// Of the clients' choices.
    pub seed: u64,
}

/// A write that was answered 200.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The number it set.
    pub number: u64,
    /// Its name.
    pub write_id: String,
    /// When the attempt began that was answered.
    pub asked: Instant,
    /// When it was answered.
    pub answered: Instant,
    /// How many attempts it took.
    pub attempts: u32,
}

/// One client's book.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Its credential.
    pub client_id: String,
    /// Its acknowledged writes, in order.
    pub acknowledged: Vec<Acknowledged>,
    /// How often it got which status; 0 for no answer.
    pub statuses: BTreeMap<u16, u64>,
}

impl Ledger {
    /// The last number acknowledged.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.acknowledged.last().map_or(0, |last| last.number)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Go,
    Pause,
    Stop,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    ledgers: Mutex<Vec<Ledger>>,
    violations: Mutex<Vec<String>>,
    signal: watch::Sender<Signal>,
    /// Clients that wait at the gate.
    waiting: watch::Sender<usize>,
    /// A region that is lost and counts still.
    without: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Clients at work.
#[derive(Debug)]
pub struct Workload {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl Workload {
    /// Creates a credential for each client, everywhere, and sets the clients off.
    ///
    /// # Panics
    /// When a credential cannot be created.
    pub async fn start(plan: Plan) -> Self {
        let ledgers = (0..plan.clients).map(|number| Ledger {
            client_id: format!("client-{number}-{:x}", plan.seed),
            ..Ledger::default()
        });
        let shared = Arc::new(Shared {
            ledgers: Mutex::new(ledgers.collect()),
            violations: Mutex::default(),
            signal: watch::Sender::new(Signal::Go),
            waiting: watch::Sender::new(0),
            without: Mutex::default(),
            plan,
        });
        let mut clients = JoinSet::new();
        for number in 0..shared.plan.clients {
            let mut client = Client::new(Arc::clone(&shared), number);
            client.create().await;
            clients.spawn(client.run());
        }
        Self { shared, clients }
    }

    /// The books as they are now.
    #[must_use]
    pub fn ledgers(&self) -> Vec<Ledger> {
        lock(&self.shared.ledgers).clone()
    }

    /// The last number acknowledged of each credential.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<(String, u64)> {
        let last = |ledger: &Ledger| (ledger.client_id.clone(), ledger.last());
        lock(&self.shared.ledgers).iter().map(last).collect()
    }

    /// When each client was first answered 200 to a request that began at or after `since`; nothing
    /// for one that was not yet.
    #[must_use]
    pub fn answered_since(&self, since: Instant) -> Vec<Option<Instant>> {
        let first = |ledger: &Ledger| {
            let recent = ledger.acknowledged.iter().rev().take_while(|it| it.answered >= since);
            recent.filter(|it| it.asked >= since).map(|it| it.answered).min()
        };
        lock(&self.shared.ledgers).iter().map(first).collect()
    }

    /// From now on clients accept a 408 that says that a write is committed, and applied everywhere
    /// but in this region: it is lost, and counts until an operator removes it.
    pub fn go_without(&self, region: Option<&str>) {
        *lock(&self.shared.without) = region.map(str::to_owned);
    }

    /// The clients' unexpected answers.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.violations).clone()
    }

    /// Lets every client finish its write and hold; false when one did not within the limit.
    pub async fn pause(&self, limit: Duration) -> bool {
        self.shared.signal.send_replace(Signal::Pause);
        let mut waiting = self.shared.waiting.subscribe();
        let all = self.shared.plan.clients;
        timeout(limit, waiting.wait_for(|count| *count == all)).await.is_ok()
    }

    /// Lets the clients continue.
    pub fn resume(&self) {
        self.shared.signal.send_replace(Signal::Go);
    }

    /// Lets every client finish its write and ends them; returns their books.
    ///
    /// # Panics
    /// When a client did not end within the limit, or panicked.
    pub async fn stop(mut self, limit: Duration) -> Vec<Ledger> {
        self.shared.signal.send_replace(Signal::Stop);
        let all = async {
            while let Some(ended) = self.clients.join_next().await {
                ended.expect("a client panicked");
            }
        };
        timeout(limit, all).await.expect("the clients did not end in time");
        self.ledgers()
    }
}

/// Contradictions within the records: a number twice, a write id twice.
#[must_use]
pub fn inconsistencies(ledgers: &[Ledger]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut write_ids = BTreeSet::new();
    for ledger in ledgers {
        for (place, write) in ledger.acknowledged.iter().enumerate() {
            if write.number != place as u64 + 1 {
                wrong.push(format!("{}: {} at place {place}", ledger.client_id, write.number));
            }
            if !write_ids.insert(write.write_id.clone()) {
                wrong.push(format!("write id {} was acknowledged twice", write.write_id));
            }
        }
    }
    wrong
}

/// A line on the clients' answers.
#[must_use]
pub fn summary(ledgers: &[Ledger]) -> String {
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for (status, count) in ledgers.iter().flat_map(|ledger| &ledger.statuses) {
        *statuses.entry(*status).or_default() += count;
    }
    let writes = ledgers.iter().map(|ledger| ledger.acknowledged.len()).sum::<usize>();
    let all = ledgers.iter().flat_map(|ledger| &ledger.acknowledged);
    let repeated = all.filter(|write| write.attempts > 1).count();
    let mut text = format!("{writes} writes acknowledged, {repeated} of them after repeats; met");
    for (status, count) in statuses {
        let name = if status == 0 { "no answer".to_owned() } else { status.to_string() };
        text.push_str(&format!(" {name}: {count}×"));
    }
    text
}

/// The result of an attempt.
enum Attempt {
    /// 200.
    Acknowledged { write_id: String },
    /// 408, committed or not, or nothing at all: again under the same key.
    Again,
    /// What must not be.
    Violation(String),
}

struct Client {
    shared: Arc<Shared>,
    number: usize,
    client_id: String,
    rng: Rng,
    at: usize,
    connection: Option<Connection>,
    etag: String,
}

impl Client {
    fn new(shared: Arc<Shared>, number: usize) -> Self {
        let client_id = lock(&shared.ledgers)[number].client_id.clone();
        let rng = Rng::new(shared.plan.seed.wrapping_add(number as u64 + 1));
        let at = number % shared.plan.urls.len();
        Self { shared, number, client_id, rng, at, connection: None, etag: String::new() }
    }

    /// Through one node until it does not answer, then through another one.
    fn move_on(&mut self) {
        self.connection = None;
        let others = self.shared.plan.urls.len() - 1;
        if others > 0 {
            self.at = (self.at + 1 + self.rng.place(others)) % (others + 1);
        }
    }

    /// Sends and reads within the limit; nothing when the node did not answer.
    async fn exchange(&mut self, bytes: &[u8], limit: Duration) -> Option<Seen> {
        let url = self.shared.plan.urls[self.at].clone();
        let exchange = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(&url).await.ok()?,
            };
            let answer = connection.exchange(bytes).await.ok()?;
            let seen = Seen {
                status: answer.status,
                stale: answer.header("concordat-read").is_some_and(|it| it.starts_with("stale")),
                etag: answer.header("etag").map(str::to_owned),
                body: serde_json::from_slice(answer.body).unwrap_or(Value::Null),
            };
            self.connection = Some(connection);
            Some(seen)
        };
        timeout(limit, exchange).await.ok().flatten()
    }

    fn identity(&self) -> [(&'static str, String); 2] {
        let plan = &self.shared.plan;
        [("slashid-orgid", plan.org.clone()), ("slashid-api-key", plan.api_key.clone())]
    }

    async fn create(&mut self) {
        let [org, key] = self.identity();
        let idempotency = format!("{}-create", self.client_id);
        let headers = [
            (org.0, org.1.as_str()),
            (key.0, key.1.as_str()),
            ("idempotency-key", &idempotency),
            ("slashid-required-consistency", "all_regions"),
            ("slashid-required-consistency-timeout", "10"),
        ];
        let body = serde_json::json!({
            "client_id": self.client_id, "client_secret": "a secret", "provider": "google",
        });
        let bytes = request("POST", CREDENTIALS, &headers, Some(&body.to_string()));
        let limit = Instant::now() + WRITE_LIMIT;
        let mut last = None;
        while Instant::now() < limit {
            last = self.exchange(&bytes, Duration::from_secs(10) + GRACE).await;
            if let Some(seen) = &last
                && seen.status == 201
            {
                self.etag = format!("\"{}\"", seen.write_id());
                return;
            }
            self.move_on();
            sleep(RETRY_PAUSE).await;
        }
        panic!("credential {} could not be created: {last:?}", self.client_id);
    }

    async fn run(mut self) {
        for number in 1.. {
            if !self.may_go_on().await {
                return;
            }
            if let Err(violation) = self.write(number).await {
                let text = format!("{}, write {number}: {violation}", self.client_id);
                lock(&self.shared.violations).push(text);
                self.shared.waiting.send_modify(|count| *count += 1);
                return;
            }
            sleep(Duration::from_millis(self.rng.below(PACE_MS_MAX))).await;
        }
    }

    /// Holds at the gate while it is closed; false when the work is over.
    async fn may_go_on(&self) -> bool {
        let mut signal = self.shared.signal.subscribe();
        if *signal.borrow() == Signal::Pause {
            self.shared.waiting.send_modify(|count| *count += 1);
            let open = signal.wait_for(|signal| *signal != Signal::Pause).await.is_ok();
            self.shared.waiting.send_modify(|count| *count -= 1);
            return open && *signal.borrow() == Signal::Go;
        }
        *signal.borrow() == Signal::Go
    }

    /// Sets the label to the number, however many attempts that takes.
    async fn write(&mut self, number: u64) -> Result<(), String> {
        let deadline = Instant::now() + WRITE_LIMIT;
        let everywhere = self.rng.below(3) == 0;
        let seconds = 1 + self.rng.below(2);
        let bytes = self.patch(number, everywhere, seconds);
        let mut committed: Option<String> = None;
        for attempts in 1.. {
            let asked = Instant::now();
            if asked > deadline {
                return Err(format!("not acknowledged after {attempts} attempts"));
            }
            let limit = Duration::from_secs(seconds) + GRACE;
            let seen = self.exchange(&bytes, limit).await;
            let status = seen.as_ref().map_or(0, |seen| seen.status);
            *lock(&self.shared.ledgers)[self.number].statuses.entry(status).or_default() += 1;
            let without = lock(&self.shared.without).clone();
            match judge(seen, &mut committed, without.as_deref()) {
                Attempt::Acknowledged { write_id } => {
                    self.etag = format!("\"{write_id}\"");
                    let answered = Instant::now();
                    let write = Acknowledged { number, write_id, asked, answered, attempts };
                    lock(&self.shared.ledgers)[self.number].acknowledged.push(write);
                    return self.read_back(number).await;
                }
                Attempt::Again => {
                    self.move_on();
                    sleep(RETRY_PAUSE).await;
                }
                Attempt::Violation(what) => {
                    let url = &self.shared.plan.urls[self.at];
                    return Err(format!("attempt {attempts} at {url}: {what}"));
                }
            }
        }
        Ok(())
    }

    fn patch(&self, number: u64, everywhere: bool, seconds: u64) -> Vec<u8> {
        let [org, key] = self.identity();
        let idempotency = format!("{}-{number}", self.client_id);
        let seconds = seconds.to_string();
        let mut headers = vec![
            (org.0, org.1.as_str()),
            (key.0, key.1.as_str()),
            ("idempotency-key", idempotency.as_str()),
            ("slashid-required-consistency-timeout", seconds.as_str()),
        ];
        if everywhere {
            headers.push(("slashid-required-consistency", "all_regions"));
        }
        if self.number % 2 == 1 {
            headers.push(("if-match", &self.etag));
        }
        let body = format!(r#"{{"label":"{number}"}}"#);
        request("PATCH", &format!("{CREDENTIALS}/{}", self.client_id), &headers, Some(&body))
    }

    /// Reads at the node that acknowledged: it must show the write, and as that very version. A node that
    /// has lost its lease may be behind the rest of its region, and says so: it is read again until it
    /// has caught up.
    async fn read_back(&mut self, number: u64) -> Result<(), String> {
        let until = Instant::now() + BEHIND_MAX;
        loop {
            let [org, key] = self.identity();
            let headers = [(org.0, org.1.as_str()), (key.0, key.1.as_str())];
            let target = format!("{CREDENTIALS}/{}", self.client_id);
            let Some(seen) = self.exchange(&request("GET", &target, &headers, None), GRACE).await
            else {
                self.move_on(); // It died in between.
                return Ok(());
            };
            let label = seen.body["result"]["label"].as_str().unwrap_or_default();
            let right = label == number.to_string() && seen.etag.as_deref() == Some(&self.etag);
            if seen.status == 200 && right {
                return Ok(());
            }
            if !seen.stale || Instant::now() >= until {
                let etag = &self.etag;
                return Err(format!(
                    "acknowledged as {etag}, and then the same node read {seen:?}"
                ));
            }
            sleep(BEHIND_PAUSE).await;
        }
    }
}

/// The parts of an answer that a client needs.
#[derive(Debug)]
struct Seen {
    status: u16,
    stale: bool,
    etag: Option<String>,
    body: Value,
}

impl Seen {
    fn write_id(&self) -> &str {
        self.body["meta"]["consistency"]["write_id"].as_str().unwrap_or_default()
    }
}

/// Whether a receipt lists every region as applied but this one.
fn lacks_only(receipt: &Value, region: Option<&str>) -> bool {
    let lines = receipt["regions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut pending = lines.iter().filter(|line| line["state"] != "applied").peekable();
    pending.peek().is_some() && pending.all(|line| line["region"].as_str() == region)
}

/// Judges one answer; `committed` is the write id under which the same key is known to be
/// committed.
fn judge(seen: Option<Seen>, committed: &mut Option<String>, without: Option<&str>) -> Attempt {
    let Some(seen) = seen else { return Attempt::Again };
    let receipt = &seen.body["meta"]["consistency"];
    let write_id = seen.write_id().to_owned();
    let is_committed = receipt["outcome"] == "committed";
    if is_committed {
        let known = committed.get_or_insert_with(|| write_id.clone());
        if *known != write_id {
            let what = format!("one key was committed as {known} and as {write_id}");
            return Attempt::Violation(what);
        }
    }
    match seen.status {
        200 if write_id.is_empty() || !is_committed || receipt["achieved"] != true => {
            Attempt::Violation(format!("200 with the receipt {receipt}"))
        }
        200 => Attempt::Acknowledged { write_id },
        408 if receipt["achieved"] == true => {
            Attempt::Violation(format!("408 with the receipt {receipt}"))
        }
        408 if is_committed && lacks_only(receipt, without) => Attempt::Acknowledged { write_id },
        408 | 429 | 503 => Attempt::Again,
        // A replica that is behind and says so may not know the organization yet.
        401 | 404 if seen.stale => Attempt::Again,
        _ => Attempt::Violation(format!("{seen:?}")),
    }
}
