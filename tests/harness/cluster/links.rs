//! The links between nodes, under the test's control: a proxy before each node's peer port, which
//! blocks or delays the bytes from one node to another, each direction separately.
//!
//! A cut loses no byte and closes no connection, as in a network: sent bytes wait, their sender may
//! abandon them, and waiting bytes arrive late when the link heals, also when their sender has hung
//! up or died. No connection can be made over a link that is cut in either direction. The node at
//! each end is read from the handshake; a new node without an id yet passes. Nothing here inspects
//! anything else of the nodes' messages.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// The header with a node's name, in requests and answers.
const NAME: &str = "concordat-node";
/// Bytes of a handshake.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// For a handshake to arrive from a process that may be paused.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks under way in one direction of a connection; its sender feels it beyond that.
const CHUNKS_MAX: usize = 64;

/// One direction between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// Nothing gets through.
    pub is_cut: bool,
    /// The delay of passing bytes.
    pub delay: Duration,
}

impl Way {
    /// Nothing gets through.
    pub const CUT: Self = Self { is_cut: true, delay: Duration::ZERO };

    /// Bytes are delayed by this much.
    #[must_use]
    pub const fn slow(delay: Duration) -> Self {
        Self { is_cut: false, delay }
    }
}

type Ways = BTreeMap<(usize, usize), Way>;

#[derive(Debug)]
struct Shared {
    /// From node to node; those that are not here are whole.
    ways: watch::Sender<Ways>,
    /// Which node has which name.
    names: Mutex<BTreeMap<String, usize>>,
    /// Connections that were made, by their ends.
    made: Mutex<BTreeMap<(usize, usize), u64>>,
    /// Bytes that were passed on.
    passed: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All links of a cluster. Dropping it breaks them.
#[derive(Debug)]
pub struct Links {
    shared: Arc<Shared>,
    _proxies: JoinSet<()>,
}

impl Links {
    /// Puts a proxy before each of the addresses; also returns the proxies' own.
    ///
    /// # Panics
    /// When there is no port to listen at.
    pub async fn start(targets: &[String]) -> (Self, Vec<String>) {
        let shared = Arc::new(Shared {
            ways: watch::Sender::default(),
            names: Mutex::default(),
            made: Mutex::default(),
            passed: AtomicU64::new(0),
        });
        let (mut proxies, mut addresses) = (JoinSet::new(), Vec::new());
        for (node, target) in targets.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            addresses.push(listener.local_addr().expect("an address").to_string());
            proxies.spawn(accept(Arc::clone(&shared), listener, node, target.clone()));
        }
        (Self { shared, _proxies: proxies }, addresses)
    }

    /// Changes all ways from any of the first to any of the second.
    pub fn set(&self, from: &[usize], to: &[usize], way: Way) {
        self.shared.ways.send_modify(|ways| {
            for from in from {
                for to in to.iter().filter(|to| *to != from) {
                    ways.insert((*from, *to), way);
                }
            }
        });
    }

    /// Makes all links whole.
    pub fn heal(&self) {
        self.shared.ways.send_modify(BTreeMap::clear);
    }

    /// Connections that were made so far from one of these nodes to the other; zero means that they
    /// have never talked, or past us.
    #[must_use]
    pub fn made(&self, from: usize, to: usize) -> u64 {
        lock(&self.shared.made).get(&(from, to)).copied().unwrap_or(0)
    }

    /// Bytes that were passed on so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }
}

/// One direction of one connection, and its ends, as far as they are known.
#[derive(Clone)]
struct Direction {
    shared: Arc<Shared>,
    from: End,
    to: End,
}

#[derive(Clone)]
enum End {
    Place(usize),
    Name(Option<String>),
}

impl Direction {
    fn ends(&self) -> Option<(usize, usize)> {
        let place = |end: &End| match end {
            End::Place(place) => Some(*place),
            End::Name(name) => lock(&self.shared.names).get(name.as_deref()?).copied(),
        };
        Some((place(&self.from)?, place(&self.to)?))
    }

    fn way(&self) -> Way {
        let ends = self.ends();
        ends.and_then(|ends| self.shared.ways.borrow().get(&ends).copied()).unwrap_or_default()
    }

