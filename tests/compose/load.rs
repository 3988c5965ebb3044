//! Clients that write and read through the SDK, and never expect a call to fail: the SDK's own
//! retries are included.
//!
//! Each owns one credential and sets its label to 1, 2, 3 …; so every reader must read the last
//! acknowledged number in the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_client::{Client, Provider, RequiredConsistency, Secret};
use concordat_tests::{
    demo::{Org, REGIONS},
    wait::within,
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::engine::{Engine, LIMIT};

/// The actions of one client.
#[derive(Debug)]
pub(crate) struct Book {
    /// Its credential.
    pub(crate) client_id: String,
    /// The last number acknowledged.
    pub(crate) last: u64,
    /// The longest time that one of its calls took.
    pub(crate) slowest: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    writes: AtomicU64,
}

/// Clients at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Result<Book, String>>,
}

/// A client that prefers the nodes of a region, one of them most of all.
fn client(engine: &Engine, org: &Org, number: usize) -> Client {
    let mut builder = Client::builder();
    for turn in 0..REGIONS.len() {
        let region = (number + turn) % REGIONS.len();
        let urls = (0..3).map(|node| engine.url(3 * region + (node + number / 3) % 3));
        builder = builder.region(REGIONS[region], urls);
    }
    let id = org.id.parse().expect("an organization's id");
    builder.org(id, Secret::new(org.api_key.clone())).build().expect("a client")
}

async fn work(client: Client, number: usize, shared: Arc<Shared>) -> Result<Book, String> {
    let client_id = format!("client-{number}");
    let mut book = Book { client_id, last: 0, slowest: Duration::ZERO };
    let secret = Secret::new("a secret".to_owned());
    let created = client.oidc().create(&book.client_id, secret, Provider::Google).send().await;
    created.map_err(|error| format!("{} cannot be created: {error}", book.client_id))?;
    while !shared.stop.load(Ordering::Relaxed) {
        let next = book.last + 1;
        let level = match next % 3 {
            0 => RequiredConsistency::AllRegions,
            _ => RequiredConsistency::LocalRegion,
        };
        let begun = Instant::now();
        let write = client.oidc().patch(&book.client_id).label(next.to_string());
        let failed = |error| format!("{}, write {next}, {level:?}: {error:?}", book.client_id);
        write.consistency(level).send().await.map_err(failed)?;
        let read = client.oidc().get(&book.client_id).await;
        let read = read.map_err(|error| format!("{}, {next}: {error:?}", book.client_id))?;
        if read.value.label != Some(next.to_string()) {
            return Err(format!("{}: read {read:?} after write {next}", book.client_id));
        }
        book.last = next;
        book.slowest = book.slowest.max(begun.elapsed());
        shared.writes.fetch_add(1, Ordering::Relaxed);
    }
    Ok(book)
}

impl Load {
    /// Starts this many clients.
    pub(crate) fn start(engine: &Engine, org: &Org, clients: usize) -> Self {
        let (shared, mut at_work) = (Arc::new(Shared::default()), JoinSet::new());
        for number in 0..clients {
            at_work.spawn(work(client(engine, org, number), number, Arc::clone(&shared)));
        }
        Self { shared, clients: at_work }
    }

    /// Waits until this many more writes were acknowledged.
    pub(crate) async fn more(&mut self, writes: u64) {
        let count = || self.shared.writes.load(Ordering::Relaxed);
        let enough = count() + writes;
        within("clients write", LIMIT, async || {
            if let Some(ended) = self.clients.try_join_next() {
                panic!("a client has ended: {ended:?}");
            }
            let now = count();
            if now >= enough { Ok(()) } else { Err(format!("{now} of {enough} writes")) }
        })
        .await;
    }

    /// Ends the clients; their books, or what failed.
    pub(crate) async fn stop(mut self) -> Result<Vec<Book>, String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut books = Vec::new();
        let all = async {
            while let Some(ended) = self.clients.join_next().await {
                books.push(ended.expect("a client panicked")?);
            }
            Ok::<(), String>(())
        };
        timeout(LIMIT, all).await.expect("the clients end")?;
        Ok(books)
    }
}
