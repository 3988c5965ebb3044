//! Clients whose every attempt is recorded in a history.
//!
//! They only send and record; the callers choose the attempts, and the checkers judge the history.
//! An answer that no server may give ends the test here.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    clients::{
        connection::{Answer, Connection, request},
        history::{
            Action, BoundedRead, Change, Denial, Found, Named, Operation, Outcome, PolicyDenial,
            Position, Question, Receipt, Recorder, Write, WriteStatus,
        },
        receipt::{of_headers, pending, text, write_status},
        workload::CREDENTIALS,
    },
    cluster::demo::Org,
};

pub use super::receipt::{applied, judge};

/// What every credential is made with; long enough to be looked for.
pub const CLIENT_SECRET: &str = "q7Zr-4TbN0mVc-kX9_2LwHs";
const WRITES: &str = "/v1/writes";
/// For a connection to be made: the system of a paused process still accepts it.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A node as clients know it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its base URL.
    pub url: String,
    /// Its region.
    pub region: String,
}

/// The time limits of a request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// What the consistency timeout says.
    pub timeout_s: u64,
    /// When the client drops the connection, counted from when it had sent its request.
    pub cut: Duration,
}

impl Patience {
    /// This many seconds, and enough more for the answer to come even from a node that was paused.
    #[must_use]
    pub const fn seconds(timeout_s: u64) -> Self {
        Self { timeout_s, cut: Duration::from_secs(timeout_s + 6) }
    }
}

/// What an operation is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The organization.
    pub org: &'a Org,
    /// The credential.
    pub credential: &'a str,
}

/// A request, however it is carried.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: &'static str,
    /// Its target.
    pub target: String,
    /// Its headers, without those that carrying it takes.
    pub headers: Vec<(&'static str, String)>,
    /// Its body, of JSON.
    pub body: Option<String>,
}

/// Carries requests to nodes.
pub trait Carrier: Send {
    /// Sends, and waits for the answer in the client's patience.
    fn exchange(
        &mut self,
        node: usize,
        asked: &Asked,
        patience: Duration,
    ) -> impl Future<Output = Told> + Send;
}

/// One client; it asks one thing at a time.
#[derive(Debug)]
pub struct Caller<C = Sockets> {
    recorder: Arc<Recorder>,
    places: Arc<[Place]>,
    client: usize,
    pub(super) carrier: C,
    /// The last write whose answer had its id.
    pub(super) named: Option<Named>,
}

/// Carries over sockets, one connection a node.
#[derive(Debug)]
pub struct Sockets {
    places: Arc<[Place]>,
    connections: BTreeMap<usize, Connection>,
}

/// The result of a request.
#[derive(Debug)]
pub enum Told {
    /// It was never sent.
    Nobody,
    /// It was sent, and not answered in time.
    Nothing,
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// `Concordat-Read: current`.
        unmarked: bool,
        /// Whether a stale answer names its time. A time before there were clusters means nothing.
        is_dated: bool,
        /// `ETag`.
        etag: Option<String>,
        /// Its body; null where it is no JSON.
        body: Value,
        /// The receipt of a write, in the body or in the headers; null without one.
        receipt: Value,
    },
}

impl Told {
    /// The content of an answer.
    #[must_use]
    pub fn answer(status: u16, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Self {
        let (read, etag) = (header("concordat-read"), header("etag"));
        let read = read.as_deref();
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let inside = &body["meta"]["consistency"];
        let receipt = if inside.is_null() { of_headers(header) } else { inside.clone() };
        Self::Answer {
            status,
            unmarked: read == Some("current"),
            is_dated: !read.is_some_and(|mark| {
                let as_of = mark.split_once("as-of=").map(|(_, as_of)| as_of);
                mark.starts_with("stale") && as_of.is_none_or(|as_of| as_of.starts_with("1970"))
            }),
            etag,
            body,
            receipt,
        }
    }
}

impl Caller {
    /// One that talks to these nodes, by its number.
    #[must_use]
    pub fn new(recorder: &Arc<Recorder>, places: &Arc<[Place]>, client: usize) -> Self {
        let carrier = Sockets { places: Arc::clone(places), connections: BTreeMap::new() };
        Self::over(carrier, recorder, places, client)
    }
}

impl<C: Carrier> Caller<C> {
    /// One that talks to these nodes in another way.
    #[must_use]
    pub fn over(
        carrier: C,
        recorder: &Arc<Recorder>,
        places: &Arc<[Place]>,
        client: usize,
    ) -> Self {
        let (recorder, places) = (Arc::clone(recorder), Arc::clone(places));
        Self { recorder, places, client, carrier, named: None }
    }