    fn back(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), from: self.to.clone(), to: self.from.clone() }
    }

    /// Waits until something gets through.
    async fn open(&self) {
        let mut ways = self.shared.ways.subscribe();
        while self.way().is_cut {
            if ways.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, node: usize, target: String) {
    let mut connections = JoinSet::new();
    loop {
        // An error is of the connection that came, or passes.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, target) = (Arc::clone(&shared), target.clone());
        connections.spawn(async move {
            // How it ended, both ends know by themselves.
            let _ = connect(shared, stream, node, &target).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(
    shared: Arc<Shared>,
    mut near: TcpStream,
    node: usize,
    target: &str,
) -> io::Result<()> {
    near.set_nodelay(true)?;
    let head = timeout(HEAD_LIMIT, read_head(&mut near)).await??;
    let from = End::Name(name(&head));
    let there = Direction { shared: Arc::clone(&shared), from, to: End::Place(node) };
    let back = there.back();
    let mut end = [0; 1];
    tokio::select! {
        () = async { there.open().await; back.open().await } => {}
        // It has given up: a node sends no more before it is answered.
        _ = near.peek(&mut end) => return Ok(()),
    }
    let mut far = TcpStream::connect(target).await?;
    far.set_nodelay(true)?;
    far.write_all(&head).await?;
    let answer = timeout(HEAD_LIMIT, read_head(&mut far)).await??;
    if let Some(own) = name(&answer) {
        lock(&shared.names).insert(own, node);
    }
    if let Some(ends) = there.ends() {
        *lock(&shared.made).entry(ends).or_default() += 1;
    }
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    tokio::join!(
        pass_on(there, near_reads, far_writes, Vec::new()),
        pass_on(back, far_reads, near_writes, answer),
    );
    Ok(())
}

/// Reads up to the end of a handshake; what came behind it is in it too.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

/// The name that a handshake gives.
fn name(head: &[u8]) -> Option<String> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (key, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        key.eq_ignore_ascii_case(NAME).then(|| value.trim().to_owned())
    })
}

/// Passes bytes on, each chunk when it is its time and the way is open, until the sender has ended
/// and all that it sent has arrived, or the receiver is gone.
async fn pass_on(
    direction: Direction,
    mut reads: OwnedReadHalf,
    mut writes: OwnedWriteHalf,
    first: Vec<u8>,
) {
    let (chunks, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let reading = async {
        let mut chunk = first;
        loop {
            let due = Instant::now() + direction.way().delay;
            if !chunk.is_empty() && chunks.send((due, chunk)).await.is_err() {
                break;
            }
            chunk = Vec::with_capacity(CHUNK_BYTES);
            // A connection that broke has ended.
            if reads.read_buf(&mut chunk).await.unwrap_or(0) == 0 {
                break;
            }
        }
        drop(chunks);
    };
    let writing = async {
        while let Some((due, chunk)) = arriving.recv().await {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            direction.open().await;
            if writes.write_all(&chunk).await.is_err() {
                break;
            }
            direction.shared.passed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        // The sender learns of a receiver that is gone by its next chunk, which is not read.
        arriving.close();
        direction.open().await;
        // It may be gone.
        let _ = writes.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    /// A node that grants every handshake under its name and then echoes.
    async fn echo(own: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    read_head(&mut stream).await.unwrap();
                    let answer = format!("HTTP/1.1 101\r\n{NAME}: {own}\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    let (mut reads, mut writes) = stream.split();
                    tokio::io::copy(&mut reads, &mut writes).await
                });
            }
        });
        address
    }

    async fn dial(address: &str, own: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nConcordat-Node: {own}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn said(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).await.unwrap();
    }

    async fn heard(stream: &mut TcpStream, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        timeout(HEAD_LIMIT, stream.read_exact(&mut bytes)).await.expect("in time").unwrap();
        assert_eq!(bytes, expected);
    }

    /// Links of two such nodes, each of which has been called once.
    async fn two() -> (Links, Vec<String>) {
        let (links, addresses) = Links::start(&[echo("a").await, echo("b").await]).await;
        for (node, own) in ["b", "a"].into_iter().enumerate() {
            let mut stream = dial(&addresses[node], own).await;
            read_head(&mut stream).await.unwrap();
        }
        (links, addresses)
    }

    #[tokio::test]
    async fn a_cut_holds_up_one_way_and_loses_nothing() {
        let (links, addresses) = two().await;
        let mut stream = dial(&addresses[1], "a").await;
        read_head(&mut stream).await.unwrap();
        assert!(links.made(0, 1) >= 1);
        said(&mut stream, b"one").await;
        heard(&mut stream, b"one").await;
        // There, but not back: it arrives, and its echo waits.
        links.set(&[1], &[0], Way::CUT);
        let before = links.passed();
        said(&mut stream, b"two").await;
        eventually("it arrives", async || match links.passed() - before {
            3 => Ok(()),
            more => Err(format!("{more} bytes")),
        })
        .await;
        links.set(&[0], &[1], Way::CUT);
        said(&mut stream, b"three").await;
        links.set(&[1], &[0], Way::default());
        heard(&mut stream, b"two").await;
        assert_eq!(links.passed() - before, 6, "the other way is cut still");
        links.heal();
        heard(&mut stream, b"three").await;
    }

    #[tokio::test]
    async fn what_waits_arrives_although_its_sender_is_gone() {
        let (links, addresses) = two().await;
        let mut stream = dial(&addresses[1], "a").await;
        read_head(&mut stream).await.unwrap();
        links.set(&[0], &[1], Way::CUT);
        let before = links.passed();
        said(&mut stream, b"last words").await;
        drop(stream);
        links.heal();
        eventually("they arrive", async || match links.passed() - before {
            0 => Err("nothing".to_owned()),
            _ => Ok(()),
        })
        .await;
    }

    #[tokio::test]
    async fn no_connection_is_made_over_a_cut() {
        let (links, addresses) = two().await;
        let made = links.made(0, 1);
        links.set(&[1], &[0], Way::CUT);
        let mut stream = dial(&addresses[1], "a").await;
        let mut from_elsewhere = dial(&addresses[1], "c").await;
        read_head(&mut from_elsewhere).await.unwrap();
        assert_eq!(links.made(0, 1), made);
        links.heal();
        read_head(&mut stream).await.unwrap();
        assert_eq!(links.made(0, 1), made + 1);
    }

    #[tokio::test]
    async fn a_slow_way_takes_its_time() {
        let (links, addresses) = two().await;
        let mut stream = dial(&addresses[1], "a").await;
        read_head(&mut stream).await.unwrap();
        let delay = Duration::from_millis(40);
        links.set(&[0], &[1], Way::slow(delay));
        let asked = Instant::now();
        said(&mut stream, b"x").await;
        heard(&mut stream, b"x").await;
        assert!(asked.elapsed() >= delay, "it was there after {:?}", asked.elapsed());
    }
}
