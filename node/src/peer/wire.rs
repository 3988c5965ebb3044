//! TCP, and the one place for TLS between it and HTTP.
//!
//! Peers have no certificates yet. Therefore nothing here may listen at or connect to an address
//! that another machine can reach, unless the operator has allowed it ([`Reach`]).

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, lookup_host},
};

/// The byte stream below HTTP.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

/// The addresses at which peers may be, as long as they prove no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On this machine.
    Loopback,
    /// Any address: the operator confirms that the network between the peers contains nothing else.
    Anywhere,
}

impl Reach {
    fn holds(self, address: SocketAddr) -> bool {
        match self {
            Self::Loopback => address.ip().is_loopback(),
            Self::Anywhere => true,
        }
    }
}

/// Why a peer listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other machines.
    #[error(
        "peers may only listen at a loopback address, not {0}, unless insecure_peers accepts that \
         nodes do not prove who they are yet"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen for peers at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Whether the node may listen for peers at an address.
pub(crate) fn may_listen(address: SocketAddr, reach: Reach) -> Result<(), BindError> {
    if reach.holds(address) { Ok(()) } else { Err(BindError::NotLoopback(address)) }
}

/// Listens for peers.
pub(super) async fn listen(address: SocketAddr, reach: Reach) -> Result<TcpListener, BindError> {
    may_listen(address, reach)?;
    TcpListener::bind(address).await.map_err(|source| BindError::Listen { address, source })
}

/// Connects to a peer. A name is looked up each time: a node that was moved keeps its name, not its
/// address.
pub(super) async fn connect(address: &str, reach: Reach) -> Result<impl Wire + use<>, String> {
    let found: Vec<SocketAddr> = lookup_host(address)
        .await
        .map_err(|error| format!("no address can be found: {error}"))?
        .collect();
    if let Some(outside) = found.iter().find(|address| !reach.holds(**address)) {
        return Err(format!(
            "{outside} is no loopback address, and insecure_peers is not set: nodes do not prove \
             who they are yet"
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
            let refused = listen(outside.parse().unwrap(), Reach::Loopback).await;
            assert!(matches!(refused, Err(BindError::NotLoopback(_))), "{outside}");
        }
        let refused = connect("192.0.2.1:7000", Reach::Loopback).await.err().unwrap();
        assert!(refused.contains("no loopback address"), "{refused}");
        let refused = connect("0.0.0.0:7000", Reach::Loopback).await.err().unwrap();
        assert!(refused.contains("no loopback address"), "{refused}");
        assert!(listen("127.0.0.1:0".parse().unwrap(), Reach::Loopback).await.is_ok());
    }

    #[tokio::test]
    async fn others_are_used_when_that_is_accepted() {
        let listener = listen("0.0.0.0:0".parse().unwrap(), Reach::Anywhere).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // To this machine at its address of no interface in particular: no loopback address.
        assert!(connect(&format!("0.0.0.0:{port}"), Reach::Anywhere).await.is_ok());
    }

    #[tokio::test]
    async fn a_peer_may_be_called_by_name() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), Reach::Loopback).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect(&format!("localhost:{port}"), Reach::Loopback).await.is_ok());
        let refused = connect("nobody.invalid:7000", Reach::Loopback).await.err().unwrap();
        assert!(refused.contains("no address can be found"), "{refused}");
    }
}
