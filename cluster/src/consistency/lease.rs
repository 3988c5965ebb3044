//! Read leases: those that a leader has granted, and those that a replica holds.
//!
//! Nothing here sends, waits or reads a clock: `now` is a duration on the node's own steady clock.
//! The leader's side must never forget a lease that may still be held. The holder's side must never
//! count a lease longer than from the moment it asked.

use std::{collections::BTreeMap, time::Duration};

use super::pace::{Pace, Terms};
use crate::planted;
use concordat_proto::{
    id::NodeId,
    lease::LeaseGrant,
    log::{LogIndex, Term},
    time::LogTime,
};

/// A leader that cannot prove its leadership within this after it registered a lease grants none.
/// So the maximal delay by a registered lease is known before it is granted.
pub const PROOF_MAX: Duration = Duration::from_millis(250);

/// Leases that a holder keeps in mind for one group; the oldest goes first.
const HELD_MAX: usize = 8;

/// A lease that may be held somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Granted {
    ticket: u64,
    /// Nothing until the proof: as if it covered no entry.
    covers: LogIndex,
    /// Until when it may be held at the latest.
    until: Duration,
}

/// The name of a lease that is registered and not yet granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    number: u64,
    node: NodeId,
    registered: Duration,
    /// The lease's length, stretched by what clocks may differ.
    stretched: Duration,
}

/// The leases of one group that replicas may hold, as the group's leader knows them.
///
/// The leader uses it; on other nodes it is kept and stays correct.
#[derive(Debug, Default)]
pub struct LeaseTable {
    term: Term,
    next: u64,
    /// When that term began, and the longest lease that an earlier leader may have granted.
    began: Option<(Duration, Duration)>,
    granted: BTreeMap<NodeId, Vec<Granted>>,
    /// Whether each replica that has asked in this term keeps pace.
    paces: BTreeMap<NodeId, Pace>,
}

impl LeaseTable {
    /// This node leads in a term. In a newer term than the last one that it led in, every replica
    /// counts as holding a lease for `longest` from now: an earlier leader may have granted it.
    /// Call it again whenever the longest lease may have changed: a leader may read in its log only
    /// after its election how long earlier leaders' leases were.
    ///
    /// Why not a leader lease longer: an earlier leader proved its leadership by answers of a
    /// quorum that were not older than nine tenths of the leader lease. A voter of that quorum
    /// voted for this node only when the whole leader lease had passed since. So the earlier
    /// leader's last proof was before this election.
    pub fn begin(&mut self, term: Term, longest: Duration, now: Duration) {
        let began = match self.began {
            Some((began, _)) if term <= self.term => began,
            _ => now,
        };
        if term > self.term {
            // While this node did not lead, reports to it do not show who keeps pace.
            self.paces.clear();
        }
        self.term = self.term.max(term);
        self.began = Some((began, longest));
    }

    /// The log now contains a longer lease of earlier leaders than was known: after a power failure
    /// the state was behind when the term began.
    pub fn recount(&mut self, longest: Duration) {
        if let Some((_, known)) = &mut self.began {
            *known = longest.max(*known);
        }
    }

    /// A replica asks for a lease, and its reports are late by `late`: whether it keeps pace. One
    /// that does not gets no lease, because it would delay each write by that lease. Call it before
    /// [`LeaseTable::register`].
    pub fn keeps_pace(
        &mut self,
        node: NodeId,
        late: Duration,
        lease: Duration,
        now: Duration,
    ) -> bool {
        self.paces.entry(node).or_default().look(late, &Terms::of_reports(lease), now)
    }

    /// A replica has reported, late by so much.
    pub fn on_report(&mut self, node: NodeId, late: Duration, now: Duration) {
        if let Some(pace) = self.paces.get_mut(&node) {
            pace.on_report(late, now);
        }
    }

    /// The replicas that get no lease because they do not keep pace, and for how long they have
    /// not.
    #[must_use]
    pub fn refused(&self, now: Duration) -> BTreeMap<NodeId, Duration> {
        let refused = |(node, pace): (&NodeId, &Pace)| Some((*node, pace.behind_for(now)?));
        self.paces.iter().filter_map(refused).collect()
    }

    /// Notes that a replica is about to be granted a lease of this length (stretched). From here on
    /// it counts as held; only then may the leader prove its lead and read its commit index.
    pub fn register(&mut self, node: NodeId, stretched: Duration, now: Duration) -> Ticket {
        self.next += 1;
        let until = now.saturating_add(PROOF_MAX).saturating_add(stretched);
        let of = self.granted.entry(node).or_default();
        of.retain(|lease| lease.until > now);
        of.push(Granted { ticket: self.next, covers: LogIndex(0), until });
        Ticket { number: self.next, node, registered: now, stretched }
    }

