//! The connection to one peer on one channel, made on demand and again when it broke.
//!
//! After a failure the next attempt is delayed, longer each time; callers meanwhile wait for it,
//! each within its own limit. It never connects without a caller.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use concordat_cluster::{
    locks::locked,
    raft::transport::{Channel, Peer, TransportError},
};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    bounds::{
        BACKOFF_MAX, BACKOFF_MIN, CONNECT_LIMIT, WAITERS_MAX, WAITING_NOTICE_BYTES_MAX,
        WAITING_NOTICES_MAX,
    },
    client::dial,
    connection::{Connection, session},
    handshake::{Hello, Identity},
    wire::Reach,
};

type Connected = Result<Arc<Connection>, TransportError>;

#[derive(Debug)]
enum Phase {
    Down,
    Dialling,
    Up(Arc<Connection>),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    failures: u32,
    /// No attempt before this.
    not_before: Option<Instant>,
    waiters: Vec<oneshot::Sender<Connected>>,
    notices: VecDeque<Bytes>,
    notice_bytes: usize,
}

/// The connection to one peer on one channel.
#[derive(Debug)]
pub(super) struct Link {
    from: Identity,
    peer: Peer,
    channel: Channel,
    reach: Reach,
    runtime: Handle,
    closed: CancellationToken,
    state: Mutex<State>,
}

/// The delay after this number of failures in a row.
fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX)
}

impl Link {
    /// A link that is down. `closed` takes it out of service.
    pub(super) fn new(
        from: Identity,
        peer: Peer,
        channel: Channel,
        reach: Reach,
        runtime: Handle,
        closed: CancellationToken,
    ) -> Self {
        let state = State {
            phase: Phase::Down,
            failures: 0,
            not_before: None,
            waiters: Vec::new(),
            notices: VecDeque::new(),
            notice_bytes: 0,
        };
        Self { from, peer, channel, reach, runtime, closed, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn unreachable(&self, reason: impl Into<String>) -> TransportError {
        let peer = format!("{} at {}", self.peer.id, self.peer.address);
        TransportError::Unreachable { peer, reason: reason.into() }
    }

    /// The connection, made if need be.
    pub(super) async fn connected(self: &Arc<Self>, deadline: Instant) -> Connected {
        let waiter = {
            let mut state = self.lock();
            if let Some(connection) = self.up_or_dialing(&mut state) {
                return Ok(connection);
            }
            // Those who gave up have left their places behind.
            state.waiters.retain(|waiter| !waiter.is_closed());
            if state.waiters.len() >= WAITERS_MAX {
                return Err(self.unreachable("too many wait for a connection"));
            }
            let (tx, waiter) = oneshot::channel();
            state.waiters.push(tx);
            waiter
        };
        match timeout_at(deadline, waiter).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_)) => Err(self.unreachable("it left the address book")),
            Err(_) => Err(self.unreachable("no connection in time")),
        }
    }

    /// Sends a notice, or keeps it for the connection being made, or drops it.
    pub(super) fn notify(self: &Arc<Self>, body: Bytes) {
        let mut state = self.lock();
        if let Some(connection) = self.up_or_dialing(&mut state) {
            drop(state);
            return connection.notify(body);
        }
        if state.notices.len() < WAITING_NOTICES_MAX
            && state.notice_bytes + body.len() <= WAITING_NOTICE_BYTES_MAX
        {
            state.notice_bytes += body.len();
            state.notices.push_back(body);
        }
    }

    fn up_or_dialing(self: &Arc<Self>, state: &mut State) -> Option<Arc<Connection>> {
        match &state.phase {
            Phase::Up(connection) if !connection.is_over() => return Some(Arc::clone(connection)),
            Phase::Dialling => return None,
            Phase::Up(_) | Phase::Down => {}
        }
        state.phase = Phase::Dialling;
        let link = Arc::clone(self);
        let not_before = state.not_before;
        drop(self.runtime.spawn(async move {
            let closed = link.closed.clone();
            if closed.run_until_cancelled(link.connect(not_before)).await.is_none() {
                link.give_up();
            }
        }));
        None
    }

    async fn connect(self: &Arc<Self>, not_before: Option<Instant>) {
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        let hello = Hello::Member { from: self.from, to: self.peer.id, channel: self.channel };
        let io = match timeout(CONNECT_LIMIT, dial(&self.peer.address, hello, self.reach)).await {
            Ok(Ok(io)) => io,
            Ok(Err(reason)) => return self.failed(&reason),
            Err(_) => return self.failed("no answer"),
        };
        let name = self.peer.id.to_string();
        let (connection, run) = session::start(name, io, None, self.closed.child_token());
        drop(tokio::spawn(run));
        let mut state = self.lock();
        state.failures = 0;
        // One that breaks at once is not made again at once.
        state.not_before = Some(Instant::now() + BACKOFF_MIN);
        for notice in state.notices.drain(..) {
            connection.notify(notice);
        }
        state.notice_bytes = 0;
        state.phase = Phase::Up(Arc::clone(&connection));
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        for waiter in waiters {
            drop(waiter.send(Ok(Arc::clone(&connection)))); // It may have given up.
        }
    }

    fn failed(&self, reason: &str) {
        let error = self.unreachable(reason);
        let mut state = self.lock();
        if state.failures == 0 {
            tracing::info!(peer = %self.peer.id, address = %self.peer.address,
                channel = ?self.channel, reason, "a peer is unreachable");
        }
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(Instant::now() + backoff(state.failures));
        state.phase = Phase::Down;
        state.notices.clear();
        state.notice_bytes = 0;
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        for waiter in waiters {
            drop(waiter.send(Err(error.clone()))); // It may have given up.
        }
    }

    /// The link was closed while it dialed.
    fn give_up(&self) {
        let mut state = self.lock();
        state.phase = Phase::Down;
        state.notices.clear();
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        drop(waiters); // Each is told by that.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_maximum() {
        let millis = [1, 2, 3, 4, 5, 6, 60].map(|failures| backoff(failures).as_millis());
        assert_eq!(millis, [50, 100, 200, 400, 800, 1000, 1000]);
    }
}
