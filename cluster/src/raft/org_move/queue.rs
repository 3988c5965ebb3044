//! The queue of moves at the leader of an organization's home group.
//!
//! A freeze stops an organization's writes until its new home has imported it, and that takes at
//! least the longest lease. So an organization is frozen only when the two homes have a slot for
//! it. From this group to one other, at most [`limits::MOVES_MAX`] organizations move at once,
//! and the moves of at most [`limits::MOVES_COPIED_MAX`] of them are not yet committed. All others
//! wait here, and accept writes meanwhile.
//!
//! # Slots
//! They are read from this node's own replicas on demand, never counted: an organization has a slot
//! from its freeze until it has its home elsewhere. Slots belong to a pair of homes. So a move that
//! cannot continue, because one of its two homes has lost its quorum, blocks only moves between the
//! same two homes, and frees its slot when it arrives or is aborted.
//!
//! # Why the queue is in memory
//! A request that waits here has changed nothing: if it does not get its turn in time, the answer
//! says that certainly nothing was done, and the client retries. The promise of an answered move is
//! in the log. A new leader begins with an empty queue, and with the slots in its state.
//!
//! Nothing here proposes anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, OrgId},
    limits,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::{
    locks::locked,
    machine::slots::{self, Taken, Verdict, Waiting},
    store::StoreError,
};

/// How long a place is kept for a request that is repeated.
const KEEP_PLACE: Duration = Duration::from_secs(5);
/// Changed organizations that were not checked yet. The next full check finds those beyond the
/// limit.
const NEWS_MAX: usize = 4096;

/// The queues of all groups that this node leads, and the news for the movers.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    lines: Mutex<BTreeMap<GroupId, Line>>,
    news: Mutex<BTreeSet<OrgId>>,
    changed: Notify,
}

/// The turn of a move: it has its slot from here on. Keep it until the freeze is applied.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    group: GroupId,
    org: OrgId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.end(self.group, self.org);
    }
}

/// One group's queue.
#[derive(Debug, Default)]
struct Line {
    /// The term of this node's leadership for which `released` is complete; none before.
    term: Option<u64>,
    /// Everything that may have a slot by the group's state, and some that have none any more.
    released: BTreeSet<OrgId>,
    /// Releases that are being proposed here: where to, and how many requests.
    admitted: BTreeMap<OrgId, (GroupId, usize)>,
    /// In order of arrival.
    places: Vec<Place>,
    /// The slots that were taken at the last call.
    taken: BTreeMap<GroupId, Taken>,
}

/// A place in the queue: an organization's, whichever request asks for it.
#[derive(Debug)]
struct Place {
    org: OrgId,
    to: GroupId,
    asking: Vec<oneshot::Sender<Turn>>,
    kept_until: Instant,
}

impl Place {
    fn is_asked_for(&self) -> bool {
        self.asking.iter().any(|asking| !asking.is_closed())
    }

    fn waiting(&self, now: Instant) -> Waiting {
        let (is_asked_for, is_kept) = (self.is_asked_for(), self.kept_until > now);
        Waiting { to: self.to, is_asked_for, is_kept }
    }
}

impl Line {
    /// Takes a place, or the one that the organization has; none when there are too many.
    fn enter(
        &mut self,
        org: OrgId,
        to: GroupId,
        until: Instant,
    ) -> Option<oneshot::Receiver<Turn>> {
        let (asking, is_turn) = oneshot::channel();
        let kept_until = until + KEEP_PLACE;
        let is_full = self.places.len() >= limits::MOVES_QUEUED_MAX;
        match self.places.iter_mut().find(|place| (place.org, place.to) == (org, to)) {
            Some(place) => {
                place.asking.retain(|asking| !asking.is_closed());
                place.asking.push(asking);
                place.kept_until = place.kept_until.max(kept_until);
            }
            None if is_full => return None,
            None => self.places.push(Place { org, to, asking: vec![asking], kept_until }),
        }
        Some(is_turn)
    }

    /// The number of organizations ahead.
    fn ahead_of(&self, org: OrgId, to: GroupId) -> usize {
        let same_way = self.places.iter().filter(|place| place.to == to);
        let ahead = same_way.take_while(|place| place.org != org).count();
        ahead + self.taken.get(&to).map_or(0, |taken| taken.all)
    }

    /// Removes those whose turn it is, given the taken slots in the group's state: the first ones
    /// with a waiting request. A place without one is skipped, and kept for a while.
    fn call(&mut self, mut taken: BTreeMap<GroupId, Taken>, now: Instant) -> Vec<Place> {
        for (to, _) in self.admitted.values() {
            taken.entry(*to).or_default().take(false);
        }
        let mut called = Vec::new();
        let mut kept = Vec::new();
        for place in std::mem::take(&mut self.places) {
            match slots::verdict(place.waiting(now), &mut taken) {
                Verdict::Called => called.push(place),
                Verdict::Waits => kept.push(place),
                Verdict::Dropped => {}
            }
        }
        self.places = kept;
        self.taken = taken;
        called
    }
}

