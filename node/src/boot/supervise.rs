//! The process's background tasks, by name. The first that ends, for whatever reason, stops the
//! others in order; a panic is an end like any other and is never ignored.

use std::{collections::BTreeMap, future::Future, time::Duration};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::boot::failure::Failure;

/// The time for all tasks to end once one has, beyond their own limits.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// Lasting tasks.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    tasks: JoinSet<Result<(), Failure>>,
    names: BTreeMap<Id, String>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Turns canceled when the tasks are to end.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. It must end soon after the stop.
    pub(crate) fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name.into());
    }

    /// Returns when all tasks have ended: the first failure, if there was one.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let first = self.next().await;
        self.stop.cancel();
        let rest = async {
            let mut result = Ok(());
            while !self.tasks.is_empty() {
                result = result.and(self.next().await);
            }
            result
        };
        match timeout(STOP_TIME_MAX, rest).await {
            Ok(rest) => first.and(rest),
            Err(_) => first.and(Err(Failure::fault("stopping", "a task did not end in time"))),
        }
    }

    async fn next(&mut self) -> Result<(), Failure> {
        match self.tasks.join_next_with_id().await {
            None => Ok(()),
            Some(Ok((id, result))) => {
                tracing::debug!(task = self.name(id), "ended");
                result
            }
            Some(Err(error)) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &JoinError) -> Failure {
        let what = if error.is_panic() { "it panicked" } else { "it was canceled" };
        Failure::fault(format!("the task {}", self.name(error.id())), what)
    }

    fn name(&self, id: Id) -> &str {
        self.names.get(&id).map_or("of no name", String::as_str)
    }
}

/// Completes when the process is asked to end: SIGTERM or an interrupt from the keyboard.
pub(crate) async fn asked_to_end() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let context = |error| Failure::fault("listening for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(context)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(context)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("received SIGTERM"),
        _ = interrupt.recv() => tracing::info!("received an interrupt"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until(stop: CancellationToken) -> Result<(), Failure> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn the_first_end_stops_all() {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("one", until(supervisor.stop()));
        supervisor.spawn("two", async { Ok(()) });
        supervisor.run().await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_with_a_name() {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("one", until(supervisor.stop()));
        supervisor.spawn("two", async { panic!("as planned") });
        let failure = supervisor.run().await.unwrap_err();
        assert_eq!(failure.chain(), "the task two: it panicked");
    }
}
