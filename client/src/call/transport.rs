//! Sends bytes to a node and receives the answer: the only file that names hyper. Plain HTTP for
//! now.
//!
//! It neither retries nor decides; it distinguishes requests that were certainly not sent from
//! those that may have been.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;

use crate::error::TransportError;

/// Bytes of an answer that are taken in.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Idle connections kept to one node.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// How long an idle connection is kept: less than servers allow.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Bytes of a body that count as a sign of life: a server that lets single bytes drip is silent.
const SIGN_OF_LIFE_BYTES: usize = 64 * 1024;

/// A request to one node.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    /// `http://host:port`.
    pub(crate) base: &'a str,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A complete answer.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// When an attempt began, or last showed activity: the head of its answer, or a piece of the body.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Instant>);

impl Progress {
    pub(crate) fn begin() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Transport {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self { client }
    }

    /// Sends once and reads the whole answer within `limit`.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing<'_>,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Incoming, TransportError> {
        let endpoint = outgoing.base.to_owned();
        match tokio::time::timeout(limit, self.exchange(outgoing, &endpoint, progress)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::TimedOut { endpoint, limit }),
        }
    }

    async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        endpoint: &str,
        progress: &Progress,
    ) -> Result<Incoming, TransportError> {
        let unsent = |source: http::Error| TransportError::Connect {
            endpoint: endpoint.to_owned(),
            source: source.into(),
        };
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(format!("{}{}", outgoing.base, outgoing.target))
            .body(Full::new(outgoing.body))
            .map_err(unsent)?;
        *request.headers_mut() = outgoing.headers;
        let response = self.client.request(request).await.map_err(|error| {
            let endpoint = endpoint.to_owned();
            if error.is_connect() {
                TransportError::Connect { endpoint, source: error.into() }
            } else {
                TransportError::Lost { endpoint, source: error.into() }
            }
        })?;
        progress.mark();
        let (parts, body) = response.into_parts();
        let lost = |source| TransportError::Lost { endpoint: endpoint.to_owned(), source };
        let mut body = Limited::new(body, ANSWER_BYTES_MAX);
        let (mut bytes, mut signs) = (BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(lost)?.into_data() {
                bytes.extend_from_slice(&data);
            }
            if bytes.len() / SIGN_OF_LIFE_BYTES > signs {
                signs = bytes.len() / SIGN_OF_LIFE_BYTES;
                progress.mark();
            }
        }
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        Ok(Incoming { status, headers, body: bytes.freeze() })
    }
}