    /// Reads a credential at a node.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn read(&mut self, of: Subject<'_>, node: usize, patience: Duration) -> Outcome {
        self.read_at_least(of, node, None, patience).await
    }

    /// The same, from a position on: the node waits until it has that.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn read_at_least(
        &mut self,
        of: Subject<'_>,
        node: usize,
        position: Option<Position>,
        patience: Duration,
    ) -> Outcome {
        let operation = self.begin(of, node, Action::Read);
        let target = format!("{CREDENTIALS}/{}", of.credential);
        let mut headers = identity(of.org).to_vec();
        headers.extend(position.map(|position| ("concordat-at-least", position.token())));
        let asked = Asked { method: "GET", target, headers, body: None };
        let told = self.carrier.exchange(node, &asked, patience).await;
        let label = |body: &Value| text(&body["result"]["label"]);
        let outcome = self.seen(&operation, told, position.is_some(), label);
        if let Some(at_least) = position {
            let completed = self.recorder.now();
            let read = Operation { completed, outcome: outcome.clone(), ..operation.clone() };
            self.recorder.record_bounded_read(BoundedRead { read, at_least });
        }
        self.end(operation, outcome)
    }

    /// The outcome of a read. `is_bound`: from a position on; `value`: its place in the body.
    pub(super) fn seen(
        &self,
        operation: &Operation,
        told: Told,
        is_bound: bool,
        value: impl Fn(&Value) -> String,
    ) -> Outcome {
        match told {
            Told::Nobody | Told::Nothing => Outcome::Failed,
            Told::Answer { status: 200, unmarked, etag, body, .. } => {
                let found = Found { version: version(etag), value: value(&body) };
                Outcome::Seen { found: Some(found), unmarked }
            }
            Told::Answer { status, is_dated: false, .. } if is_absence(status) => {
                self.deny(operation, status)
            }
            Told::Answer { status: 403, unmarked, .. } => self.deny_by_policy(operation, unmarked),
            Told::Answer { status: 404, unmarked, .. } => Outcome::Seen { found: None, unmarked },
            Told::Answer { status: 401, unmarked: false, .. }
            | Told::Answer { status: 429 | 503, .. } => Outcome::Failed,
            // It has not come in time, or went with its region.
            Told::Answer { status: 408 | 410, .. } if is_bound => Outcome::Failed,
            other @ Told::Answer { .. } => panic!("{operation}: {other:?}"),
        }
    }

    /// Writes a credential through a node.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn write(
        &mut self,
        of: Subject<'_>,
        node: usize,
        write: &Write,
        patience: Patience,
    ) -> Outcome {
        let operation = self.begin(of, node, Action::Write(write.clone()));
        let asked = write_request(of, write, patience.timeout_s);
        let told = self.carrier.exchange(node, &asked, patience.cut).await;
        let (outcome, receipt) = self.decided(&operation, told, judge);
        self.note_receipt(&operation, &outcome, &receipt);
        self.end(operation, outcome)
    }

    /// The outcome of a write, by a judge of statuses and receipts, and the receipt.
    pub(super) fn decided(
        &self,
        operation: &Operation,
        told: Told,
        judge: impl Fn(u16, bool, &Value) -> Option<Outcome>,
    ) -> (Outcome, Value) {
        let outcome = match told {
            Told::Nobody => Outcome::Failed,
            Told::Nothing => Outcome::Unknown,
            Told::Answer { status, is_dated: false, .. } if is_absence(status) => {
                self.deny(operation, status)
            }
            Told::Answer { status: 403, unmarked, .. } => self.deny_by_policy(operation, unmarked),
            Told::Answer { status, unmarked, body, receipt, .. } => {
                let outcome = judge(status, unmarked, &receipt).unwrap_or_else(|| {
                    panic!("{operation}: {status}, unmarked {unmarked}: {body}")
                });
                return (outcome, receipt);
            }
        };
        (outcome, Value::Null)
    }

    /// Keeps what a receipt says of an attempt: the write's id, and the regions.
    pub(super) fn note_receipt(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        receipt: &Value,
    ) {
        let attempt = Operation { outcome: outcome.clone(), ..operation.clone() };
        if receipt.is_object() {
            let completed = self.recorder.now();
            let attempt = Operation { completed, ..attempt.clone() };
            let (applied, pending) = (applied(receipt), pending(receipt));
            self.recorder.record_receipt(Receipt { attempt, applied, pending });
        }
        let write_id = receipt["write_id"].as_str().map(str::to_owned);
        self.named = write_id.map(|write_id| Named { attempt, write_id });
    }

    /// The last write, if its answer had its id.
    #[must_use]
    pub const fn named(&self) -> Option<&Named> {
        self.named.as_ref()
    }

    /// Asks a node for a write's receipt, and lets it wait for this many seconds; nothing if it
    /// does not answer.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub async fn ask(
        &mut self,
        (org, named): (&Org, &Named),
        node: usize,
        wait_s: Option<u64>,
        patience: Duration,
    ) -> Option<Question> {
        let invoked = self.recorder.now();
        let wait = wait_s.map(|seconds| format!("?wait={seconds}")).unwrap_or_default();
        let target = format!("{WRITES}/{}{wait}", named.write_id);
        let asked = Asked { method: "GET", target, headers: identity(org).to_vec(), body: None };
        let (write_status, unmarked) = match self.carrier.exchange(node, &asked, patience).await {
            Told::Answer { status, is_dated: false, .. } if is_absence(status) => {
                let of = &named.attempt;
                let (org, credential) = (of.org.clone(), of.credential.clone());
                let (region, completed) = (self.places[node].region.clone(), self.recorder.now());
                let (client, action, outcome) = (self.client, Action::Read, Outcome::Failed);
                self.deny(
                    &Operation {
                        client,
                        org,
                        credential,
                        node,
                        region,
                        invoked,
                        completed,
                        action,
                        outcome,
                    },
                    status,
                );
                return None;
            }
            Told::Nobody
            | Told::Nothing
            | Told::Answer { status: 401, unmarked: false, .. }
            | Told::Answer { status: 429 | 503, .. } => return None,
            Told::Answer { status: 404, unmarked, .. } => (WriteStatus::Nothing, unmarked),
            Told::Answer { status, unmarked, body, .. } => {
                let write_status = write_status(&body["result"]).filter(|_| status == 200);
                let write_status =
                    write_status.unwrap_or_else(|| panic!("{named:?}: {status}: {body}"));
                (write_status, unmarked)
            }
        };
        let region = self.places[node].region.clone();
        let (named, completed) = (named.clone(), self.recorder.now());
        let question = Question { named, node, region, invoked, completed, write_status, unmarked };
        self.recorder.record_question(question.clone());
        Some(question)
    }

    pub(super) fn begin(&self, of: Subject<'_>, node: usize, action: Action) -> Operation {
        let invoked = self.recorder.now();
        Operation {
            client: self.client,
            org: of.org.id.clone(),
            credential: of.credential.to_owned(),
            node,
            region: self.places[node].region.clone(),
            invoked,
            completed: invoked,
            action,
            outcome: Outcome::Failed,
        }
    }

    /// A no of a state of no known moment: it is worth nothing, and must not be given.
    fn deny(&self, operation: &Operation, status: u16) -> Outcome {
        let operation = Operation { completed: self.recorder.now(), ..operation.clone() };
        self.recorder.record_denial(Denial { operation, status });
        Outcome::Failed
    }

    /// A no that policies must have said: nothing was done.
    fn deny_by_policy(&self, operation: &Operation, unmarked: bool) -> Outcome {
        let operation = Operation { completed: self.recorder.now(), ..operation.clone() };
        self.recorder.record_policy_denial(PolicyDenial { operation, unmarked });
        Outcome::Failed
    }

    pub(super) fn end(&self, mut operation: Operation, outcome: Outcome) -> Outcome {
        operation.completed = self.recorder.now();
        operation.outcome = outcome.clone();
        self.recorder.record(operation);
        outcome
    }
}

