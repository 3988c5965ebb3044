//! Bytes to a node and back: the only file that knows hyper. Plain HTTP for now.
//!
//! It neither retries nor judges; it tells apart what was certainly not sent from what may have
//! been.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::error::TransportError;

/// Bytes of an answer that are taken in.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Idle connections kept to one node.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// How long an idle connection is kept: below what servers allow.
const IDLE_MAX: Duration = Duration::from_secs(20);

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
    ) -> Result<Incoming, TransportError> {
        let endpoint = outgoing.base.to_owned();
        match tokio::time::timeout(limit, self.exchange(outgoing, &endpoint)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::TimedOut { endpoint, limit }),
        }
    }

    async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        endpoint: &str,
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
        let (parts, body) = response.into_parts();
        let lost = |source| TransportError::Lost { endpoint: endpoint.to_owned(), source };
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(lost)?.to_bytes();
        Ok(Incoming { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}
