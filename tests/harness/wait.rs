//! Waiting for a value, with a limit and a reason.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// For anything that must come about by itself, on a machine with other things to do.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Between checks of a condition that cannot notify.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` finds it so.
///
/// # Panics
/// Past [`LIMIT`], with the last reason why not.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(what, LIMIT, look).await
}

/// Looks until `look` finds it so.
///
/// # Panics
/// Past the limit, with the last reason why not.
pub async fn within<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(reason) if Instant::now() >= deadline => {
                panic!("not within {limit:?}: {what}; at last: {reason}")
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}
