//! Every way in which one of several endpoints can fail, and every kind of call: it succeeds
//! through another endpoint, within the caller's time, and a write under one key only.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_client::{Client, ClientError, RequiredConsistency};
use futures::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::fake::{Fake, Reply, WRITE, builder, nobody, receipt};

/// The caller's timeout in this file: several times the cost of a silent endpoint.
const TIMEOUT: Duration = Duration::from_secs(15);

/// An endpoint's behavior on a connection.
#[derive(Clone)]
pub(crate) enum Fault {
    /// No process listens.
    Refuses,
    /// Accepts, and resets at once.
    Resets,
    /// Reads a request, answers with this, and then does that.
    Says(String, Then),
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// Closes.
    Closes,
    /// Stays silent, with the connection open.
    Hangs,
    /// Sends a byte now and then, for ever.
    Drips,
}

/// An endpoint with a fault, and the requests that it read.
pub(crate) struct Faulty {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Faulty {
    pub(crate) async fn start(fault: Fault) -> Self {
        let heads = Arc::default();
        if let Fault::Refuses = fault {
            return Self { url: nobody().await, heads };
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fault, seen) = (fault.clone(), Arc::clone(&seen));
                // The other side may go away at any time.
                tokio::spawn(async move { misbehave(stream, fault, seen).await.ok() });
            }
        });
        Self { url, heads }
    }

    /// The heads of the requests that it read.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The idempotency keys that it saw.
    pub(crate) fn keys(&self) -> Vec<String> {
        let heads = self.heads();
        let lines = heads.iter().flat_map(|head| head.lines());
        lines.filter_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned).collect()
    }
}

async fn misbehave(
    mut stream: TcpStream,
    fault: Fault,
    seen: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    let Fault::Says(text, then) = fault else {
        // Unread input makes the close a reset.
        stream.readable().await?;
        return Ok(());
    };
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    stream.write_all(text.as_bytes()).await?;
    match then {
        Then::Closes => Ok(()),
        Then::Hangs => std::future::pending().await,
        Then::Drips => loop {
            stream.write_all(b" ").await?;
            sleep(Duration::from_millis(50)).await;
        },
    }
}

/// A whole answer.
fn answer(status: &str, headers: &str, body: &str) -> Fault {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
    Fault::Says(text, Then::Hangs)
}

