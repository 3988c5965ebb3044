//! The run's events, line by line, folded into one number: two runs of one seed must have the same.
//!
//! It includes everything in which a difference would show soon: each message with its contents'
//! checksum, each fault, each answer to a client, and now and then every replica's state.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_cluster::{locks::locked, raft::in_process::Message};

#[derive(Default)]
struct State {
    now: Duration,
    folded: u64,
    lines: u64,
    line: String,
    file: Option<BufWriter<File>>,
    shown: bool,
}

/// The trace of a run. Clones are the same trace.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<State>>);

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

impl Trace {
    /// Writes the lines to a file too.
    pub(crate) fn to_file(&self, path: &Path) {
        let file = File::create(path).expect("the trace's file can be made");
        self.with(|state| state.file = Some(BufWriter::new(file)));
    }

    /// Prints the events of the cluster, without messages.
    pub(crate) fn show(&self) {
        self.with(|state| state.shown = true);
    }

    pub(crate) fn set_time(&self, now: Duration) {
        self.with(|state| state.now = now);
    }

    /// Something that happened.
    pub(crate) fn line(&self, what: fmt::Arguments<'_>) {
        self.with(|state| {
            if state.shown {
                println!("{:10.3} {what}", state.now.as_secs_f64());
            }
            state.fold(what);
        });
    }

    /// A message between nodes.
    pub(crate) fn message(&self, message: Message<'_>) {
        let sum = crc32c::crc32c(message.body);
        let kind = if message.is_request { "asks" } else { "tells" };
        let (from, to, length) = (message.from, message.to, message.body.len());
        self.with(|state| {
            state.fold(format_args!("{from} {kind} {to}: {length} bytes, {sum:08x}"));
        });
    }

    /// The number of lines, and their fold.
    pub(crate) fn end(&self) -> (u64, u64) {
        self.with(|state| {
            if let Some(file) = &mut state.file {
                file.flush().expect("the trace can be written");
            }
            (state.lines, state.folded)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut locked(&self.0))
    }
}

impl State {
    fn fold(&mut self, what: fmt::Arguments<'_>) {
        self.line.clear();
        writeln!(self.line, "{} {what}", self.now.as_micros()).expect("a string takes all");
        let sum = u64::from(crc32c::crc32c(self.line.as_bytes()));
        self.folded = (self.folded.rotate_left(7) ^ sum).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.lines += 1;
        if let Some(file) = &mut self.file {
            file.write_all(self.line.as_bytes()).expect("the trace can be written");
        }
    }
}
