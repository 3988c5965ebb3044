//! One direction of a stream: each frame is delayed and delivered in order.
//!
//! One task with one timer per direction; it never polls, and a reader that stops reading blocks
//! this lane only. Frames in transit are bounded in number and in bytes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::link::{Condition, Counter, Link, Pace, fits};
use crate::raft::transport::TransportError;

/// Frames under way on one lane.
const FLIGHTS_MAX: usize = 4096;
/// Bytes under way on one lane; one more frame may be begun below it.
const FLIGHT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a stream across a cut looks alive: the detection time of a keep-alive.
pub(super) const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// The frames in transit.
#[derive(Debug)]
enum Cargo {
    Frame(Bytes),
    /// The sender broke off.
    Break,
}

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Lane {
    input: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<Result<Bytes, TransportError>>,
    watch: watch::Receiver<Condition>,
    opened: Condition,
    pace: Pace,
    counter: Arc<Counter>,
    flights: VecDeque<(Instant, Cargo)>,
    bytes: usize,
    /// When the end of the input arrives, once it has ended.
    end: Option<Instant>,
}

impl Lane {
    /// A lane of a stream opened under the condition given.
    pub(super) fn new(
        link: &Link,
        counter: &Arc<Counter>,
        opened: Condition,
        input: mpsc::Receiver<Bytes>,
        output: mpsc::Sender<Result<Bytes, TransportError>>,
    ) -> Self {
        Self {
            input,
            output,
            watch: link.watch(),
            opened,
            pace: link.pace(),
            counter: Arc::clone(counter),
            flights: VecDeque::new(),
            bytes: 0,
            end: None,
        }
    }

    /// Carries frames until the stream ends or breaks.
    pub(super) async fn run(mut self) {
        loop {
            let condition = *self.watch.borrow_and_update();
            if condition.gone || !condition.same_life(self.opened) {
                return self.lose(condition).await;
            }
            let due = self.flights.front().map(|(due, _)| *due).or(self.end);
            let room = self.flights.len() < FLIGHTS_MAX && self.bytes < FLIGHT_BYTES_MAX;
            tokio::select! {
                biased;
                changed = self.watch.changed() => if changed.is_err() {
                    return self.lose(condition).await;
                },
                () = self.output.closed() => return,
                () = arrival(due, &self.output), if due.is_some() => {
                    if self.flights.is_empty() {
                        return;
                    }
                    if !self.deliver() {
                        return self.report_loss().await;
                    }
                }
                frame = self.input.recv(), if room && self.end.is_none() => self.take(frame),
            }
        }
    }

    /// Takes a frame, and all that wait behind it, on its way.
    fn take(&mut self, first: Option<Bytes>) {
        let due = Instant::now() + self.pace.delay();
        let mut next = first;
        while let Some(frame) = next {
            if !fits(&frame) {
                self.flights.push_back((due, Cargo::Break));
                self.end = Some(due);
                self.input.close();
                return;
            }
            self.counter.count(&frame);
            self.bytes += frame.len();
            self.flights.push_back((due, Cargo::Frame(frame)));
            if self.flights.len() >= FLIGHTS_MAX || self.bytes >= FLIGHT_BYTES_MAX {
                return;
            }
            match self.input.try_recv() {
                Ok(frame) => next = Some(frame),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => next = None,
            }
        }
        self.end = Some(due);
    }

    /// Delivers all frames that are due; false when the lane broke.
    fn deliver(&mut self) -> bool {
        let now = Instant::now();
        while let Some((due, _)) = self.flights.front() {
            if *due > now || self.output.capacity() == 0 {
                break;
            }
            match self.flights.pop_front() {
                Some((_, Cargo::Frame(frame))) => {
                    self.bytes -= frame.len();
                    if self.output.try_send(Ok(frame)).is_err() {
                        break; // The reader is gone; seen in the next turn.
                    }
                }
                Some((_, Cargo::Break)) | None => return false,
            }
        }
        true
    }

    /// Drops the frames in transit. The ends learn of a detached node after one delay, of a cut by
    /// their keep-alive or when it heals.
    async fn lose(mut self, condition: Condition) {
        self.flights.clear();
        if condition.gone {
            let delay = self.pace.delay();
            if !delay.is_zero() {
                sleep(delay).await;
            }
        } else {
            let healed = self.watch.wait_for(|now| now.gone || now.both_ways());
            // Healed, gone or noticed: the stream is broken in each case.
            drop(timeout(NOTICE_AFTER, healed).await);
        }
        self.report_loss().await;
    }

    async fn report_loss(self) {
        let Self { input, output, .. } = self;
        drop(input); // The sender shall not wait for a reader that stands still.
        // Refused only by a reader that has left.
        drop(output.send(Err(TransportError::Lost)).await);
    }
}

/// Waits until the frame is due and the reader has room.
async fn arrival(due: Option<Instant>, output: &mpsc::Sender<Result<Bytes, TransportError>>) {
    if let Some(due) = due {
        if due > Instant::now() {
            sleep_until(due).await;
        }
        // The room is not kept: this task is the only sender.
        drop(output.reserve().await);
    }
}
