//! Log lines on their way to standard error: a bounded queue, and one thread that writes.
//!
//! Why: a node runs on one thread, and a log shipper that hangs (often on all nodes at once) and no
//! longer reads standard error must not block it. So the code that logs never waits for the reader.
//! Lines that find the queue full are lost and counted. Lines of the audit trail have reserved
//! room; while there is none left, operations that must be audited are refused
//! ([`Lines::takes_audit`]), never done without a line and never delayed.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use concordat_cluster::locks::locked;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The size of all lines that wait to be written.
const QUEUED_BYTES_MAX: usize = 8 << 20;
/// The part of it that is reserved for the audit trail.
const AUDIT_BYTES: usize = QUEUED_BYTES_MAX / 2;
/// The part of that which stays free for secret reads that were admitted at the same moment.
const AUDIT_RESERVE_BYTES: usize = 256 << 10;
/// The target of the audit trail.
const AUDIT: &str = "audit";

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line is being written.
    is_writing: bool,
    lost: u64,
    /// The lost lines that a log line has reported.
    reported: u64,
}

/// The queue. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Lines {
    /// Starts the thread that writes; it lives as long as the process.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub(crate) fn write_to(
        &self,
        out: impl Write + Send + 'static,
        report: Report,
    ) -> io::Result<()> {
        let lines = self.clone();
        thread::Builder::new()
            .name("log-lines".to_owned())
            .spawn(move || lines.run(out, report))
            .map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.shared.0)
    }

    fn push(&self, line: Vec<u8>, is_audit: bool) {
        let limit = if is_audit { QUEUED_BYTES_MAX } else { QUEUED_BYTES_MAX - AUDIT_BYTES };
        let mut state = self.lock();
        if state.bytes + line.len() > limit {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.queue.push_back(line);
        drop(state);
        self.shared.1.notify_all();
    }

    /// Whether a line of the audit trail would be accepted now.
    pub(crate) fn takes_audit(&self) -> bool {
        self.lock().bytes + AUDIT_RESERVE_BYTES <= QUEUED_BYTES_MAX
    }

    /// The number of lost lines.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// One more line, then waits until all are written, or the limit.
    pub(crate) fn last_words(&self, line: String, limit: Duration) {
        {
            let mut state = self.lock();
            state.bytes += line.len();
            state.queue.push_back(line.into_bytes());
        }
        self.shared.1.notify_all();
        let is_busy = |state: &mut State| state.is_writing || !state.queue.is_empty();
        let waited = self.shared.1.wait_timeout_while(self.lock(), limit, is_busy);
        drop(waited);
    }

    fn run(&self, mut out: impl Write, report: Report) {
        loop {
            let line = self.next(report);
            // Standard error is closed: the error cannot be reported.
            drop(out.write_all(&line).and_then(|()| out.flush()));
            self.lock().is_writing = false;
            self.shared.1.notify_all();
        }
    }

    /// Waits for a line: first of all one that reports those that were lost.
    fn next(&self, report: Report) -> Vec<u8> {
        let is_idle = |state: &mut State| state.queue.is_empty() && state.reported == state.lost;
        let waited = self.shared.1.wait_while(self.lock(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        if state.reported < state.lost {
            let lost = state.lost - state.reported;
            state.reported = state.lost;
            return report(lost).into_bytes();
        }
        let line = state.queue.pop_front().unwrap_or_default();
        state.bytes -= line.len();
        line
    }
}

/// Words for lines that were lost.
pub(crate) type Report = fn(u64) -> String;

/// One line as it is made.
#[derive(Debug)]
pub(crate) struct Line {
    lines: Lines,
    bytes: Vec<u8>,
    is_audit: bool,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.lines.push(std::mem::take(&mut self.bytes), self.is_audit);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { lines: self.clone(), bytes: Vec::new(), is_audit: false }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        let is_audit = meta.target() == AUDIT;
        Line { lines: self.clone(), bytes: Vec::new(), is_audit }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes once it is let to.
    struct Gate(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_holds_nothing_up() {
        let lines = Lines::default();
        let (open, gate) = mpsc::channel();
        let (written, read) = mpsc::channel();
        lines.write_to(Gate(gate, written), |lost| format!("lost {lost}\n")).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            lines.push(line.clone(), false);
        }
        let lost = lines.lost();
        assert!((15..=16).contains(&lost), "{lost} of 20 lines of 1 MiB are lost");
        assert!(lines.takes_audit(), "it has room of its own");
        while lines.takes_audit() {
            lines.push(line.clone(), true);
        }
        assert_eq!(lines.lost(), lost, "none of the audit trail");
        lines.last_words("never\n".to_owned(), Duration::from_millis(10));
        for _ in 0..30 {
            open.send(()).unwrap();
        }
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text: &Vec<u8>| text != b"never\n") {
            texts.push(read.recv().unwrap());
        }
        let reported = |text: &Vec<u8>| -> Option<u64> {
            String::from_utf8_lossy(text).strip_prefix("lost ")?.trim().parse().ok()
        };
        let reported: u64 = texts.iter().filter_map(reported).sum();
        assert_eq!(reported, lost, "lines report those that are lost");
        assert!(lines.takes_audit());
    }
}