    /// The lead was proved in `term`, with this commit index: whether the lease may be sent. Not
    /// when the proof took too long, or was of a term that this table does not know of.
    pub fn grant(&mut self, ticket: Ticket, term: Term, covers: LogIndex, now: Duration) -> bool {
        if term != self.term || now > ticket.registered.saturating_add(PROOF_MAX) {
            self.withdraw(ticket);
            return false;
        }
        let of = self.granted.get_mut(&ticket.node);
        let lease = of.and_then(|of| of.iter_mut().find(|lease| lease.ticket == ticket.number));
        let Some(lease) = lease else { return false };
        lease.covers = covers;
        lease.until = now.saturating_add(ticket.stretched);
        true
    }

    /// No lease was sent.
    pub fn withdraw(&mut self, ticket: Ticket) {
        if let Some(of) = self.granted.get_mut(&ticket.node) {
            of.retain(|lease| lease.ticket != ticket.number);
        }
    }

    /// For how long yet a replica may hold a lease that does not cover `index`. Once the leader
    /// knows `index` to be committed this only shrinks: all later ones cover it.
    #[must_use]
    pub fn left(&self, node: NodeId, index: LogIndex, now: Duration) -> Duration {
        let granted = self.granted.get(&node).into_iter().flatten();
        let before = granted
            .filter(|lease| planted::on_granted_before(lease.covers < index))
            .map(|lease| lease.until);
        let inherited = self.began.map(|(began, longest)| began.saturating_add(longest));
        let until = before.max().max(planted::on_inherited(inherited)).unwrap_or_default();
        until.saturating_sub(now)
    }

    /// The same, if leases are counted in this term already.
    #[must_use]
    pub fn left_in(
        &self,
        term: Term,
        node: NodeId,
        index: LogIndex,
        now: Duration,
    ) -> Option<Duration> {
        let is_counted = self.began.is_some() && self.term == term;
        is_counted.then(|| self.left(node, index, now))
    }

    /// For how long yet a replica may hold any lease: it is not removed before.
    #[must_use]
    pub fn left_of_any(&self, node: NodeId, now: Duration) -> Duration {
        self.left(node, LogIndex(u64::MAX), now)
    }

    /// The newest term that this node led in.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The number of replicas that may hold a lease now.
    #[must_use]
    pub fn holders(&self, now: Duration) -> usize {
        let live = |of: &&Vec<Granted>| of.iter().any(|lease| lease.until > now);
        self.granted.values().filter(live).count()
    }
}

/// A lease that this node's replica holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    covers: LogIndex,
    until: Duration,
    asked: Duration,
    /// Wall time when it was asked for: for people.
    asked_at: LogTime,
}

/// The leases that this node's replica of one group holds.
#[derive(Debug, Default)]
pub struct HeldLeases {
    held: Vec<Held>,
    /// When the newest lease that the state has caught up with was requested.
    as_of: Option<LogTime>,
    /// The same by the steady clock.
    proven: Option<Duration>,
    /// When the last lease that the state has caught up with expired.
    ended: Option<Duration>,
}

impl HeldLeases {
    /// Takes a grant over; `asked` is when this node asked, before it sent the question.
    pub fn add(&mut self, grant: &LeaseGrant, asked: Duration, asked_at: LogTime) {
        if self.held.len() >= HELD_MAX {
            self.held.remove(0);
        }
        let until = asked.saturating_add(grant.length);
        self.held.push(Held { covers: grant.covers, until, asked, asked_at });
    }

    /// Whether reads are fresh now, from a state that has applied `visible`.
    #[must_use]
    pub fn is_current(&self, visible: LogIndex, now: Duration) -> bool {
        self.held.iter().any(|lease| {
            planted::on_lease_covers(lease.covers <= visible)
                && planted::on_lease_lasts(now < lease.until)
        })
    }

    /// A lower bound of the state's wall time: when the newest lease that it has caught up with was
    /// requested.
    pub fn as_of(&mut self, visible: LogIndex) -> Option<LogTime> {
        let caught_up = self.held.iter().filter(|lease| lease.covers <= visible);
        self.as_of = self.as_of.max(caught_up.map(|lease| lease.asked_at).max());
        self.as_of
    }