impl Turns {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<GroupId, Line>> {
        locked(&self.lines)
    }

    fn news(&self) -> MutexGuard<'_, BTreeSet<OrgId>> {
        locked(&self.news)
    }

    /// Steps of moves have been applied here.
    pub(crate) fn note(&self, orgs: &[OrgId]) {
        if orgs.is_empty() {
            return;
        }
        let mut news = self.news();
        for org in orgs {
            if news.len() < NEWS_MAX {
                news.insert(*org);
            }
        }
        drop(news);
        self.changed.notify_one();
    }

    /// Returns when something has changed, or the time is over.
    pub(crate) async fn changed(&self, limit: Duration) {
        drop(tokio::time::timeout(limit, self.changed.notified()).await);
    }

    /// The organizations that have changed.
    pub(crate) fn take_news(&self) -> BTreeSet<OrgId> {
        std::mem::take(&mut *self.news())
    }

    /// A group that this node leads has released an organization.
    pub(crate) fn released(&self, group: GroupId, org: OrgId) {
        self.lines().entry(group).or_default().released.insert(org);
    }

    /// Everything that has a slot in a group was looked for, since this node began to lead it.
    pub(crate) fn all_known(&self, group: GroupId, term: u64) {
        self.lines().entry(group).or_default().term = Some(term);
    }

    /// Drops groups that this node does not lead any more.
    pub(crate) fn keep(&self, is_led: impl Fn(GroupId) -> bool) {
        for (group, line) in self.lines().iter_mut() {
            if !is_led(*group) {
                line.term = None;
                line.released.clear();
                line.places.retain(Place::is_asked_for);
            }
        }
    }

    /// Waits until it is an organization's turn to be released; how many go first when it was not
    /// in time.
    pub(crate) async fn turn(
        &self,
        group: GroupId,
        org: OrgId,
        to: GroupId,
        limit: Duration,
    ) -> Result<Turn, usize> {
        let until = Instant::now() + limit;
        let entered = self.lines().entry(group).or_default().enter(org, to, until);
        let Some(is_turn) = entered else {
            tokio::time::sleep_until(until).await;
            return Err(limits::MOVES_QUEUED_MAX);
        };
        self.changed.notify_one();
        match tokio::time::timeout_at(until, is_turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => {
                let ahead = |line: &Line| line.ahead_of(org, to);
                Err(self.lines().get(&group).map_or(0, ahead))
            }
        }
    }

    /// Gives the free slots of a group that this node leads in `term` to those whose turn it is.
    /// `slot_of` returns an organization's target group, and whether its move is committed.
    pub(crate) fn call_up(
        self: &Arc<Self>,
        group: GroupId,
        term: u64,
        slot_of: impl Fn(OrgId) -> Result<Option<(GroupId, bool)>, StoreError>,
    ) -> Result<(), StoreError> {
        let called = {
            let mut lines = self.lines();
            let Some(line) = lines.get_mut(&group).filter(|line| line.term == Some(term)) else {
                return Ok(());
            };
            let mut taken: BTreeMap<GroupId, Taken> = BTreeMap::new();
            let mut over = Vec::new();
            for org in &line.released {
                // Its slot is counted by `call`. It also stays in `released` while its freeze is
                // not applied: once it is, the turn may end before the news of it is read.
                if line.admitted.contains_key(org) {
                    continue;
                }
                match slot_of(*org)? {
                    Some((to, is_move_committed)) => {
                        taken.entry(to).or_default().take(is_move_committed);
                    }
                    None => over.push(*org),
                }
            }
            line.released.retain(|org| !over.contains(org));
            let called = line.call(taken, Instant::now());
            for place in &called {
                line.released.insert(place.org);
                let requests = place.asking.len();
                line.admitted.entry(place.org).or_insert((place.to, 0)).1 += requests;
            }
            called
        };
        // Outside of the lock: a turn without a receiver is given back at once.
        for Place { org, asking, .. } in called {
            for asking in asking {
                drop(asking.send(Turn { turns: Arc::clone(self), group, org }));
            }
        }
        Ok(())
    }

    fn end(&self, group: GroupId, org: OrgId) {
        if let Some(line) = self.lines().get_mut(&group)
            && let Some((_, requests)) = line.admitted.get_mut(&org)
        {
            *requests -= 1;
            if *requests == 0 {
                line.admitted.remove(&org);
            }
        }
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: GroupId = GroupId(2);
    const OTHER: GroupId = GroupId(3);

    fn org(number: usize) -> OrgId {
        OrgId::from_bytes([u8::try_from(number).expect("few"); 16])
    }

    fn queue(to: GroupId, count: usize) -> (Line, Vec<oneshot::Receiver<Turn>>) {
        let mut line = Line::default();
        let until = Instant::now() + Duration::from_secs(1);
        let turns = (0..count).map(|number| line.enter(org(number), to, until));
        let turns = turns.map(|turn| turn.expect("a place")).collect();
        (line, turns)
    }

    fn orgs(called: &[Place]) -> Vec<OrgId> {
        called.iter().map(|place| place.org).collect()
    }

    fn taken(to: GroupId, all: usize, copied: usize) -> BTreeMap<GroupId, Taken> {
        BTreeMap::from([(to, Taken { all, copied })])
    }

    #[test]
    fn no_more_are_released_than_there_are_slots() {
        let now = Instant::now();
        let (mut line, _turns) = queue(TO, 20);
        let first = line.call(BTreeMap::new(), now);
        let expected: Vec<OrgId> = (0..limits::MOVES_COPIED_MAX).map(org).collect();
        assert_eq!(orgs(&first), expected, "in order of arrival");
        let copied = limits::MOVES_COPIED_MAX;
        assert!(line.call(taken(TO, copied, copied), now).is_empty(), "all are being copied");
        let next = line.call(taken(TO, copied, copied - 1), now);
        assert_eq!(orgs(&next), [org(copied)], "one was handed over");
        assert!(line.call(taken(TO, limits::MOVES_MAX, 0), now).is_empty(), "none has arrived");
        assert_eq!(line.ahead_of(org(19), TO), 19 - copied - 1 + limits::MOVES_MAX);
    }

    #[test]
    fn moves_that_do_not_go_on_hold_up_none_to_another_home() {
        let now = Instant::now();
        let (mut line, _turns) = queue(TO, 2);
        let until = now + Duration::from_secs(1);
        let _other = line.enter(org(9), OTHER, until).expect("a place");
        let stuck = taken(TO, limits::MOVES_COPIED_MAX, limits::MOVES_COPIED_MAX);
        assert_eq!(orgs(&line.call(stuck, now)), [org(9)]);
    }

    #[test]
    fn what_is_being_proposed_has_its_slot() {
        let (mut line, _turns) = queue(TO, 6);
        for number in 10..10 + limits::MOVES_COPIED_MAX {
            line.admitted.insert(org(number), (TO, 1));
        }
        assert!(line.call(BTreeMap::new(), Instant::now()).is_empty());
    }

    #[test]
    fn a_slot_is_not_given_again_between_the_freeze_and_its_news() {
        let turns = Arc::new(Turns::default());
        let (group, term) = (GroupId(1), 7);
        turns.all_known(group, term);
        let until = Instant::now() + Duration::from_secs(1);
        let mut enter = |number| {
            let mut lines = turns.lines();
            lines.entry(group).or_default().enter(org(number), TO, until).expect("a place")
        };
        let mut waiting: Vec<_> = (0..=limits::MOVES_COPIED_MAX).map(&mut enter).collect();
        let call_up = |frozen: bool| {
            turns.call_up(group, term, |_| Ok(frozen.then_some((TO, false)))).expect("it reads");
        };
        call_up(false);
        let first: Vec<Turn> = waiting
            .iter_mut()
            .take(limits::MOVES_COPIED_MAX)
            .map(|is_turn| is_turn.try_recv().expect("its turn"))
            .collect();
        // Called again before any freeze is applied. Then all are, and each proposer has its answer;
        // the news has not been read.
        call_up(false);
        drop(first);
        call_up(true);
        let last = waiting.last_mut().expect("one waits");
        assert!(last.try_recv().is_err(), "all slots are taken");
    }

    #[test]
    fn a_place_is_kept_for_one_who_asks_again() {
        let now = Instant::now();
        let (mut line, mut turns) = queue(TO, 2);
        drop(turns.remove(0));
        let full = || taken(TO, limits::MOVES_MAX, 0);
        assert!(line.call(full(), now).is_empty());
        assert_eq!(line.places.len(), 2, "it may be made again in a moment");
        let _again = line.enter(org(0), TO, now + Duration::from_secs(1)).expect("a place");
        assert_eq!(
            line.ahead_of(org(0), TO),
            limits::MOVES_MAX,
            "it is the first of those that wait"
        );
        drop(line.enter(org(7), TO, now));
        assert_eq!(line.places.len(), 3);
        assert!(line.call(full(), now + 2 * KEEP_PLACE).is_empty());
        assert_eq!(line.places.len(), 2, "nobody has asked for the third one for long");
        let (mut line, turns) = queue(TO, 2);
        drop(turns);
        let _asked = line.enter(org(1), TO, now).expect("a place");
        assert_eq!(
            orgs(&line.call(BTreeMap::new(), now)),
            [org(1)],
            "who is absent is passed over"
        );
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut line = Line::default();
        let until = Instant::now();
        for number in 0..limits::MOVES_QUEUED_MAX {
            let org = OrgId::from_bytes((number as u128).to_be_bytes());
            assert!(line.enter(org, TO, until).is_some());
        }
        assert!(line.enter(OrgId::from_bytes([9; 16]), TO, until).is_none());
    }
}
