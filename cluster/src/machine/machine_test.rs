//! The same log gives the same state and the same results, however it is divided into batches,
//! snapshots and restarts, and no proposal makes apply fail.

use concordat_proto::{command::Proposal, id::GroupId, reply::Applied};
use proptest::{collection::vec, prelude::*};

use super::testkit::{HOME, Replica, home_command, proposals, system_command};
use crate::store::{keys::Kind, memory::MemoryStore};

/// A log with commands of both kinds: some are in the wrong group.
fn log() -> impl Strategy<Value = Vec<Proposal>> {
    let home = || proposals(home_command(), 0..60);
    let system = || proposals(system_command(), 0..60);
    prop_oneof![
        4 => home(),
        2 => system(),
        1 => (home(), system()).prop_map(|(home, system)| {
            home.into_iter().zip(system).flat_map(|(home, system)| [home, system]).collect()
        }),
    ]
}

fn group() -> impl Strategy<Value = GroupId> {
    prop_oneof![1 => Just(GroupId::SYSTEM), 2 => Just(HOME)]
}

fn one_by_one(replica: &Replica, log: &[Proposal]) -> Vec<Applied> {
    log.iter().map(|proposal| replica.one(proposal)).collect()
}

/// In batches whose sizes repeat in a cycle.
fn in_batches(replica: &Replica, mut log: &[Proposal], sizes: &[usize]) -> Vec<Applied> {
    let mut replies = Vec::new();
    for size in sizes.iter().cycle() {
        let (batch, rest) = log.split_at(log.len().min(*size));
        if batch.is_empty() {
            break;
        }
        replies.extend(replica.batch(batch));
        log = rest;
    }
    replies
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn batches_do_not_matter(group in group(), log in log(), sizes in vec(1_usize..20, 1..5)) {
        let (single, batched) = (Replica::new(group), Replica::new(group));
        prop_assert_eq!(one_by_one(&single, &log), in_batches(&batched, &log, &sizes));
        prop_assert_eq!(single.digest(), batched.digest());
        prop_assert_eq!(single.applied(), batched.applied());
    }

    #[test]
    fn a_snapshot_does_not_matter(
        group in group(),
        log in log(),
        cut in any::<prop::sample::Index>(),
        sizes in vec(1_usize..20, 1..5),
    ) {
        let original = Replica::new(group);
        let cut = cut.index(log.len() + 1);
        one_by_one(&original, &log[..cut]);
        let copy = original.copied_into(MemoryStore::default());
        prop_assert_eq!(original.digest(), copy.digest());
        let replies = one_by_one(&original, &log[cut..]);
        prop_assert_eq!(replies, in_batches(&copy, &log[cut..], &sizes));
        prop_assert_eq!(original.digest(), copy.digest());
    }

    #[test]
    fn a_failed_write_and_a_replay_do_not_matter(
        group in group(),
        log in log(),
        failing in 1_u64..10,
        size in 1_usize..12,
        back in any::<prop::sample::Index>(),
    ) {
        let steady = Replica::new(group);
        let expected = one_by_one(&steady, &log);
        let mut replica = Replica::new(group);
        replica.store = std::sync::Arc::new(MemoryStore::with_faults(failing));
        // The state on the disk at an earlier power failure.
        let mut earlier = replica.copied_into(MemoryStore::default());
        let back = back.index(log.len() + 1);
        while replica.next_index() < log.len() {
            let begin = replica.next_index();
            let end = log.len().min(begin + size);
            if let Ok(replies) = replica.try_batch(&log[begin..end]) {
                prop_assert_eq!(&replies[..], &expected[begin..end]);
            }
            if replica.next_index() <= back {
                earlier = replica.copied_into(MemoryStore::default());
            }
        }
        prop_assert_eq!(replica.digest(), steady.digest());
        let begin = earlier.next_index();
        prop_assert_eq!(&in_batches(&earlier, &log[begin..], &[size]), &expected[begin..]);
        prop_assert_eq!(earlier.digest(), steady.digest());
    }

    #[test]
    fn every_remembered_record_has_one_expiry(group in group(), log in log()) {
        let replica = Replica::new(group);
        for proposal in &log {
            replica.one(proposal);
            let remembered = replica.keys_of(Kind::Write) + replica.keys_of(Kind::IdempotencyKey);
            prop_assert_eq!(remembered, replica.keys_of(Kind::Expiry));
        }
    }
}
