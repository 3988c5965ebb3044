//! Signals that end a command which waits: Ctrl-C, and what `timeout` and `kill` send.

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
