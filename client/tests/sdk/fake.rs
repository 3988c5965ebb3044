//! A node that answers by a script and records its requests.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use concordat_client::{Client, ClientBuilder, Position, Secret};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ORG: &str = "af5fbd30-7ce7-4548-8b30-4cd59cb2aba1";
pub(crate) const API_KEY: &str = "ck_organization_key";
pub(crate) const OPERATOR_KEY: &str = "ck_operator_key";
pub(crate) const WRITE: &str = "0193a1b2-0000-7000-8000-000000000001";

/// One answer of the script.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Reads the request, then closes the connection.
    HangUp,
    /// The same, after a while.
    After(Duration, Box<Self>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, Vec::new(), body.to_string())
    }

    pub(crate) fn result(result: &Value) -> Self {
        Self::json(200, &json!({"meta": {}, "errors": [], "result": result}))
    }

    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &json!({"meta": {}, "errors": [{"httpcode": status, "message": message}]}),
        )
    }

    /// A refusal that was decided in the log: it has a receipt.
    pub(crate) fn decided(status: u16, message: &str) -> Self {
        let errors = json!([{"httpcode": status, "message": message}]);
        Self::json(status, &json!({"meta": {"consistency": receipt(false)}, "errors": errors}))
    }

    /// The answer to a write.
    pub(crate) fn written(status: u16, achieved: bool) -> Self {
        let consistency = receipt(achieved);
        let body = json!({"meta": {"consistency": consistency}, "errors": []});
        Self::json(status, &body)
            .with("concordat-write-id", WRITE)
            .with("concordat-position", &position(7).to_string())
            .with("etag", &format!("\"{WRITE}\""))
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Answer(status, headers, body)
            }
            Self::HangUp => Self::HangUp,
            Self::After(time, reply) => Self::After(time, Box::new(reply.with(name, value))),
        }
    }
}

pub(crate) fn position(index: u64) -> Position {
    use concordat_proto::{id::GroupId, log::LogIndex};
    Position { epoch: 1, group: GroupId(1), index: LogIndex(index), term: None }
}

pub(crate) fn receipt(achieved: bool) -> Value {
    json!({
        "required": "all_regions", "achieved": achieved, "outcome": "committed",
        "write_id": WRITE, "position": position(7).to_string(), "elapsed_ms": 12,
        "regions": [
            {"region": "asia-japan", "state": if achieved { "applied" } else { "pending" }},
            {"region": "us-iowa", "state": "applied", "applied_ms": 1.2},
        ],
    })
}

/// A received request.
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The node.
pub(crate) struct Fake {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    script: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
}

impl Fake {
    /// Answers by the script; the last answer repeats for ever.
    pub(crate) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Mutex::new(script.into_iter().collect());
        let state = Arc::new(State { script, seen: Mutex::default() });
        tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { url, state }
    }

    /// Takes the requests received until now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        builder().endpoint(&self.url)
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }
}

/// A client with both identities.
pub(crate) fn builder() -> ClientBuilder {
    Client::builder()
        .org(ORG.parse().unwrap(), Secret::new(API_KEY.into()))
        .operator_key(Secret::new(OPERATOR_KEY.into()))
}

/// An address without a listener.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn accept(listener: TcpListener, state: Arc<State>) -> Result<Infallible, io::Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    state.seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let reply = {
        let mut script = state.script.lock().unwrap();
        let next = script.pop_front().expect("a script has an answer");
        if script.is_empty() {
            script.push_back(next.clone());
        }
        next
    };
    let mut reply = reply;
    while let Reply::After(time, then) = reply {
        tokio::time::sleep(time).await;
        reply = *then;
    }
    match reply {
        Reply::After(..) => unreachable!("it was waited for"),
        Reply::HangUp => Err(io::Error::other("hangs up")),
        Reply::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::new(body.into())).unwrap())
        }
    }
}
