//! Decides how much of each group's log stays, and has the library purge the rest.
//!
//! An entry stays while it is younger than [`Retention::time`], and while it is among the last
//! [`Retention::keep`] of its group: a replica that comes back within that time needs no snapshot.
//! [`Retention::bytes`] bounds both: beyond it each group gives up its oldest entries, as large a
//! part of its log as of any other's. What the synced state does not cover stays in any case.
//!
//! Ages are known from looks at the log, so they begin anew when the node does. A closed group has
//! no replica: `membership/group_gc.rs` drops its remaining entries. Nothing here may purge an entry
//! that the synced state does not cover.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use concordat_proto::{id::GroupId, log::LogIndex, version};
use tokio::time::MissedTickBehavior;

use crate::{
    log::GroupState,
    raft::{
        config::Retention,
        core::Core,
        planted,
        replica::{PURGE_BATCH, Replica},
    },
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Marks of a group's age, at most. An entry stays up to one part in this number longer than it must.
const MARKS: u32 = 64;

/// Looks at the logs until the node stops.
pub(crate) async fn run(core: Core) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ages = BTreeMap::new();
    loop {
        tick.tick().await;
        look(&core, &mut ages).await;
    }
}

async fn look(core: &Core, ages: &mut BTreeMap<GroupId, Ages>) {
    let (log, now) = (&core.environment().log, core.environment().steady.now());
    if core.feature_level() >= version::LEVEL_OF_CARRIED_ENTRIES {
        log.allow_carrying();
    }
    let retention = core.config().retention;
    let replicas = core.replicas();
    ages.retain(|group, _| replicas.iter().any(|replica| replica.group == *group));
    let total = replicas.iter().map(|replica| log.group_bytes(replica.group.0)).sum();
    for replica in replicas {
        let group = replica.group;
        let state = log.state(group.0);
        let Some(last) = state.last.map(|last| last.index) else { continue };
        let aged = ages.entry(group).or_default().look(now, last, &retention);
        let surplus = surplus(log.group_bytes(group.0), total, retention.bytes);
        let beyond = log.end_of_oldest(group.0, surplus);
        if let Some(up_to) = planted::on_retention(aged.max(beyond).map(LogIndex)) {
            purge(&replica, &state, up_to.0, beyond.is_some()).await;
        }
    }
}

/// The bytes that a group gives up so that all of them take no more than `bytes_max`.
fn surplus(of_group: u64, total: u64, bytes_max: u64) -> u64 {
    let excess = u128::from(total.saturating_sub(bytes_max));
    let part = excess * u128::from(of_group) / u128::from(total.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Purges up to there, or as far as the synced state goes. A failure has ended the replica, whose
/// own task reports it.
async fn purge(replica: &Replica, log: &GroupState, up_to: u64, is_beyond: bool) {
    let metrics = replica.metrics();
    let synced = metrics.snapshot.map_or(0, |id| id.index);
    let applied = metrics.last_applied.map_or(0, |id| id.index);
    // Few large entries fill the log before the next snapshot is due.
    if is_beyond && synced < up_to.min(applied) {
        drop(replica.raft.trigger().snapshot().await);
    }
    let up_to = up_to.min(synced);
    let least = if is_beyond { 1 } else { PURGE_BATCH };
    if up_to.saturating_add(1) >= log.first_index.saturating_add(least) {
        drop(replica.raft.trigger().purge_log(up_to).await);
    }
}

/// When a group's log had which last entry.
#[derive(Debug, Default)]
struct Ages {
    marks: VecDeque<(Duration, u64)>,
}

impl Ages {
    /// Takes note of the last entry; returns the newest that is too old to stay, if entries go by
    /// age.
    fn look(&mut self, now: Duration, last: u64, retention: &Retention) -> Option<u64> {
        let Retention { time, keep, .. } = *retention;
        if time.is_zero() {
            return None;
        }
        let age = |at: Duration| now.saturating_sub(at);
        if self.marks.back().is_none_or(|(at, _)| age(*at) >= time / MARKS) {
            self.marks.push_back((now, last));
        }
        while self.marks.get(1).is_some_and(|(at, _)| age(*at) >= time) {
            self.marks.pop_front();
        }
        let (_, old) = *self.marks.front().filter(|(at, _)| age(*at) >= time)?;
        Some(old.min(last.checked_sub(keep)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn an_entry_goes_when_it_is_old_and_not_one_of_the_last() {
        let retention = Retention { time: HOUR, keep: 100, ..Retention::DEFAULT };
        let mut ages = Ages::default();
        let mut oldest = None;
        for second in 0..20_000 {
            // Ten entries a second.
            let now = Duration::from_secs(second);
            let goes = ages.look(now, second * 10, &retention);
            assert!(goes >= oldest, "it never comes back");
            oldest = goes;
            assert!(ages.marks.len() <= MARKS as usize + 2);
            let hour_ago = second.saturating_sub(3600) * 10;
            let slack = 10 * 2 * 3600 / u64::from(MARKS);
            match goes {
                None => assert!(second < 3600),
                Some(goes) => assert!(goes <= hour_ago && goes + slack >= hour_ago, "{second}"),
            }
        }
        ages.look(Duration::from_secs(40_000), 199_990, &retention);
        let now = Duration::from_secs(50_000);
        assert_eq!(ages.look(now, 199_990, &retention), Some(199_890), "the last ones stay");
        let few = Retention { keep: 1_000_000, ..retention };
        assert_eq!(ages.look(now, 199_990, &few), None);
    }

    #[test]
    fn without_a_time_the_library_purges_by_count() {
        let mut ages = Ages::default();
        let retention = Retention::by_entries(10, 5);
        assert_eq!(ages.look(HOUR, 1000, &retention), None);
        assert_eq!(ages.look(HOUR * 9, 2000, &retention), None);
    }

    #[test]
    fn each_group_gives_up_the_same_part_of_its_log() {
        assert_eq!(surplus(300, 1000, 1000), 0);
        assert_eq!(surplus(300, 1000, 500), 150);
        assert_eq!(surplus(700, 1000, 500), 350);
        assert_eq!(surplus(0, 0, 0), 0);
        assert_eq!(surplus(u64::MAX, u64::MAX, 0), u64::MAX);
    }
}
