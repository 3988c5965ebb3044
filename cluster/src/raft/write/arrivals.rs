//! Who waits at this node for a write to be decided, by the write's id. It must not say what was decided: those who
//! are woken look it up.
//!
//! Why: a wait that looks at the state whenever anything was applied costs a look for each wait and each write.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use concordat_proto::id::WriteId;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::locks::locked;

type Waiting = BTreeMap<WriteId, watch::Sender<()>>;

/// The waits of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Waiting>>);

/// A wait for a write, from before its first look.
#[derive(Debug)]
pub struct Expected {
    arrivals: Arrivals,
    write: WriteId,
    news: watch::Receiver<()>,
}

impl Arrivals {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.0)
    }

    /// Begins a wait. What is applied from now on ends it.
    pub(crate) fn expect(&self, write: WriteId) -> Expected {
        let mut waiting = self.waiting();
        let news = waiting.entry(write).or_insert_with(|| watch::Sender::new(())).subscribe();
        drop(waiting);
        Expected { arrivals: self.clone(), write, news }
    }

    /// These were applied, and can be seen.
    pub(crate) fn note(&self, writes: &[WriteId]) {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return;
        }
        for news in writes.iter().filter_map(|write| waiting.get(write)) {
            news.send_replace(());
        }
    }
}

impl Expected {
    /// Returns once the write was applied in a group of this node since the last call, or at the deadline.
    pub async fn arrived(&mut self, deadline: Instant) {
        // Its sender is kept as long as this.
        drop(timeout_at(deadline, self.news.changed()).await);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut waiting = self.arrivals.waiting();
        // This one is still counted.
        if waiting.get(&self.write).is_some_and(|news| news.receiver_count() <= 1) {
            waiting.remove(&self.write);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(number: u8) -> WriteId {
        WriteId::from_bytes([number; 16])
    }

    async fn took(expected: &mut Expected) -> Duration {
        let begun = Instant::now();
        expected.arrived(begun + Duration::from_secs(10)).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_a_write_are_woken_and_no_others() {
        let arrivals = Arrivals::default();
        let mut waits = [arrivals.expect(write(1)), arrivals.expect(write(1))];
        let mut other = arrivals.expect(write(2));
        // Between the beginning of a wait and its first call, too.
        arrivals.note(&[write(3), write(1)]);
        for wait in &mut waits {
            assert_eq!(took(wait).await, Duration::ZERO);
            assert_eq!(took(wait).await, Duration::from_secs(10), "nothing since");
        }
        assert_eq!(took(&mut other).await, Duration::from_secs(10));
    }

    #[test]
    fn nothing_is_kept_of_waits_that_are_over() {
        let arrivals = Arrivals::default();
        let waits = [arrivals.expect(write(1)), arrivals.expect(write(1))];
        let [one, other] = waits;
        drop(one);
        assert_eq!(arrivals.waiting().len(), 1);
        drop(other);
        assert!(arrivals.waiting().is_empty());
    }
}
