//! The accepting end: passes requests, notices and streams of a connection to the service.
//!
//! It refuses those beyond its bounds before the service sees them, and never makes the
//! connection's reader wait.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use concordat_cluster::raft::transport::PeerService;
use concordat_proto::id::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Connection,
    frame::{Frame, Kind, NEVER_BEGUN, fits},
    pump,
    streams::StreamFault,
};
use crate::peer::bounds::{ACCEPTED_STREAMS_MAX, SERVED_BYTES_MAX, SERVED_REQUESTS_MAX};

/// The service behind one connection.
pub(in crate::peer) struct Serving {
    service: Arc<dyn PeerService>,
    /// None for a node that asks to join.
    from: Option<NodeId>,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Serving {
    pub(in crate::peer) fn new(service: Arc<dyn PeerService>, from: Option<NodeId>) -> Self {
        Self {
            service,
            from,
            requests: Arc::new(Semaphore::new(SERVED_REQUESTS_MAX)),
            bytes: Arc::new(Semaphore::new(SERVED_BYTES_MAX)),
        }
    }

    /// The member at the other end; none for a node that asks to join.
    pub(in crate::peer) const fn from(&self) -> Option<NodeId> {
        self.from
    }

    fn turn(&self, body: &Bytes) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let bytes = u32::try_from(body.len()).ok()?;
        let request = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?;
        Some((request, bytes))
    }

    pub(in crate::peer) fn on_request(&self, connection: &Arc<Connection>, id: u64, body: Bytes) {
        let Some(turn) = self.turn(&body) else {
            let refusal = Frame::new(Kind::Reset, id, Bytes::from_static(NEVER_BEGUN));
            return connection.send_control(refusal);
        };
        let connection = Arc::clone(connection);
        let answer = match self.from {
            Some(from) => self.service.on_request(from, body),
            None => self.service.on_join(body),
        };
        drop(tokio::spawn(async move {
            let answer = answer.await;
            drop(turn);
            if fits(&answer) {
                // An answer that cannot be sent any more is lost with the connection.
                drop(connection.send(Frame::new(Kind::Response, id, answer)).await);
            } else {
                connection.send_control(Frame::bare(Kind::Reset, id));
            }
        }));
    }

    pub(in crate::peer) fn on_open(
        &self,
        connection: &Arc<Connection>,
        from: NodeId,
        id: u64,
        head: Bytes,
    ) -> Result<(), StreamFault> {
        let ends = connection.streams(|streams| {
            streams.note_id(id)?;
            let room = streams.count() < ACCEPTED_STREAMS_MAX;
            Ok(room.then(|| streams.open(id)))
        })?;
        if let Some(ends) = ends {
            let stream = pump::start(connection, id, ends);
            drop(tokio::spawn(self.service.on_stream(from, head, stream)));
        } else {
            connection.send_control(Frame::new(Kind::Reset, id, Bytes::from_static(NEVER_BEGUN)));
            connection.send_control(Frame::bare(Kind::Stop, id));
        }
        Ok(())
    }

    pub(in crate::peer) fn on_notice(&self, from: NodeId, body: Bytes) {
        self.service.on_notice(from, body);
    }
}