fn faults() -> Vec<(&'static str, Fault)> {
    let says = |text: &str, then| Fault::Says(text.to_owned(), then);
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"meta\":{},\"errors\":[],";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"meta\":{\r\n";
    let html = "<html><body>Sign in to the guest network</body></html>";
    vec![
        ("refuses", Fault::Refuses),
        ("resets", Fault::Resets),
        ("closes after the request", says("", Then::Closes)),
        ("never answers", says("", Then::Hangs)),
        ("hangs in the head", says("HTTP/1.1 200 OK\r\ncontent-le", Then::Hangs)),
        ("closes in the head", says("HTTP/1.1 200 OK\r\ncontent-le", Then::Closes)),
        (
            "hangs after the head",
            says("HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n", Then::Hangs),
        ),
        ("sends half", says(half, Then::Closes)),
        ("sends half and hangs", says(half, Then::Hangs)),
        ("drips", says("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", Then::Drips)),
        ("sends a chunk and closes", says(chunk, Then::Closes)),
        ("sends a chunk and hangs", says(chunk, Then::Hangs)),
        ("speaks something else", says("SSH-2.0-OpenSSH_9.2\r\n", Then::Hangs)),
        ("502", answer("502 Bad Gateway", "", html)),
        ("503", answer("503 Service Unavailable", "retry-after: 60\r\n", html)),
        ("503 in JSON", answer("503 Service Unavailable", "", r#"{"message":"no upstream"}"#)),
        ("504", answer("504 Gateway Timeout", "", html)),
        ("301", answer("301 Moved Permanently", "location: http://127.0.0.1:1/\r\n", "")),
        ("307", answer("307 Temporary Redirect", "location: /login\r\n", html)),
        ("200 in HTML", answer("200 OK", "content-type: text/html\r\n", html)),
        ("200 in another JSON", answer("200 OK", "", r#"{"status":"ok"}"#)),
        ("200 without a result", answer("200 OK", "", r#"{"meta":{},"errors":[]}"#)),
        ("204", answer("204 No Content", "", "")),
        ("a foreign 400", answer("400 Bad Request", "", html)),
        ("a foreign 401", answer("401 Unauthorized", "www-authenticate: Basic\r\n", html)),
        ("a foreign 401 in JSON", answer("401 Unauthorized", "", r#"{"message":"Unauthorized"}"#)),
        ("a foreign 403", answer("403 Forbidden", "", r#"{"errors":[{"code":1020}]}"#)),
        ("a foreign 404", answer("404 Not Found", "", html)),
        ("a route that is not known", answer("404 Not Found", "", "404 page not found\n")),
        ("a foreign 407", answer("407 Proxy Authentication Required", "", html)),
        ("a foreign 408", answer("408 Request Timeout", "", html)),
        ("a foreign 429", answer("429 Too Many Requests", "retry-after: 60\r\n", html)),
    ]
}

fn client(urls: &[&str]) -> Client {
    builder().endpoints(urls.iter().copied()).default_timeout(TIMEOUT).build().unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    List,
    Write,
    Wait,
}

async fn call(kind: Kind, client: &Client) -> Result<(), ClientError> {
    match kind {
        Kind::Read => client.oidc().get("a").await.map(drop),
        Kind::List => client.oidc().list().send().await.map(drop),
        Kind::Write => client.oidc().patch("a").label("x").send().await.map(drop),
        Kind::Wait => client.write(WRITE.parse().unwrap()).wait(TIMEOUT).await.map(drop),
    }
}

async fn good(kind: Kind) -> Fake {
    let reply = match kind {
        Kind::Read => Reply::result(&json!({"client_id": "a"})),
        Kind::List => Reply::result(&json!([])),
        Kind::Write => Reply::written(200, true),
        Kind::Wait => Reply::result(&receipt(true)),
    };
    Fake::start([reply]).await
}

/// A call through an endpoint with a fault and a good one; the problem, if any.
async fn case(name: &str, fault: Fault, kind: Kind) -> Option<String> {
    let (faulty, fake) = (Faulty::start(fault).await, good(kind).await);
    let client = client(&[&faulty.url, &fake.url]);
    let began = Instant::now();
    let result = call(kind, &client).await;
    let took = began.elapsed();
    let seen = fake.seen();
    let mut keys = faulty.keys();
    keys.extend(seen.iter().filter_map(|seen| seen.header("idempotency-key").map(str::to_owned)));
    keys.sort_unstable();
    keys.dedup();
    let keys_expected = usize::from(matches!(kind, Kind::Write));
    let is_right =
        result.is_ok() && took < TIMEOUT && seen.len() == 1 && keys.len() == keys_expected;
    (!is_right).then(|| {
        format!(
            "{kind:?}, {name}: {result:?} after {took:?}, asked {} times, keys {keys:?}",
            seen.len()
        )
    })
}

#[tokio::test]
async fn any_fault_of_one_endpoint_is_survived_by_every_kind_of_call() {
    let kinds = [Kind::Read, Kind::List, Kind::Write, Kind::Wait];
    let cases = faults().into_iter().flat_map(|(name, fault)| {
        // A list that is left out is an empty one: this answer is a node's.
        let fits =
            move |kind: &Kind| !(matches!(kind, Kind::List) && name == "200 without a result");
        kinds.into_iter().filter(fits).map(move |kind| (name, fault.clone(), kind))
    });
    let wrong = join_all(cases.map(|(name, fault, kind)| case(name, fault, kind))).await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn several_silent_endpoints_are_survived() {
    let silent = || Fault::Says(String::new(), Then::Hangs);
    let (one, two) = (Faulty::start(silent()).await, Faulty::start(silent()).await);
    let fake = Fake::start([Reply::written(200, true)]).await;
    let client = client(&[&one.url, &two.url, &fake.url]);
    call(Kind::Write, &client).await.unwrap();
    let keys = [one.keys(), two.keys()].concat();
    assert_eq!(keys.len(), 2);
    let key = fake.seen()[0].header("idempotency-key").unwrap().to_owned();
    assert!(keys.iter().all(|one| *one == key), "{keys:?} {key}");
    // The silent endpoint is asked last now.
    call(Kind::Write, &client).await.unwrap();
    assert_eq!((one.keys().len() + two.keys().len(), fake.seen().len()), (2, 1));
}

/// As for a region that is cut off: every node waits for as long as the caller does, and then says
/// so.
#[tokio::test]
async fn who_waits_with_reason_is_asked_once_and_is_not_avoided() {
    let pending = || Reply::After(Duration::from_secs(2), Box::new(Reply::written(408, false)));
    let next = || Reply::result(&json!({"client_id": "a"}));
    let first = Fake::start([pending(), next()]).await;
    let second = Fake::start([pending(), next()]).await;
    let client = client(&[&first.url, &second.url]);
    let write = client.oidc().patch("a").label("x").timeout(Duration::from_secs(2));
    let error = write.consistency(RequiredConsistency::AllRegions).send().await.unwrap_err();
    assert!(matches!(error, ClientError::Pending(_)), "{error:?}");
    assert!(first.seen().len() <= 1 && second.seen().len() <= 1);
    client.oidc().get("a").await.unwrap();
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));
}

#[tokio::test]
async fn all_silent_is_unknown_soon_after_the_callers_time() {
    let silent = || Fault::Says(String::new(), Then::Hangs);
    let (one, two) = (Faulty::start(silent()).await, Faulty::start(silent()).await);
    let client = client(&[&one.url, &two.url]);
    let began = Instant::now();
    let write = client.oidc().delete("a").timeout(Duration::from_secs(1));
    let error = write.idempotency_key("my key").send().await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { attempts: 2, .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!([one.keys(), two.keys()], [["my key"], ["my key"]]);
}
