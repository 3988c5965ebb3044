//! Connects to a peer: TCP, the upgrade, and the verification of the peer's identity.
//!
//! One attempt; the link decides when to retry.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1,
    upgrade::{self, Upgraded},
};
use hyper_util::rt::TokioIo;

use super::{
    bounds::{HELLO_BYTES_MAX, REFUSAL_BYTES_MAX},
    handshake::{Hello, check_granted, render_request},
    wire::{self, Reach},
};

/// Connects and upgrades; the error is a reason for people.
pub(super) async fn dial(
    address: &str,
    hello: Hello,
    reach: Reach,
) -> Result<TokioIo<Upgraded>, String> {
    let wire = wire::connect(address, reach).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HELLO_BYTES_MAX)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(wire))
        .await
        .map_err(|error| error.to_string())?;
    // Ends with the upgrade or with the sender; its error is the request's too.
    let driver = tokio::spawn(async move { drop(connection.with_upgrades().await) });
    let request = render_request(address, hello).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if let Err(reason) = check_granted(&response, hello) {
        let said = refusal(response).await;
        driver.abort();
        return Err(if said.is_empty() { reason } else { format!("{reason}: {said}") });
    }
    let upgraded = upgrade::on(response).await.map_err(|error| error.to_string())?;
    Ok(TokioIo::new(upgraded))
}

/// The text of a refusal, if it is readable.
async fn refusal(response: Response<Incoming>) -> String {
    if response.status().is_informational() {
        return String::new();
    }
    let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
    body.map_or_else(
        |_| String::new(),
        |body| String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    )
}
