//! Log lines: to standard error, as text or as one JSON object a line.
//!
//! Some libraries trace the bytes that pass through them. Whatever level is asked for, their
//! targets are held at `info`, so that no log line can hold what a caller sent.

use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{config::LogFormat, failure::Failure};

/// What may see bytes of requests or of peers.
const HELD: &[&str] =
    &["hyper", "hyper_util", "h2", "http", "tower", "rustls", "tokio_util", "want", "mio"];

/// Whether a line may be written at all.
fn harmless(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    !HELD.contains(&crate_name) || *metadata.level() <= LevelFilter::INFO
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
    let filter = targets.and(filter_fn(harmless));
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
        let filter = "trace".parse::<Targets>().unwrap().and(filter_fn(harmless));
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
}
