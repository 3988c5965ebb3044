//! The streams of one connection: the open ones, their credit, and their readers.
//!
//! Each direction has a window of credit, so that the connection's reader never waits for the owner
//! of a stream: a peer that sends beyond its credit ends the connection.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::peer::bounds::{STREAM_COST_MAX, STREAM_FRAME_COST, STREAM_WINDOW};

/// An event from the connection's reader for a stream.
#[derive(Debug)]
pub(in crate::peer) enum Arrival {
    Frame(Bytes),
    End,
    Reset,
}

/// The part of its stream's window that a frame uses; both ends compute it alike.
pub(in crate::peer) fn cost(frame: &Bytes) -> usize {
    (frame.len() + STREAM_FRAME_COST).min(STREAM_COST_MAX)
}

/// The credit and state of a stream's sending half.
#[derive(Debug)]
pub(in crate::peer) struct Gate {
    pub(in crate::peer) credit: Semaphore,
    pub(in crate::peer) stopped: CancellationToken,
}

impl Gate {
    fn stop(&self) {
        self.stopped.cancel();
        self.credit.close();
    }
}

/// The state that the two tasks of a stream share.
#[derive(Debug)]
pub(in crate::peer) struct Ends {
    pub(in crate::peer) gate: Arc<Gate>,
    pub(in crate::peer) arrivals: mpsc::UnboundedReceiver<Arrival>,
    pub(in crate::peer) unread: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Stream {
    gate: Arc<Gate>,
    /// None once nothing reads here or nothing arrives any more.
    arrivals: Option<mpsc::UnboundedSender<Arrival>>,
    /// Received and not yet given back as credit; it bounds the channel above.
    unread: Arc<AtomicUsize>,
    sending: bool,
    receiving: bool,
}

/// A peer that breaks the rules of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::peer) enum StreamFault {
    #[error("frames of a stream that was never opened")]
    NeverOpened,
    #[error("a stream opened twice")]
    OpenedTwice,
    #[error("more frames than there was credit for")]
    BeyondCredit,
    #[error("more credit than was used")]
    CreditNotUsed,
}

/// All streams of a connection.
#[derive(Debug, Default)]
pub(in crate::peer) struct Streams {
    open: BTreeMap<u64, Stream>,
    /// Ids up to this one have been used.
    last: u64,
}

impl Streams {
    pub(in crate::peer) fn count(&self) -> usize {
        self.open.len()
    }

    /// Uses the next id: the dialler's part.
    pub(in crate::peer) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Notes an id that the peer opens a stream under: the acceptor's part. Ids may come out of
    /// order, for an opening that waits for room is overtaken by a smaller one.
    pub(in crate::peer) fn note_id(&mut self, id: u64) -> Result<(), StreamFault> {
        if id == 0 || self.open.contains_key(&id) {
            return Err(StreamFault::OpenedTwice);
        }
        self.last = self.last.max(id);
        Ok(())
    }

    /// Opens a stream under an id used before.
    pub(in crate::peer) fn open(&mut self, id: u64) -> Ends {
        let credit = Semaphore::new(STREAM_WINDOW);
        let gate = Arc::new(Gate { credit, stopped: CancellationToken::new() });
        let (tx, arrivals) = mpsc::unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        let stream = Stream {
            gate: Arc::clone(&gate),
            arrivals: Some(tx),
            unread: Arc::clone(&unread),
            sending: true,
            receiving: true,
        };
        self.open.insert(id, stream);
        Ends { gate, arrivals, unread }
    }

    /// A frame for a stream. A stream without a reader drops it: the peer will be notified, or has
    /// been.
    pub(in crate::peer) fn on_data(&self, id: u64, frame: Bytes) -> Result<(), StreamFault> {
        let Some(stream) = self.find(id)? else { return Ok(()) };
        let Some(arrivals) = &stream.arrivals else { return Ok(()) };
        let cost = cost(&frame);
        if stream.unread.fetch_add(cost, Ordering::Relaxed) + cost > STREAM_WINDOW {
            return Err(StreamFault::BeyondCredit);
        }
        drop(arrivals.send(Arrival::Frame(frame))); // The reader may be leaving just now.
        Ok(())
    }

