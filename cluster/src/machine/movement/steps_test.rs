//! The next step by the states of two groups.

use concordat_proto::{
    id::WriteId,
    movement::{Arrival, Import, MovedAwayRecord, PreviousHome},
    org::Org,
    time::LogTime,
    wire::Wire,
};

use super::*;
use crate::{
    machine::testkit::{org, org_id},
    store::{Store, WriteBatch, keys, memory::MemoryStore},
};

const FROM: GroupId = GroupId(1);
const TO: GroupId = GroupId(2);

fn put(store: &MemoryStore, key: Vec<u8>, value: Vec<u8>) {
    let changes = vec![(key, Some(value))];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).expect("written");
}

fn home(epoch: u32, release: Option<(u32, bool)>, arrived: Option<u64>) -> HomeRecord {
    let release = release.map(|(epoch, handed_over)| Release {
        to: TO,
        epoch,
        index: LogIndex(5),
        handed_over,
    });
    let arrival = arrived.map(|index| Arrival {
        index: LogIndex(index),
        dedup_horizon: LogTime(0),
        past: vec![PreviousHome { epoch: epoch - 1, group: FROM, release: LogIndex(5) }],
    });
    HomeRecord { org: Org { epoch, ..org(0) }, arrival, release, ended: None }
}

fn away(epoch: u32, adopts: Option<(u32, bool)>) -> MovedAwayRecord {
    let import = adopts.map(|(epoch, is_whole)| Import {
        attempt: WriteId::from_bytes([1; 16]),
        org: Org { epoch, ..org(0) },
        dedup_horizon: LogTime(0),
        past: vec![PreviousHome { epoch: epoch - 1, group: FROM, release: LogIndex(5) }],
        next: 0,
        digest: [0; 32],
        is_whole,
    });
    MovedAwayRecord { epoch, to: None, import }
}

/// What two groups have.
#[derive(Default)]
struct States {
    from: Option<HomeRecord>,
    from_away: Option<MovedAwayRecord>,
    to: Option<HomeRecord>,
    to_away: Option<MovedAwayRecord>,
}

impl States {
    fn store(&self) -> MemoryStore {
        let (store, org) = (MemoryStore::default(), org_id(0));
        let homes = [(FROM, &self.from), (TO, &self.to)];
        for (group, home) in homes.into_iter().filter_map(|(group, it)| Some((group, it.as_ref()?)))
        {
            put(&store, keys::org(group, org), home.encode());
        }
        let aways = [(FROM, &self.from_away), (TO, &self.to_away)];
        for (group, away) in aways.into_iter().filter_map(|(group, it)| Some((group, it.as_ref()?)))
        {
            put(&store, keys::away(group, org), away.encode());
        }
        store
    }

    /// What the leader of a group has to do, when all nodes have reported up to this entry.
    fn next(&self, led: GroupId, reported: u64) -> Option<Command> {
        let everywhere = |_, index| LogIndex(reported) >= index;
        let (store, system) = (self.store(), SystemView::default());
        next_outgoing_step(&store, &system, led, org_id(0), everywhere).expect("it reads")
    }
}

#[test]
fn the_old_home_hands_over_when_the_new_one_has_all_and_forgets_when_every_node_sees_it() {
    let (org, epoch) = (org_id(0), 2);
    let released = |handed_over| Some(home(1, Some((2, handed_over)), None));
    let hand_over = Some(Command::MoveCommit { org, epoch });
    let forget = Some(Command::MoveCleanup { org, epoch });
    let step = |states: States, reported| states.next(FROM, reported);
    let from = released(false);
    assert_eq!(step(States { from: Some(home(1, None, None)), ..States::default() }, 9), None);
    for (to_away, due) in [
        (None, None),
        (Some(away(0, Some((2, false)))), None),
        (Some(away(0, Some((3, true)))), None),
        (Some(away(0, Some((2, true)))), hand_over.clone()),
    ] {
        let states = States { from: from.clone(), to_away, ..States::default() };
        assert_eq!(states.next(FROM, 9), due);
    }
    let to = Some(home(2, None, Some(7)));
    assert_eq!(step(States { from, to: to.clone(), ..States::default() }, 9), hand_over);
    let from = released(true);
    assert_eq!(step(States { from: from.clone(), ..States::default() }, 9), None, "not there yet");
    let there = || States { from: from.clone(), to: to.clone(), ..States::default() };
    assert_eq!(step(there(), 6), None, "a node does not see it yet");
    assert_eq!(step(there(), 7), forget);
    let gone_on = States { from: from.clone(), to_away: Some(away(3, None)), ..States::default() };
    assert_eq!(gone_on.next(FROM, 0), forget, "it has left again");
}

#[test]
fn the_new_home_forgets_an_adoption_that_was_taken_back() {
    let forget = Some(Command::MoveCleanup { org: org_id(0), epoch: 2 });
    let adopting = || Some(away(0, Some((2, true))));
    let next = |from: Option<HomeRecord>, from_away: Option<MovedAwayRecord>| {
        States { from, from_away, to_away: adopting(), ..States::default() }.next(TO, 0)
    };
    assert_eq!(next(Some(home(1, Some((2, false)), None)), None), None, "it is on its way");
    assert_eq!(next(Some(home(3, None, None)), None), forget, "restored");
    assert_eq!(next(None, Some(away(3, None))), forget, "restored, and let go elsewhere");
    assert_eq!(States::default().next(TO, 0), None);
}

#[test]
fn an_organization_is_on_its_way_until_the_new_home_has_it() {
    let way = |states: &States| {
        let system = SystemView::default();
        on_its_way(&states.store(), &system, FROM, org_id(0)).expect("it reads")
    };
    let from = Some(home(1, Some((2, true)), None));
    let mut states = States { from, ..States::default() };
    assert_eq!(way(&states), Some((TO, true)));
    states.to_away = Some(away(1, Some((2, true))));
    assert_eq!(way(&states), Some((TO, true)), "adopted is not arrived");
    states.to = Some(home(2, None, Some(7)));
    assert_eq!(way(&states), None);
    assert_eq!(way(&States { from: Some(home(1, None, None)), ..States::default() }), None);
    let come = |epoch| has_come(&states.store(), TO, org_id(0), epoch).expect("it reads");
    assert!(come(1) && come(2) && !come(3));
}
