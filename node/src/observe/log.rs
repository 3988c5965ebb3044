//! Log lines: to standard error, as text or as one JSON object a line.
//!
//! Some libraries trace the bytes that pass through them. Whatever level is asked for, their
//! targets are held at `info`, so that no log line can hold what a caller sent.
//!
//! A stop in order writes no error: the Raft library calls it one when a peer or a client asks a
//! replica that is being stopped, so its lines end when the stop begins.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets, dynamic_filter_fn, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{config::LogFormat, failure::Failure};

/// What may see bytes of requests or of peers.
const HELD: &[&str] =
    &["hyper", "hyper_util", "h2", "http", "tower", "rustls", "tokio_util", "want", "mio"];

/// The library whose lines say nothing any more once replicas are being stopped.
const ENDS_WITH_THE_STOP: &str = "openraft";
/// Whether the process stops in order.
static STOPPING: AtomicBool = AtomicBool::new(false);

fn crate_name<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
}

/// Whether a line may be written at all.
fn harmless(metadata: &Metadata<'_>) -> bool {
    !HELD.contains(&crate_name(metadata)) || *metadata.level() <= LevelFilter::INFO
}

/// What of the levels asked for is written.
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
    let lines = fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => tracing_subscriber::registry()
            .with(lines.with_ansi(false).with_filter(filter))
            .try_init(),
        LogFormat::Json => tracing_subscriber::registry()
            .with(lines.json().flatten_event(true).with_filter(filter))
            .try_init(),
    };
    started.map_err(|error| Failure::fault("starting the log", error))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

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
    fn libraries_that_see_bytes_are_held_at_info() {
        let captured = Captured::default();
        let writer = captured.clone();
        let lines = fmt::layer().with_writer(move || writer.clone());
        static GOES_ON: AtomicBool = AtomicBool::new(false);
        let filter = filter("trace".parse::<Targets>().unwrap(), &GOES_ON);
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hyper", "canary-one");
            tracing::debug!(target: "h2", "canary-two");
            tracing::warn!(target: "hyper", "kept-one");
            tracing::trace!(target: "concordat_node", "kept-two");
            tracing::trace!(target: "hyperion", "kept-three");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        for kept in ["kept-one", "kept-two", "kept-three"] {
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
            tracing::error!(target: "openraft::raft", "library-{text}");
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