    /// The last arrival of a stream.
    pub(in crate::peer) fn on_last(&mut self, id: u64, last: Arrival) -> Result<(), StreamFault> {
        self.find(id)?;
        if let Some(arrivals) = self.open.get_mut(&id).and_then(|stream| stream.arrivals.take()) {
            drop(arrivals.send(last));
        }
        Ok(())
    }

    /// The peer has stopped reading.
    pub(in crate::peer) fn on_stop(&self, id: u64) -> Result<(), StreamFault> {
        if let Some(stream) = self.find(id)? {
            stream.gate.stop();
        }
        Ok(())
    }

    /// The peer has read so much.
    pub(in crate::peer) fn on_credit(&self, id: u64, granted: usize) -> Result<(), StreamFault> {
        let Some(stream) = self.find(id)? else { return Ok(()) };
        let credit = &stream.gate.credit;
        if credit.available_permits().saturating_add(granted) > STREAM_WINDOW {
            return Err(StreamFault::CreditNotUsed);
        }
        credit.add_permits(granted);
        Ok(())
    }

    /// This end has stopped sending.
    pub(in crate::peer) fn end_sending(&mut self, id: u64) {
        self.end(id, |stream| stream.sending = false);
    }

    /// This end has stopped reading.
    pub(in crate::peer) fn end_receiving(&mut self, id: u64) {
        self.end(id, |stream| {
            stream.receiving = false;
            stream.arrivals = None;
        });
    }

    /// The connection is over: every stream breaks.
    pub(in crate::peer) fn break_all(&mut self) {
        for stream in std::mem::take(&mut self.open).into_values() {
            stream.gate.stop();
        }
    }

    fn end(&mut self, id: u64, change: impl FnOnce(&mut Stream)) {
        if let Some(stream) = self.open.get_mut(&id) {
            change(stream);
            if !stream.sending && !stream.receiving {
                self.open.remove(&id);
            }
        }
    }

    fn find(&self, id: u64) -> Result<Option<&Stream>, StreamFault> {
        if id == 0 || id > self.last {
            return Err(StreamFault::NeverOpened);
        }
        Ok(self.open.get(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::bounds::STREAM_GRANT;

    #[test]
    fn a_peer_may_send_its_window_and_no_more() {
        let mut streams = Streams::default();
        let id = streams.next_id();
        let _ends = streams.open(id);
        let frame = Bytes::from(vec![0; STREAM_GRANT - STREAM_FRAME_COST]);
        for _ in 0..STREAM_WINDOW / STREAM_GRANT {
            assert_eq!(streams.on_data(id, frame.clone()), Ok(()));
        }
        assert_eq!(streams.on_data(id, Bytes::new()), Err(StreamFault::BeyondCredit));
    }

    #[test]
    fn credit_beyond_the_window_is_a_fault() {
        let mut streams = Streams::default();
        let id = streams.next_id();
        let _ends = streams.open(id);
        assert_eq!(streams.on_credit(id, 1), Err(StreamFault::CreditNotUsed));
    }

    #[test]
    fn ids_are_not_used_twice_at_once_and_known_after_their_end() {
        let mut streams = Streams::default();
        assert_eq!(streams.note_id(3), Ok(()));
        assert_eq!(streams.on_data(4, Bytes::new()), Err(StreamFault::NeverOpened));
        let _ends = streams.open(3);
        assert_eq!(streams.note_id(3), Err(StreamFault::OpenedTwice));
        assert_eq!(streams.note_id(2), Ok(()));
        streams.end_sending(3);
        assert_eq!(streams.count(), 1);
        streams.end_receiving(3);
        assert_eq!(streams.count(), 0);
        assert_eq!(streams.on_data(3, Bytes::new()), Ok(()));
        assert_eq!(streams.on_stop(3), Ok(()));
    }
}
