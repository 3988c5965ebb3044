//! The peer listener: accepts, checks the upgrade, and passes the bytes to a serving connection.
//!
//! Anyone who can reach it may connect, so everything that it reads before the upgrade is bounded
//! in bytes and in time.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::{
    book::Shared,
    bounds::{ACCEPT_PAUSE, HELLO_BYTES_MAX, HELLO_LIMIT, INBOUND_MAX},
    connection::{serve::Serving, session},
    handshake::{Hello, parse_request, render_granted},
    wire,
};

/// Accepts until the transport closes.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(INBOUND_MAX));
    let closed = shared.closed.clone();
    let serve = async {
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => match Arc::clone(&permits).try_acquire_owned() {
                    Ok(place) => {
                        drop(tokio::spawn(greet(Arc::clone(&shared), tcp, Arc::new(place))));
                    }
                    Err(_) => tracing::warn!("too many peer connections: one was refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a peer connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    closed.run_until_cancelled(serve).await;
}

/// Serves the one HTTP request of a connection.
async fn greet(shared: Arc<Shared>, tcp: TcpStream, place: Arc<OwnedSemaphorePermit>) {
    let Ok(wire) = wire::accepted(tcp) else { return };
    let closed = shared.closed.clone();
    let service = service_fn(move |request| {
        let response = answer(&shared, request, &place);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HELLO_LIMIT)
        .max_buf_size(HELLO_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    match closed.run_until_cancelled(timeout(HELLO_LIMIT, connection)).await {
        Some(Ok(Err(error))) => tracing::debug!(%error, "a peer's greeting failed"),
        Some(Err(_)) => tracing::debug!("a peer's greeting took too long"),
        Some(Ok(Ok(()))) | None => {}
    }
}

fn answer(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    place: &Arc<OwnedSemaphorePermit>,
) -> Response<Full<Bytes>> {
    let identity = shared.identity();
    match parse_request(&request, identity) {
        Ok(hello) => {
            let upgrade = upgrade::on(&mut request);
            let (shared, place) = (Arc::clone(shared), Arc::clone(place));
            drop(tokio::spawn(async move {
                match upgrade.await {
                    Ok(upgraded) => serve(&shared, hello, TokioIo::new(upgraded)).await,
                    Err(error) => tracing::debug!(%error, "a peer's upgrade failed"),
                }
                drop(place);
            }));
            render_granted(identity)
        }
        Err(refusal) => {
            tracing::debug!(reason = %refusal.text, "a peer was refused");
            let mut response = Response::new(Full::new(Bytes::from(refusal.text)));
            *response.status_mut() = refusal.status;
            response
        }
    }
}

async fn serve(shared: &Shared, hello: Hello, io: impl wire::Wire) {
    let Some(service) = shared.service() else { return };
    let closed = shared.closed.child_token();
    let (name, from) = match hello {
        Hello::Member { from: (_, node), channel, .. } => {
            shared.note_inbound(node, channel, closed.clone());
            (node.to_string(), Some(node))
        }
        Hello::Join { .. } => ("joining".to_owned(), None),
    };
    let serving = Serving::new(service, from);
    let (_connection, run) = session::start(name, io, Some(serving), closed);
    run.await;
}
