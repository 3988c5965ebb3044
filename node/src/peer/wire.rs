//! TCP, and the one place where TLS will be put between it and HTTP.
//!
//! Peers have no certificates yet. Therefore nothing here may listen at or connect to an address
//! that another machine can reach.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, lookup_host},
};

/// What HTTP is spoken over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

/// Why a peer listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other machines.
    #[error(
        "peers may only listen at a loopback address, not {0}: nodes do not prove who they are yet"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen for peers at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Listens for peers.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| BindError::Listen { address, source })
}

/// Connects to a peer.
pub(super) async fn connect(address: &str) -> Result<impl Wire + use<>, String> {
    let found: Vec<SocketAddr> = lookup_host(address)
        .await
        .map_err(|error| format!("no address can be found: {error}"))?
        .collect();
    if let Some(outside) = found.iter().find(|address| !address.ip().is_loopback()) {
        return Err(format!(
            "{outside} is no loopback address, and nodes do not prove who they are yet"
        ));
    }
    let tcp = TcpStream::connect(found.as_slice()).await.map_err(|error| error.to_string())?;
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(tcp)
}

/// Makes an accepted connection ready for HTTP.
pub(super) fn accepted(tcp: TcpStream) -> io::Result<impl Wire> {
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_addresses_are_used() {
        for outside in ["0.0.0.0:0", "192.0.2.1:7000", "[::]:0"] {
            let refused = listen(outside.parse().unwrap()).await;
            assert!(matches!(refused, Err(BindError::NotLoopback(_))), "{outside}");
        }
        let refused = connect("192.0.2.1:7000").await.err().unwrap();
        assert!(refused.contains("no loopback address"), "{refused}");
        let refused = connect("0.0.0.0:7000").await.err().unwrap();
        assert!(refused.contains("no loopback address"), "{refused}");
        assert!(listen("127.0.0.1:0".parse().unwrap()).await.is_ok());
    }
}
