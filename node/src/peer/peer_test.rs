//! The sockets between nodes: the transport contract, and cases that need raw bytes on a port.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use concordat_cluster::raft::{
    transport::{Channel, Peer, PeerService, TransportError},
    transport_contract::{
        ALPHA, BETA, CLUSTER, Endpoint, Fixture, PATIENCE, Pair, Subject, certainly_not_sent, soon,
    },
};
use concordat_proto::{id::NodeId, region::Region};
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{
    BindError, Reach, SocketTransport,
    connection::frame::{Frame, Kind},
};

mod contract {
    //! The suite that the in-process network passes too.

    concordat_cluster::transport_contract!(super::Loopback);
}

/// All nodes on this machine.
struct Loopback;

impl Fixture for Loopback {
    fn start<'a>(
        &'a self,
        address: Option<&'a str>,
        service: Arc<dyn PeerService>,
    ) -> BoxFuture<'a, Endpoint> {
        let listen: SocketAddr = address.unwrap_or("127.0.0.1:0").parse().unwrap();
        Box::pin(async move {
            let transport = soon("free port", bind(listen)).await;
            transport.serve(service);
            let stopped = Arc::clone(&transport);
            Endpoint {
                address: transport.address().to_string(),
                region: Region::new("here").unwrap(),
                transport,
                stop: Box::new(move || stopped.close()),
            }
        })
    }
}

/// A closed transport frees its port when its tasks have run.
async fn bind(listen: SocketAddr) -> Arc<SocketTransport> {
    loop {
        match SocketTransport::bind(listen, Reach::Loopback).await {
            Ok(transport) => return transport,
            Err(error) if listen.port() == 0 => panic!("{error}"),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn upgrade(address: &str, headers: &str) -> (TcpStream, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /peer/v1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: concordat-peer/1\r\n{headers}\r\n"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon("answer", tcp.read_u8()).await.unwrap());
    }
    (tcp, String::from_utf8(answer).unwrap())
}

async fn upgraded(pair: &Pair) -> TcpStream {
    let headers = format!(
        "concordat-cluster: {CLUSTER}\r\nconcordat-node: {ALPHA}\r\nconcordat-to: {BETA}\r\n\
         concordat-channel: bulk\r\n"
    );
    let (tcp, answer) = upgrade(&pair.beta.address, &headers).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.contains(&format!("concordat-node: {BETA}")), "{answer}");
    tcp
}

/// Whether the other end closes without sending much more.
async fn closes(mut tcp: TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is equivalent to an end.
    drop(soon("end", tcp.read_to_end(&mut rest)).await);
    rest.len() < 1024
}

fn encoded(frame: &Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame.encode_head(&mut bytes);
    bytes.extend_from_slice(&frame.payload);
    bytes
}

async fn echo_passes(pair: &Pair) {
    let asked = pair.alpha.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE);
    assert_eq!(asked.await, Ok(Bytes::from("echo")));
}

