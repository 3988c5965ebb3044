//! Signals that end a waiting command: Ctrl-C, and those of `timeout` and `kill`.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Returns with the number of the signal that came.
pub(crate) async fn caught() -> io::Result<u8> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(2),
        _ = terminate.recv() => Ok(15),
    }
}
