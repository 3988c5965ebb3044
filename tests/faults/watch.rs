//! Readers that ask some nodes for one credential repeatedly, for tests in which those nodes may
//! have fallen behind: an answer that claims to be fresh must have the value at the time of the
//! request.
//!
//! They do not know that value. The test sets it, and only raises it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_tests::{connection::Connection, wait::within};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::fleet::{Fleet, LIMIT};

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between one question to a node and the next.
const ASK_EVERY: Duration = Duration::from_millis(15);

/// The readers' answers.
#[derive(Debug, Clone, Default)]
struct Told {
    unmarked: u64,
    marked: u64,
    /// The newest label that each node has answered unmarked.
    newest: BTreeMap<usize, u64>,
    wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    least: AtomicU64,
    told: Mutex<Told>,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, node: usize, least: u64, is_unmarked: bool, label: u64) {
        let mut told = self.told();
        if !is_unmarked {
            told.marked += 1;
            return;
        }
        told.unmarked += 1;
        told.newest.insert(node, label);
        if label < least {
            told.wrong
                .push(format!("node {node} answered {label} unmarked, and {least} was there"));
        }
    }
}

/// Readers at work.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    _readers: JoinSet<()>,
}

impl Watch {
    /// Sets them off; no label is expected yet.
    pub(crate) fn start(
        fleet: &Fleet,
        nodes: impl Iterator<Item = usize>,
        credential: &str,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let mut readers = JoinSet::new();
        for node in nodes {
            let url = fleet.cluster.url(node).to_owned();
            let bytes = fleet.on_credential("GET", credential, &[], None);
            readers.spawn(read_on(Arc::clone(&shared), node, url, bytes));
        }
        Self { shared, _readers: readers }
    }

    /// From now on an answer that claims to be fresh has this label or a higher one.
    pub(crate) fn expect(&self, label: u64) {
        self.shared.least.fetch_max(label, Ordering::SeqCst);
    }

    /// Waits until each of these nodes has answered unmarked with a label or a higher one.
    pub(crate) async fn sees(&self, nodes: impl Iterator<Item = usize> + Clone, label: u64) {
        within("the nodes watched are current", LIMIT, async || {
            let told = self.shared.told().clone();
            assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
            let has = |node: &usize| told.newest.get(node).is_some_and(|newest| *newest >= label);
            if nodes.clone().all(|node| has(&node)) { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }

    /// Stops them, and judges; returns a summary of their answers.
    pub(crate) fn end(self) -> String {
        let Told { unmarked, marked, wrong, .. } = self.shared.told().clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
        format!("{unmarked} unmarked reads and {marked} marked ones at the nodes watched")
    }
}

async fn read_on(shared: Arc<Shared>, node: usize, url: String, bytes: Vec<u8>) {
    let mut kept = None;
    loop {
        let least = shared.least.load(Ordering::SeqCst);
        let exchange = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(&url).await.ok()?,
            };
            let answer = connection.exchange(&bytes).await.ok()?;
            let is_unmarked = answer.header("concordat-read") == Some("current");
            let body: Value = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
            // A missing credential or label was never written as far as this node knows.
            let label = body["result"]["label"].as_str().and_then(|label| label.parse().ok());
            let label = matches!(answer.status, 200 | 404).then(|| label.unwrap_or(0));
            Some((connection, is_unmarked, label))
        };
        if let Ok(Some((connection, is_unmarked, label))) = timeout(PATIENCE, exchange).await {
            kept = Some(connection);
            if let Some(label) = label {
                shared.judge(node, least, is_unmarked, label);
            }
        }
        sleep(ASK_EVERY).await;
    }
}