#[tokio::test]
async fn listens_and_connects_on_loopback_only() {
    let refused = SocketTransport::bind("0.0.0.0:0".parse().unwrap(), Reach::Loopback).await;
    assert!(matches!(refused, Err(BindError::NotLoopback(_))));
    let pair = Pair::start(&Loopback).await;
    let outside = Peer {
        id: NodeId(5),
        region: Region::new("far").unwrap(),
        address: "192.0.2.1:7000".to_owned(),
    };
    pair.alpha.transport.set_peers(vec![outside]);
    let asked = pair.alpha.transport.request(NodeId(5), Channel::Bulk, Bytes::new(), PATIENCE);
    let error = asked.await.unwrap_err().to_string();
    assert!(error.contains("no loopback address"), "{error}");
    let joined = pair.alpha.transport.request_join("192.0.2.1:1".into(), Bytes::new(), PATIENCE);
    assert!(certainly_not_sent(&joined.await));
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
    let pair = Pair::start(&Loopback).await;
    echo_passes(&pair).await;
    let garbage: [&[u8]; 4] =
        [&[0; 70_000], b"\x16\x03\x01\x02\x00\x01", &[0xff; 5000], b"GET / HTTP/1.1\r\n\r\n"];
    for bytes in garbage {
        let mut tcp = TcpStream::connect(&pair.beta.address).await.unwrap();
        // It may close before it has read everything.
        drop(tcp.write_all(bytes).await);
        drop(tcp.shutdown().await);
        assert!(closes(tcp).await);
        echo_passes(&pair).await;
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let pair = Pair::start(&Loopback).await;
    let other = NodeId(7);
    let hello = |cluster: &str, to: NodeId| {
        format!(
            "concordat-cluster: {cluster}\r\nconcordat-node: {ALPHA}\r\nconcordat-to: {to}\r\n\
             concordat-channel: append\r\n"
        )
    };
    let foreign = "00000000-0000-0000-0000-000000000001";
    let cases = [
        (hello(&CLUSTER.to_string(), other), "409"),
        (hello(foreign, BETA), "403"),
        (String::new(), "400"),
    ];
    for (headers, status) in cases {
        let (tcp, answer) = upgrade(&pair.beta.address, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(closes(tcp).await);
    }
    pair.alpha.transport.set_peers(vec![Peer {
        id: other,
        region: pair.beta.region.clone(),
        address: pair.beta.address.clone(),
    }]);
    let asked = pair.alpha.transport.request(other, Channel::Control, Bytes::new(), PATIENCE);
    let error = asked.await.unwrap_err().to_string();
    assert!(error.contains(&format!("belongs to node {BETA}")), "{error}");
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_their_connection_only() {
    let pair = Pair::start(&Loopback).await;
    echo_passes(&pair).await;
    let good = encoded(&Frame::new(Kind::Request, 1, Bytes::from_static(b"echo")));
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    let mut oversized = good.clone();
    oversized[0] = 0x7f;
    let wrong: [&[u8]; 6] = [
        &flipped,
        &oversized,
        &[0; 64],
        &encoded(&Frame::bare(Kind::Response, 1)),
        &encoded(&Frame::bare(Kind::Data, 9)),
        &encoded(&Frame::credit(9, 1)),
    ];
    for bytes in wrong {
        let mut tcp = upgraded(&pair).await;
        tcp.write_all(&good).await.unwrap();
        let mut answer = vec![0; good.len()];
        soon("answer", tcp.read_exact(&mut answer)).await.unwrap();
        let expected = Frame::new(Kind::Response, 1, Bytes::from_static(b"echo"));
        assert_eq!(answer, encoded(&expected));
        tcp.write_all(bytes).await.unwrap();
        assert!(closes(tcp).await);
        echo_passes(&pair).await;
    }
}

#[tokio::test]
async fn peer_that_sends_beyond_its_credit_is_cut_off() {
    let mut pair = Pair::start(&Loopback).await;
    let mut tcp = upgraded(&pair).await;
    tcp.write_all(&encoded(&Frame::new(Kind::Open, 1, "hand over".into()))).await.unwrap();
    let (_, mut far) = soon("stream", pair.arrivals.streams.recv()).await.unwrap();
    let data = encoded(&Frame::new(Kind::Data, 1, Bytes::from(vec![7; 1 << 20])));
    let flood = async { while tcp.write_all(&data).await.is_ok() {} };
    soon("end", flood).await;
    let read = async {
        loop {
            match far.rx.recv().await {
                Some(Ok(frame)) => assert_eq!(frame.len(), 1 << 20),
                last => return last,
            }
        }
    };
    assert_eq!(soon("break", read).await, Some(Err(TransportError::Lost)));
}

/// A joining node may ask once; it can neither open streams nor send notices.
#[tokio::test]
async fn connection_without_a_name_carries_requests_only() {
    let mut pair = Pair::start(&Loopback).await;
    for kind in [Kind::Open, Kind::Notice] {
        let (mut tcp, answer) = upgrade(&pair.beta.address, "concordat-join: 1\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        tcp.write_all(&encoded(&Frame::new(kind, 1, "hand over".into()))).await.unwrap();
        assert!(closes(tcp).await);
    }
    assert!(pair.arrivals.notices.try_recv().is_err() && pair.arrivals.streams.try_recv().is_err());
}

/// A peer whose machine vanished sends neither bytes nor an end: it is pinged, and then dead.
#[tokio::test]
async fn silent_peer_is_dead_after_three_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(tcp.read_u8().await.unwrap());
        }
        let granted = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
             upgrade: concordat-peer/1\r\nconcordat-cluster: {CLUSTER}\r\n\
             concordat-node: {BETA}\r\n\r\n"
        );
        tcp.write_all(granted.as_bytes()).await.unwrap();
        let mut received = BytesMut::new();
        while tcp.read_buf(&mut received).await.unwrap() > 0 {}
        let mut kinds = Vec::new();
        while let Some(frame) = Frame::decode(&mut received).unwrap() {
            kinds.push(frame.kind);
        }
        kinds
    });
    let alpha = Loopback.start(None, Arc::new(Subject::new().0)).await;
    alpha.transport.set_identity(CLUSTER, ALPHA);
    alpha.transport.set_peers(vec![Peer { id: BETA, region: alpha.region.clone(), address }]);
    let begun = Instant::now();
    let asked = alpha.transport.request(BETA, Channel::Control, "echo".into(), PATIENCE).await;
    assert_eq!(asked, Err(TransportError::Lost));
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(2900) && took < Duration::from_secs(5), "{took:?}");
    let kinds = soon("end", silent).await.unwrap();
    assert_eq!(kinds, [Kind::Request, Kind::Ping, Kind::Ping]);
}

/// An idle connection between living nodes stays.
#[tokio::test]
async fn idle_connection_stays() {
    let pair = Pair::start(&Loopback).await;
    let opened = pair.alpha.transport.open(BETA, Channel::Append, "echo".into());
    let mut stream = opened.await.unwrap();
    sleep(Duration::from_millis(4500)).await;
    stream.tx.send("frame".into()).await.unwrap();
    assert_eq!(soon("frame", stream.rx.recv()).await, Some(Ok(Bytes::from("frame"))));
}

#[tokio::test]
async fn dropped_transport_leaves_its_port() {
    let transport =
        SocketTransport::bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).await.unwrap();
    transport.serve(Arc::new(Subject::new().0));
    let address = transport.address();
    drop(transport);
    let again = soon("free port", bind(address)).await;
    assert_eq!(again.address(), address);
}
