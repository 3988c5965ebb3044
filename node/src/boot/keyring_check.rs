//! Whether this node's keyring is the cluster's. A node with another one would accept writes that
//! no other node can ever decrypt, and answer them with success.
//!
//! Nothing is stored for this check. The cluster's state has records that only the right keyring
//! fits: the wrapped data keys of its organizations (the check opens one per wrapping key); and
//! while there is no organization, the id of the first operator key, which is derived from the
//! keyring that the cluster was created with ([`Keyring::mark`]). A cluster that an earlier build
//! created has a random id there: without an organization nothing can be checked.
//!
//! # The life of a check
//! 1. At the start, before the API is open: against the state on the disk.
//! 2. Until it has passed the node accepts no write and is not ready. A new node learns of the
//!    cluster only by joining it, so it may be a member for the moment until it has read the mark.
//! 3. It is repeated while the state grows, until the node has been current with the system group:
//!    a keyring may lack one of several keys.
//!
//! It must never stop a node that has the right keyring: one record that does not open, of many
//! under the same wrapping key that do, is not the keyring's fault.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use concordat_cluster::{
    machine::query,
    store::{Reader, StoreError},
};
use concordat_proto::{
    id::{ClusterId, GroupId, OrgId},
    log::LogIndex,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{boot::failure::Failure, keyring::Keyring, node::Node, seal::Sealer};

/// Claims read at a time.
const PAGE_CLAIMS: usize = 256;
/// Data keys under one wrapping key that are tried before it is taken for another one of the same id.
const TRIES_MAX: usize = 16;
/// Between two looks at a state that grows: from this to that.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Why a keyring is not the cluster's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// None of its keys is the one that the cluster was begun with.
    Cluster(ClusterId),
    /// A key that it lacks wraps data keys.
    Lacks {
        /// The key's id.
        key: u32,
        /// An organization whose data key it wraps.
        org: OrgId,
    },
    /// Its key of that id opens none of the data keys that this key wraps.
    Differs {
        /// The key's id.
        key: u32,
        /// An organization whose data key it wraps.
        org: OrgId,
    },
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster) => {
                write!(f, "it has no key of those that cluster {cluster} was begun with")?;
            }
            Self::Lacks { key, org } => {
                write!(f, "it lacks key {key}, which wraps the data key of organization {org}")?;
            }
            Self::Differs { key, org } => write!(
                f,
                "its key {key} has other bytes than the cluster's: it does not open the data key of \
                 organization {org}"
            )?,
        }
        f.write_str("; every node of a cluster needs the same keyring file")
    }
}

impl std::error::Error for Foreign {}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It fits everything that is here.
    Fits,
    /// There is nothing here to hold it against.
    Nothing,
    /// It does not fit.
    Foreign(Foreign),
}

/// The data keys under one wrapping key.
#[derive(Debug)]
struct Tally {
    first: OrgId,
    is_opened: bool,
    tries: usize,
}

/// Holds the keyring against a state, some claims at a time.
struct Look<'a> {
    sealer: &'a Sealer,
    after: Option<OrgId>,
    is_whole: bool,
    by_key: BTreeMap<u32, Tally>,
}

impl<'a> Look<'a> {
    fn new(sealer: &'a Sealer) -> Self {
        Self { sealer, after: None, is_whole: false, by_key: BTreeMap::new() }
    }

    /// Looks at the next claims; whether there are more.
    fn page(&mut self, state: &dyn Reader) -> Result<bool, StoreError> {
        let claims = query::claims(state, self.after, PAGE_CLAIMS)?;
        for claim in claims.iter().filter(|claim| !claim.is_ended()).map(|claim| &claim.org) {
            let first = Tally { first: claim.id, is_opened: false, tries: 0 };
            let tally = self.by_key.entry(claim.data_key.keyring_key).or_insert(first);
            if !tally.is_opened && tally.tries < TRIES_MAX {
                tally.is_opened = self.sealer.data_key(claim.id, &claim.data_key).is_ok();
                tally.tries += 1;
            }
        }
        self.after = claims.last().map(|claim| claim.org.id);
        self.is_whole = claims.len() < PAGE_CLAIMS;
        Ok(!self.is_whole)
    }