impl Carrier for Sockets {
    /// A connection without an answer is dropped.
    async fn exchange(&mut self, node: usize, asked: &Asked, patience: Duration) -> Told {
        let headers: Vec<(&str, &str)> =
            asked.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bytes = request(asked.method, &asked.target, &headers, asked.body.as_deref());
        let kept = self.connections.remove(&node);
        let mut connection = match kept {
            Some(connection) => connection,
            None => match timeout(CONNECT_LIMIT, Connection::open(&self.places[node].url)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(_)) | Err(_) => return Told::Nobody,
            },
        };
        let answered = async {
            connection.send(&bytes).await.ok()?;
            let answer = timeout(patience, connection.receive()).await.ok()?.ok()?;
            Some(told(&answer))
        };
        let Some(told) = answered.await else { return Told::Nothing };
        self.connections.insert(node, connection);
        told
    }
}

fn told(answer: &Answer<'_>) -> Told {
    Told::answer(answer.status, |name| answer.header(name).map(str::to_owned), answer.body)
}

pub(super) fn identity(org: &Org) -> [(&'static str, String); 2] {
    [("slashid-orgid", org.id.clone()), ("slashid-api-key", org.api_key.clone())]
}

fn write_request(of: Subject<'_>, write: &Write, timeout_s: u64) -> Asked {
    let mut headers = identity(of.org).to_vec();
    headers.extend(terms(write, timeout_s));
    let one = format!("{CREDENTIALS}/{}", of.credential);
    let (method, target, body) = match &write.change {
        Change::Create(value) => {
            let body = json!({
                "client_id": of.credential, "client_secret": CLIENT_SECRET, "provider": "google",
                "label": value,
            });
            ("POST", CREDENTIALS, Some(body))
        }
        Change::Patch(value) => ("PATCH", one.as_str(), Some(json!({"label": value}))),
        Change::Delete => ("DELETE", one.as_str(), None),
        Change::Put(_) => panic!("the native API has no such write: {write:?}"),
    };
    let body = body.map(|body| body.to_string());
    Asked { method, target: target.to_owned(), headers, body }
}

/// The headers of a write, alike in all dialects.
pub(super) fn terms(write: &Write, timeout_s: u64) -> Vec<(&'static str, String)> {
    let if_match = write.if_match.as_ref().map(|version| format!("\"{version}\""));
    let mut headers = vec![
        ("slashid-required-consistency", write.required.as_str().to_owned()),
        ("slashid-required-consistency-timeout", timeout_s.to_string()),
    ];
    headers.extend(if_match.map(|version| ("if-match", version)));
    headers.extend(write.key.clone().map(|key| ("idempotency-key", key)));
    headers
}

/// Whether a status says that something does not exist.
const fn is_absence(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 409 | 412)
}

fn version(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_without_a_moment_is_known() {
        let is_dated = |read: Option<&str>| match Told::answer(
            404,
            |name| read.filter(|_| name == "concordat-read").map(str::to_owned),
            b"",
        ) {
            Told::Answer { is_dated, .. } => is_dated,
            Told::Nobody | Told::Nothing => panic!("an answer"),
        };
        for read in [None, Some("current"), Some("stale; as-of=2026-01-02T03:04:05Z")] {
            assert!(is_dated(read), "{read:?}");
        }
        for read in ["stale", "stale; as-of=1970-01-01T00:00:00Z"] {
            assert!(!is_dated(Some(read)), "{read}");
        }
    }
}