    /// A lower bound of the state's age on the steady clock: when the newest lease that it has
    /// caught up with was requested. It stays when that lease has expired.
    pub fn proven(&mut self, visible: LogIndex) -> Option<Duration> {
        let caught_up = self.held.iter().filter(|lease| lease.covers <= visible);
        self.proven = self.proven.max(caught_up.map(|lease| lease.asked).max());
        self.proven
    }

    /// The moment, by the steady clock, up to which reads could be answered unmarked.
    pub fn ended(&mut self, visible: LogIndex) -> Option<Duration> {
        let caught_up = self.held.iter().filter(|lease| lease.covers <= visible);
        self.ended = self.ended.max(caught_up.map(|lease| lease.until).max());
        self.ended
    }

    /// What was known of the state before this replica was reopened in the same process.
    pub fn remember(&mut self, as_of: Option<LogTime>, proven: Option<Duration>) {
        self.as_of = self.as_of.max(as_of);
        self.proven = self.proven.max(proven);
    }

    /// Since the newest lease was asked for.
    #[must_use]
    pub fn age(&self, now: Duration) -> Option<Duration> {
        let asked = self.held.iter().map(|lease| lease.asked).max()?;
        Some(now.saturating_sub(asked))
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::id::GroupId;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NODE: NodeId = NodeId(1);
    const L: Duration = Duration::from_millis(500);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn led() -> LeaseTable {
        let mut table = LeaseTable::default();
        table.begin(Term(1), L, ms(0));
        table
    }

    #[test]
    fn a_new_leader_counts_everybody_for_one_lease() {
        let mut table = led();
        assert_eq!(table.left(NODE, LogIndex(1), ms(100)), ms(400));
        assert_eq!(table.left(NODE, LogIndex(1), ms(500)), Duration::ZERO);
        table.begin(Term(1), L, ms(600));
        assert_eq!(table.left(NODE, LogIndex(1), ms(600)), Duration::ZERO, "the same term");
        table.begin(Term(2), L, ms(700));
        assert_eq!(table.left(NODE, LogIndex(1), ms(700)), L);
    }

    #[test]
    fn a_leader_whose_state_was_set_back_counts_longer_leases_once_its_log_names_them() {
        let mut table = LeaseTable::default();
        table.begin(Term(1), L, ms(0));
        assert_eq!(table.left_of_any(NODE, ms(600)), L.saturating_sub(ms(600)));
        // Applied only after the term began: earlier leaders granted by this.
        table.recount(L * 3);
        assert_eq!(table.left_of_any(NODE, ms(600)), (L * 3).saturating_sub(ms(600)));
        table.recount(L);
        assert_eq!(table.left_of_any(NODE, ms(600)), (L * 3).saturating_sub(ms(600)));
    }

    #[test]
    fn a_registered_lease_counts_before_it_is_granted() {
        let mut table = led();
        let ticket = table.register(NODE, L, ms(1000));
        assert_eq!(table.left(NODE, LogIndex(1), ms(1000)), PROOF_MAX + L);
        assert!(table.grant(ticket, Term(1), LogIndex(7), ms(1010)));
        assert_eq!(table.left(NODE, LogIndex(7), ms(1010)), Duration::ZERO, "it covers 7");
        assert_eq!(table.left(NODE, LogIndex(8), ms(1010)), L);
        assert_eq!(table.left_of_any(NODE, ms(1010)), L);
        assert_eq!(table.holders(ms(1010)), 1);
        assert_eq!(table.holders(ms(1510)), 0);
    }

    #[test]
    fn a_late_proof_and_one_of_another_term_grant_nothing() {
        let mut table = led();
        let late = table.register(NODE, L, ms(1000));
        assert!(!table.grant(late, Term(1), LogIndex(7), ms(1251)));
        let other = table.register(NODE, L, ms(1300));
        assert!(!table.grant(other, Term(2), LogIndex(7), ms(1300)));
        assert_eq!(table.left_of_any(NODE, ms(1300)), Duration::ZERO);
    }

    #[test]
    fn renewing_does_not_make_an_older_lease_longer() {
        let mut table = led();
        for at in [1000, 1150, 1300] {
            let ticket = table.register(NODE, L, ms(at));
            assert!(table.grant(ticket, Term(1), LogIndex(at), ms(at)));
        }
        // A replica that lags but lives: entry 1100 waits for the first lease only.
        assert_eq!(table.left(NODE, LogIndex(1100), ms(1300)), ms(200));
        assert_eq!(table.left(NODE, LogIndex(1200), ms(1300)), ms(350));
    }

    #[test]
    fn who_does_not_keep_pace_is_refused_until_the_next_leader() {
        let mut table = led();
        table.on_report(NODE, ms(9000), ms(0));
        assert!(table.keeps_pace(NODE, ms(250), L, ms(0)), "nobody had asked");
        table.on_report(NODE, ms(301), ms(100));
        assert_eq!(table.refused(ms(150)), [(NODE, ms(50))].into());
        assert!(table.keeps_pace(NODE, ms(0), L, ms(200)));
        assert!(!table.keeps_pace(NODE, ms(301), L, ms(300)));
        assert!(!table.keeps_pace(NODE, ms(0), L, ms(400)), "it rests");
        table.begin(Term(1), L, ms(500));
        assert!(!table.keeps_pace(NODE, ms(0), L, ms(500)), "the same term");
        table.begin(Term(2), L, ms(500));
        assert!(table.keeps_pace(NODE, ms(0), L, ms(500)));
        assert!(table.refused(ms(500)).is_empty());
    }

    #[test]
    fn a_holder_counts_from_its_question() {
        let mut held = HeldLeases::default();
        let grant = LeaseGrant { group: GroupId(1), term: Term(1), covers: LogIndex(5), length: L };
        held.add(&grant, ms(100), LogTime(7));
        assert!(!held.is_current(LogIndex(4), ms(100)), "not caught up");
        assert_eq!((held.as_of(LogIndex(4)), held.proven(LogIndex(4))), (None, None));
        assert!(held.is_current(LogIndex(5), ms(599)));
        assert!(!held.is_current(LogIndex(5), ms(600)));
        assert_eq!((held.as_of(LogIndex(5)), held.age(ms(600))), (Some(LogTime(7)), Some(L)));
        assert_eq!(held.proven(LogIndex(5)), Some(ms(100)));
        assert_eq!((held.ended(LogIndex(4)), held.ended(LogIndex(5))), (None, Some(ms(600))));
    }

    #[test]
    fn what_was_caught_up_with_stays_so() {
        let mut held = HeldLeases::default();
        for round in 0..20 {
            let (group, term) = (GroupId(1), Term(1));
            let grant = LeaseGrant { group, term, covers: LogIndex(100 * round), length: L };
            held.add(&grant, ms(round), LogTime(round));
            assert_eq!(held.as_of(LogIndex(150)), Some(LogTime(round.min(1))));
        }
    }

    proptest! {
        /// A process that stalls repeatedly, and asks for a lease and reports whenever it wakes, in
        /// either order, while writes continue: it gets leases in its first wakings only.
        #[test]
        fn a_process_that_stutters_costs_a_few_leases(
            stalls in vec((301_u64..3000, 1_u64..60, any::<bool>()), 20..60),
        ) {
            let (mut table, mut now, mut grants) = (led(), ms(1000), 0);
            prop_assert!(table.keeps_pace(NODE, ms(0), L, now));
            for (stall, awake, asks_first) in stalls {
                now += ms(stall);
                // The first entry of the stall waits since then.
                if asks_first {
                    grants += u32::from(table.keeps_pace(NODE, ms(stall), L, now));
                }
                table.on_report(NODE, ms(stall), now);
                grants += u32::from(table.keeps_pace(NODE, ms(0), L, now));
                now += ms(awake);
                table.on_report(NODE, ms(1), now);
            }
            prop_assert!(grants <= 1, "{grants}");
        }

        /// Whatever is granted and withdrawn: while a holder answers fresh reads without an entry,
        /// the table counts it among that entry's stale readers, with at least the remaining time.
        #[test]
        fn a_holder_that_answers_is_counted(
            steps in vec((0_u64..300, 0_u64..300, any::<bool>(), 0_u64..4), 1..30),
            index in 1_u64..60,
        ) {
            let mut table = led();
            let mut held = HeldLeases::default();
            let (mut now, mut committed) = (ms(1000), 0);
            for (travel, proof, withdrawn, commits) in steps {
                let asked = now;
                now += ms(travel);
                let ticket = table.register(NODE, L, now);
                now += ms(proof);
                committed += commits;
                let covers = LogIndex(committed);
                if withdrawn {
                    table.withdraw(ticket);
                } else if table.grant(ticket, Term(1), covers, now) {
                    let group = GroupId(1);
                    let grant = LeaseGrant { group, term: Term(1), covers, length: L };
                    held.add(&grant, asked, LogTime(0));
                }
                if committed >= index {
                    let left = table.left(NODE, LogIndex(index), now);
                    let behind = LogIndex(index - 1);
                    prop_assert!(!held.is_current(behind, now + left));
                }
            }
        }
    }
}
