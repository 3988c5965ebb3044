//! The two tasks of a stream: from its owner to the connection's queue, and from the arrived frames
//! to its owner.
//!
//! They wait for credit, room and readers, so that the connection's own tasks need not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use concordat_cluster::raft::transport::{FrameStream, TransportError};
use tokio::sync::mpsc;

use super::{
    Connection,
    frame::{Frame, Kind, fits},
    streams::{Arrival, Ends, Gate, cost},
};
use crate::peer::bounds::{STREAM_FRAMES_IN, STREAM_FRAMES_OUT, STREAM_GRANT};

/// How a direction has ended.
enum Last {
    /// All was sent, or all was read.
    Ended,
    /// The sender broke off.
    Broken,
    /// The reader, or the connection, is gone.
    Stopped,
}

/// Starts both tasks and gives the owner its halves.
pub(in crate::peer) fn start(connection: &Arc<Connection>, id: u64, ends: Ends) -> FrameStream {
    let (tx, outgoing) = mpsc::channel(STREAM_FRAMES_OUT);
    let (incoming, rx) = mpsc::channel(STREAM_FRAMES_IN);
    let Ends { gate, arrivals, unread } = ends;
    drop(tokio::spawn(send(Arc::clone(connection), id, gate, outgoing)));
    drop(tokio::spawn(receive(Arc::clone(connection), id, arrivals, unread, incoming)));
    FrameStream { tx, rx }
}

async fn send(
    connection: Arc<Connection>,
    id: u64,
    gate: Arc<Gate>,
    mut outgoing: mpsc::Receiver<Bytes>,
) {
    let last = send_all(&connection, id, &gate, &mut outgoing).await;
    outgoing.close();
    match last {
        Last::Ended => connection.send_control(Frame::bare(Kind::End, id)),
        Last::Broken => connection.send_control(Frame::bare(Kind::Reset, id)),
        Last::Stopped => {}
    }
    connection.streams(|streams| streams.end_sending(id));
}

async fn send_all(
    connection: &Connection,
    id: u64,
    gate: &Gate,
    outgoing: &mut mpsc::Receiver<Bytes>,
) -> Last {
    loop {
        let next = tokio::select! {
            biased;
            () = gate.stopped.cancelled() => return Last::Stopped,
            next = outgoing.recv() => next,
        };
        let Some(frame) = next else { return Last::Ended };
        if !fits(&frame) {
            return Last::Broken;
        }
        let needed = u32::try_from(cost(&frame)).expect("a window is some megabytes");
        let Ok(credit) = gate.credit.acquire_many(needed).await else { return Last::Stopped };
        credit.forget();
        if connection.send(Frame::new(Kind::Data, id, frame)).await.is_err() {
            return Last::Stopped;
        }
    }
}

async fn receive(
    connection: Arc<Connection>,
    id: u64,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    unread: Arc<AtomicUsize>,
    incoming: mpsc::Sender<Result<Bytes, TransportError>>,
) {
    let last = receive_all(&connection, id, &mut arrivals, &unread, &incoming).await;
    match last {
        Last::Ended => {}
        // Refused only by a reader that has left.
        Last::Broken => drop(incoming.send(Err(TransportError::Lost)).await),
        Last::Stopped => connection.send_control(Frame::bare(Kind::Stop, id)),
    }
    connection.streams(|streams| streams.end_receiving(id));
}

async fn receive_all(
    connection: &Connection,
    id: u64,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
    unread: &AtomicUsize,
    incoming: &mpsc::Sender<Result<Bytes, TransportError>>,
) -> Last {
    let mut owed = 0;
    loop {
        let arrival = tokio::select! {
            biased;
            () = incoming.closed() => return Last::Stopped,
            arrival = arrivals.recv() => arrival,
        };
        match arrival {
            Some(Arrival::Frame(frame)) => {
                owed += cost(&frame);
                if incoming.send(Ok(frame)).await.is_err() {
                    return Last::Stopped;
                }
            }
            Some(Arrival::End) => return Last::Ended,
            Some(Arrival::Reset) | None => return Last::Broken,
        }
        if owed >= STREAM_GRANT {
            unread.fetch_sub(owed, Ordering::Relaxed);
            let granted = u32::try_from(owed).expect("a window is some megabytes");
            connection.send_control(Frame::credit(id, granted));
            owed = 0;
        }
    }
}
