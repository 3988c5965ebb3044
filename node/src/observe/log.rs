//! Log lines: to standard error, as text or as one JSON object a line.
//!
//! A thread of its own writes them (`lines.rs`): the code that logs never waits for the reader.
//!
//! Some libraries trace the bytes that pass through them. Whatever level is configured, their
//! targets are held at `info`, so that no log line can contain a caller's bytes.
//!
//! An orderly shutdown logs no error: the Raft library logs one when a peer or a client calls a
//! replica that is being stopped, so its lines end when the shutdown begins.

use std::{
    io::Write,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets, dynamic_filter_fn, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::lines::Lines;
use crate::boot::{config::LogFormat, failure::Failure};

/// For the last lines to be read.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// Those of the process: as there is one standard error.
static LINES: LazyLock<Lines> = LazyLock::new(Lines::default);
/// Whether a thread writes them.
static IS_WRITTEN: AtomicBool = AtomicBool::new(false);

/// The targets that may see bytes of requests or of peers.
const HELD: &[&str] =
    &["hyper", "hyper_util", "h2", "http", "tower", "rustls", "tokio_util", "want", "mio"];

/// The library whose lines are meaningless once replicas are being stopped.
const ENDS_WITH_THE_STOP: &str = "openraft";
/// Where that library reports, as errors, what it returns to its caller too: that this node leads no longer, or
/// that a replica is being reopened. The caller says what matters of it.
const ALSO_RETURNED: &str = "openraft::raft::";
/// Whether the process is shutting down in order.
static STOPPING: AtomicBool = AtomicBool::new(false);

fn crate_name<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
}

/// Whether a line may be written at all.
fn harmless(metadata: &Metadata<'_>) -> bool {
    let is_returned =
        *metadata.level() == tracing::Level::ERROR && metadata.target().starts_with(ALSO_RETURNED);
    !is_returned
        && (!HELD.contains(&crate_name(metadata)) || *metadata.level() <= LevelFilter::INFO)
}

/// The lines that are written, by the configured levels.
fn filter<S: Subscriber>(targets: Targets, stopping: &'static AtomicBool) -> impl FilterExt<S> {
    let goes_on = |metadata: &Metadata<'_>| {
        crate_name(metadata) != ENDS_WITH_THE_STOP || !stopping.load(Ordering::Relaxed)
    };
    targets.and(filter_fn(harmless)).and(dynamic_filter_fn(move |metadata, _| goes_on(metadata)))
}

/// The replicas are about to be stopped in order.
pub(crate) fn on_stopping() {
    STOPPING.store(true, Ordering::Relaxed);
}

/// The levels by target.
///
/// # Errors
/// When they cannot be read.
pub fn levels(text: &str) -> Result<Targets, Failure> {
    text.parse().map_err(|error| Failure::bad_setting("log_level".to_owned(), error))
}

/// Begins to write log lines, once in a process.
///
/// # Errors
/// When the levels cannot be read, or lines are written already.
pub fn init(level: &str, format: LogFormat) -> Result<(), Failure> {
    let targets = levels(level)?;
    let filter = filter(targets, &STOPPING);
    let lines = fmt::layer().with_writer(LINES.clone());
    let report = match format {
        LogFormat::Text => lost_as_text,
        LogFormat::Json => lost_as_json,
    };
    let started = match format {
        LogFormat::Text => tracing_subscriber::registry()
            .with(lines.with_ansi(false).with_filter(filter))
            .try_init(),
        LogFormat::Json => tracing_subscriber::registry()
            .with(lines.json().flatten_event(true).with_filter(filter))
            .try_init(),
    };
    started.map_err(|error| Failure::fault("starting the log", error))?;
    let written = LINES.write_to(std::io::stderr(), report);
    written.map_err(|error| Failure::fault("starting the log", error))?;
    IS_WRITTEN.store(true, Ordering::Release);
    Ok(())
}

fn lost_as_text(lost: u64) -> String {
    format!(" WARN concordatd: {lost} log lines were lost: standard error was not read\n")
}

fn lost_as_json(lost: u64) -> String {
    format!("{{\"level\":\"WARN\",\"message\":\"log lines were lost\",\"lost\":{lost}}}\n")
}

/// The process's last line. Nothing keeps a process from ending: not even a standard error without
/// a reader.
pub fn last_words(line: &str) {
    if IS_WRITTEN.load(Ordering::Acquire) {
        LINES.last_words(line.to_owned(), LAST_WORDS_LIMIT);
    } else {
        // Standard error is closed: the error cannot be reported.
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
}

/// Whether an operation that must be audited can be: a line would be accepted now.
pub(crate) fn takes_audit() -> bool {
    LINES.takes_audit()
}

/// The number of lines that were lost because nothing read them.
pub(crate) fn lost() -> u64 {
    LINES.lost()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_that_see_bytes_are_held_at_info_and_refusals_are_no_errors() {
        let captured = Captured::default();
        let writer = captured.clone();
        let lines = fmt::layer().with_writer(move || writer.clone());
        static GOES_ON: AtomicBool = AtomicBool::new(false);
        let filter = filter("trace".parse::<Targets>().unwrap(), &GOES_ON);
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hyper", "canary-one");
            tracing::error!(target: "openraft::raft::api::management", "canary-three");
            tracing::info!(target: "openraft::raft::api::management", "kept-four");
            tracing::debug!(target: "h2", "canary-two");
            tracing::warn!(target: "hyper", "kept-one");
            tracing::trace!(target: "concordat_node", "kept-two");
            tracing::trace!(target: "hyperion", "kept-three");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        for kept in ["kept-one", "kept-two", "kept-three", "kept-four"] {
            assert!(text.contains(kept), "{text}");
        }
    }

    #[test]
    fn the_raft_librarys_lines_end_when_a_stop_in_order_begins() {
        static STOPS: AtomicBool = AtomicBool::new(false);
        let captured = Captured::default();
        let writer = captured.clone();
        let lines = fmt::layer().with_writer(move || writer.clone());
        let filter = filter("info".parse::<Targets>().unwrap(), &STOPS);
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        let say = |text: &str| {
            tracing::error!(target: "openraft::core", "library-{text}");
            tracing::error!(target: "concordat_cluster", "own-{text}");
        };
        tracing::subscriber::with_default(subscriber, || {
            say("before");
            STOPS.store(true, Ordering::Relaxed);
            say("after");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        for (line, written) in [
            ("library-before", true),
            ("own-before", true),
            ("library-after", false),
            ("own-after", true),
        ] {
            assert_eq!(text.contains(line), written, "{line}: {text}");
        }
    }
}
