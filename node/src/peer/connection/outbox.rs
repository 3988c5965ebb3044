//! A connection's queue and its writer: many senders, one task, as few writes as possible.
//!
//! Frames leave in the order they were queued. The queue is bounded in bytes and in frames; the
//! writer never inspects a frame.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::frame::Frame;
use crate::peer::bounds::{
    GATHER_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_FRAME_COST, QUEUE_FRAMES_MAX, WRITE_BYTES,
};

/// Frames taken off the queue at once.
const BATCH: usize = 1024;

/// The connection is over; the frame was not queued.
#[derive(Debug)]
pub(in crate::peer) struct Closed;

#[derive(Debug)]
struct Queued {
    frame: Frame,
    /// Room to give back once it is written.
    cost: usize,
}

/// The queue's end for senders.
#[derive(Debug)]
pub(in crate::peer) struct Outbox {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    closed: CancellationToken,
}

/// The queue's end for the writer.
#[derive(Debug)]
pub(in crate::peer) struct Drain {
    queue: mpsc::Receiver<Queued>,
    room: Arc<Semaphore>,
}

/// A queue for the connection that `closed` closes.
pub(in crate::peer) fn outbox(closed: CancellationToken) -> (Outbox, Drain) {
    let (tx, rx) = mpsc::channel(QUEUE_FRAMES_MAX);
    let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
    (Outbox { queue: tx, room: Arc::clone(&room), closed }, Drain { queue: rx, room })
}

const fn cost(frame: &Frame) -> usize {
    frame.payload.len() + QUEUE_FRAME_COST
}

fn permits(cost: usize) -> u32 {
    u32::try_from(cost).expect("a frame is smaller than the queue")
}

impl Outbox {
    /// Queues a frame once there is room for it.
    pub(in crate::peer) async fn send(&self, frame: Frame) -> Result<(), Closed> {
        let cost = cost(&frame);
        let room = self.room.acquire_many(permits(cost)).await.map_err(|_| Closed)?;
        let place = self.queue.reserve().await.map_err(|_| Closed)?;
        room.forget(); // The writer gives it back.
        place.send(Queued { frame, cost });
        Ok(())
    }

    /// Queues a frame if there is room for it now.
    pub(in crate::peer) fn try_send(&self, frame: Frame) -> bool {
        let cost = cost(&frame);
        let Ok(room) = self.room.try_acquire_many(permits(cost)) else { return false };
        let Ok(place) = self.queue.try_reserve() else { return false };
        room.forget(); // The writer gives it back.
        place.send(Queued { frame, cost });
        true
    }

    /// Queues a small control frame, in order but without waiting for room. A peer that makes us
    /// queue more of them than there is room for does not read, and is disconnected.
    pub(in crate::peer) fn send_control(&self, frame: Frame) {
        if self.queue.try_send(Queued { frame, cost: 0 }).is_err() {
            self.closed.cancel();
        }
    }

    /// Nothing more will be written: senders that wait for room are woken.
    pub(in crate::peer) fn close(&self) {
        self.room.close();
    }
}

impl Drain {
    /// Writes until the queue or the connection ends.
    pub(in crate::peer) async fn write_to(
        mut self,
        mut io: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut gathered = BytesMut::with_capacity(WRITE_BYTES);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            for Queued { frame, cost } in batch.drain(..) {
                frame.encode_head(&mut gathered);
                if frame.payload.len() > GATHER_BYTES_MAX {
                    io.write_all(&gathered).await?;
                    gathered.clear();
                    io.write_all(&frame.payload).await?;
                } else {
                    gathered.extend_from_slice(&frame.payload);
                }
                self.room.add_permits(cost);
                if gathered.len() >= WRITE_BYTES {
                    io.write_all(&gathered).await?;
                    gathered.clear();
                }
            }
            if !gathered.is_empty() {
                io.write_all(&gathered).await?;
                gathered.clear();
            }
            io.flush().await?;
        }
        Ok(())
    }
}
