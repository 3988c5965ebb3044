//! When a replica asks for its next lease: a third of a lease after the last time, and at once of a new
//! leader; one frame a leader for all its groups.
//!
//! It sends nothing. That a lease is never asked for sooner than needed costs nothing but frames.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::id::{GroupId, NodeId};

/// How much sooner than due a group's lease is asked for, when another one's is due: one frame a
/// leader for all its groups.
const PIGGYBACK_FRACTION: u32 = 6;
/// Between two looks at the latest.
const LOOK_MAX: Duration = Duration::from_millis(250);

/// When a group's lease was asked for last, and of whom.
#[derive(Debug, Clone, Copy)]
struct Asked {
    leader: NodeId,
    at: Duration,
}

/// What a replica may ask for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It may hold no lease, or knows no leader.
    Nothing,
    /// Its disk is late: it lets its lease of this length run out, and looks again soon.
    RunOut(Duration),
    /// A lease of this length, of this leader.
    Lease(NodeId, Duration),
}

/// One frame: which groups a leader is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who is asked.
    pub leader: NodeId,
    /// For these groups.
    pub groups: BTreeSet<GroupId>,
    /// An answer after this is worth nothing.
    pub limit: Duration,
}

/// When each group's lease was asked for last.
#[derive(Debug, Default)]
pub struct Renewals {
    asked: BTreeMap<GroupId, Asked>,
}

impl Renewals {
    /// What to ask now, in order of leader, and after how long to look again.
    pub fn due(
        &mut self,
        wanted: impl IntoIterator<Item = (GroupId, Wanted)>,
        now: Duration,
    ) -> (Vec<Question>, Duration) {
        let mut frames: BTreeMap<NodeId, (bool, Vec<(GroupId, Duration)>)> = BTreeMap::new();
        let mut next = LOOK_MAX;
        for (group, wanted) in wanted {
            let (leader, length) = match wanted {
                Wanted::Lease(leader, length) => (leader, length),
                Wanted::Nothing => {
                    self.asked.remove(&group);
                    continue;
                }
                Wanted::RunOut(length) => {
                    self.asked.remove(&group);
                    next = next.min(length / PIGGYBACK_FRACTION);
                    continue;
                }
            };
            let last = self.asked.get(&group).filter(|asked| asked.leader == leader);
            let due = last.map_or(now, |asked| asked.at.saturating_add(length / 3));
            next = next.min(due.saturating_sub(now).max(length / PIGGYBACK_FRACTION));
            if due <= now.saturating_add(length / PIGGYBACK_FRACTION) {
                let frame = frames.entry(leader).or_default();
                frame.0 |= due <= now;
                frame.1.push((group, length));
            }
        }
        let mut questions = Vec::new();
        for (leader, (_, of)) in frames.into_iter().filter(|(_, (is_due, _))| *is_due) {
            for (group, _) in &of {
                self.asked.insert(*group, Asked { leader, at: now });
            }
            let limit = of.iter().map(|(_, length)| *length).max().unwrap_or_default();
            let groups = of.into_iter().map(|(group, _)| group).collect();
            questions.push(Question { leader, groups, limit });
        }
        (questions, next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const LEASE: Duration = Duration::from_millis(600);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn lease(group: u32, leader: u64) -> (GroupId, Wanted) {
        (GroupId(group), Wanted::Lease(NodeId(leader), LEASE))
    }

    fn question(leader: u64, groups: &[u32]) -> Question {
        let groups = groups.iter().copied().map(GroupId).collect();
        Question { leader: NodeId(leader), groups, limit: LEASE }
    }

    #[test]
    fn a_lease_is_asked_for_a_third_of_it_after_the_last_time() {
        let mut renewals = Renewals::default();
        assert_eq!(renewals.due([lease(1, 7)], ms(0)), (vec![question(7, &[1])], ms(100)));
        assert_eq!(renewals.due([lease(1, 7)], ms(50)), (vec![], ms(150)));
        assert_eq!(renewals.due([lease(1, 7)], ms(199)), (vec![], ms(100)));
        assert_eq!(renewals.due([lease(1, 7)], ms(200)).0, [question(7, &[1])]);
        assert_eq!(renewals.due([lease(1, 8)], ms(201)).0, [question(8, &[1])], "a new leader");
    }

    #[test]
    fn one_frame_a_leader_takes_along_what_is_nearly_due() {
        let mut renewals = Renewals::default();
        renewals.due([lease(1, 7)], ms(0));
        renewals.due([lease(1, 7), lease(2, 7), lease(3, 8)], ms(90));
        let all = [lease(1, 7), lease(2, 7), lease(3, 8)];
        assert_eq!(renewals.due(all, ms(190)).0, [], "none is due");
        assert_eq!(renewals.due(all, ms(200)).0, [question(7, &[1, 2])]);
        assert_eq!(renewals.due(all, ms(290)).0, [question(8, &[3])]);
    }

    #[test]
    fn who_lets_its_lease_run_out_asks_at_once_when_its_disk_keeps_pace_again() {
        let mut renewals = Renewals::default();
        renewals.due([lease(1, 7)], ms(0));
        let late = [(GroupId(1), Wanted::RunOut(LEASE))];
        assert_eq!(renewals.due(late, ms(50)), (vec![], ms(100)));
        assert_eq!(renewals.due([lease(1, 7)], ms(60)).0, [question(7, &[1])]);
        assert_eq!(renewals.due([(GroupId(1), Wanted::Nothing)], ms(61)), (vec![], LOOK_MAX));
        assert_eq!(renewals.due([lease(1, 7)], ms(62)).0, [question(7, &[1])]);
    }

    proptest! {
        /// A node that looks again when it is due never has a lease run out.
        #[test]
        fn a_lease_is_always_asked_for_in_time(lengths in vec(30_u64..2000, 1..5)) {
            let mut renewals = Renewals::default();
            let mut last = vec![None; lengths.len()];
            let mut now = Duration::ZERO;
            for _ in 0..50 {
                let wanted = (0_u32..).zip(&lengths).map(|(group, length)| {
                    let leader = NodeId(u64::from(group % 2));
                    (GroupId(group), Wanted::Lease(leader, ms(*length)))
                });
                let (questions, next) = renewals.due(wanted, now);
                for group in questions.iter().flat_map(|question| &question.groups) {
                    last[usize::try_from(group.0).expect("few")] = Some(now);
                }
                for (asked, length) in last.iter().zip(&lengths) {
                    let asked = asked.expect("asked for at the first look");
                    prop_assert!(now - asked < ms(*length));
                }
                prop_assert!(next > Duration::ZERO);
                now += next;
            }
        }
    }
}