    fn verdict(&self, state: &dyn Reader) -> Result<Verdict, StoreError> {
        let keyring = self.sealer.keyring();
        for (key, tally) in self.by_key.iter().filter(|(_, tally)| !tally.is_opened) {
            let (key, org) = (*key, tally.first);
            if keyring.get(key).is_none() {
                return Ok(Verdict::Foreign(Foreign::Lacks { key, org }));
            }
            if self.is_whole || tally.tries >= TRIES_MAX {
                return Ok(Verdict::Foreign(Foreign::Differs { key, org }));
            }
        }
        if self.by_key.values().any(|tally| tally.is_opened) {
            return Ok(Verdict::Fits);
        }
        if !self.by_key.is_empty() {
            return Ok(Verdict::Nothing);
        }
        let Some(cluster) = query::cluster(state)? else { return Ok(Verdict::Nothing) };
        let keys = query::operator_keys(state)?;
        let mut marks = keys.iter().filter(|key| Keyring::is_mark(key.id)).peekable();
        if marks.peek().is_none() {
            return Ok(Verdict::Nothing);
        }
        let fits = marks.any(|key| keyring.has_marked(cluster.id, key.id));
        Ok(if fits { Verdict::Fits } else { Verdict::Foreign(Foreign::Cluster(cluster.id)) })
    }
}

async fn look(node: &Node) -> Result<Verdict, StoreError> {
    let mut look = Look::new(&node.sealer);
    while look.page(node.state())? {
        tokio::task::yield_now().await;
    }
    look.verdict(node.state())
}

fn failed(foreign: Foreign) -> Failure {
    Failure::bad_setting("this node's keyring is not its cluster's", foreign)
}

fn unreadable(error: StoreError) -> Failure {
    Failure::fault("holding the keyring against the state", error)
}

/// Before the API is open: the state on the disk may already show that the keyring is another one.
/// The first page is enough for that; the rest is checked while the node runs.
pub(crate) fn at_start(node: &Node) -> Result<(), Failure> {
    let mut look = Look::new(&node.sealer);
    let verdict = look.page(node.state()).and_then(|_| look.verdict(node.state()));
    match verdict.map_err(unreadable)? {
        Verdict::Fits => node.keyring_check.pass(),
        Verdict::Nothing => {}
        Verdict::Foreign(foreign) => return Err(failed(foreign)),
    }
    Ok(())
}

/// Looks again as the state grows; returns when the node stops, or must.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) -> Result<(), Failure> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        foreign = watch(&node) => foreign,
    }
}

async fn watch(node: &Node) -> Result<(), Failure> {
    let (shortest, longest) = LOOK_EVERY;
    let mut pause = shortest;
    let mut looked = None;
    loop {
        // Evaluated before the state is read: the state is at least this new.
        let has_been_current = node.groups.list_freshness().knows_absence();
        let seen = node.groups.applied(GroupId::SYSTEM);
        let state = Some((seen, has_been_current));
        if looked != state {
            match look(node).await.map_err(unreadable)? {
                Verdict::Foreign(foreign) => return Err(failed(foreign)),
                Verdict::Nothing if !has_been_current => {}
                Verdict::Fits | Verdict::Nothing => {
                    node.keyring_check.pass();
                }
            }
            looked = state;
        }
        if has_been_current {
            std::future::pending::<()>().await;
        }
        // A node that has another keyring should stop before it becomes a voter.
        pause = if node.keyring_check.has_passed() { longest.min(pause * 2) } else { shortest };
        sleep(pause).await;
        // It grows, or the node becomes current with its state.
        let next = LogIndex(seen.0 + 1);
        node.groups.wait_visible(GroupId::SYSTEM, next, Instant::now() + pause).await;
    }
}

#[cfg(test)]
#[path = "keyring_check_test.rs"]
mod tests;
