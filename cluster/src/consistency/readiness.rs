//! Whether a node is ready: what its replica of each group lacks, for reads and for writes.
//!
//! "Ready for reads" is for load balancers: the node has a state to answer from. A node that is
//! partitioned from its leaders is still ready for reads, because logins continue with stale
//! answers. A node that has never been current is not: it would deny what it does not have yet.
//! "Ready for writes" is for rolling restarts, which ask every node: all groups have a leader and
//! all voters and are current as this node sees them, and its own disk keeps pace.
//!
//! A judgment from one node's view, no promise. It must never call a group led if its leader has
//! not proved its leadership for longer than a lease. The proof is the answers of a
//! quorum. They may be as old as an election waits.

use std::{fmt, time::Duration};

use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
    time::LogTime,
};

use super::LIVE_WINDOW;
use crate::planted;

/// What a client wants to do through a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read, marked or not.
    Reads,
    /// Write anywhere, and do without one more node for a while.
    Writes,
}

/// How far a replica is from being current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staleness {
    /// A lower bound of its state's wall time.
    pub as_of: LogTime,
    /// For how long its reads have been marked; none where they have been since the process began.
    pub since: Option<Duration>,
}

/// What is known of a group's leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lead {
    /// The leader that the replica knows.
    pub leader: Option<NodeId>,
    /// The time since a leader last proved its leadership to this node by a quorum's answers. For a
    /// replica that asks for no leases, and so gets no proof: the time since it last heard from its
    /// leader.
    pub heard: Option<Duration>,
    /// For how long that counts: a lease.
    pub counts_for: Duration,
}

impl Lead {
    /// As a replica sees it that asks for leases: by the newest proof.
    #[must_use]
    pub fn by_lease(leader: Option<NodeId>, proved: Option<Duration>, lease: Duration) -> Self {
        Self { leader, heard: planted::on_proof_of_lead(proved), counts_for: lease }
    }

    /// As a replica sees it that asks for no leases: also by what it hears of the leader itself, or, where
    /// it leads, of a quorum. What was heard counts as long as placement takes a node for live, and as an
    /// election waits.
    #[must_use]
    pub fn by_hearing(
        leader: Option<NodeId>,
        (heard, proved): (Option<Duration>, Option<Duration>),
        (lease, election_max): (Duration, Duration),
    ) -> Self {
        let counts_for = lease.max(LIVE_WINDOW).max(election_max);
        Self { leader, heard: heard.into_iter().chain(proved).min(), counts_for }
    }

    /// Whether the group is led now.
    #[must_use]
    pub fn is_led(&self) -> bool {
        self.leader.is_some() && self.heard.is_some_and(|heard| heard <= self.counts_for)
    }
}

/// One group's replica on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaHealth {
    /// The group.
    pub group: GroupId,
    /// The region whose home group it is; none for the system group.
    pub region: Option<Region>,
    /// It runs.
    pub is_open: bool,
    /// The group's membership names this node.
    pub is_member: bool,
    /// It has caught up with its leader once, in this process's life or an earlier one's.
    pub has_been_current: bool,
    /// The group's leader.
    pub lead: Lead,
    /// None when reads are unmarked.
    pub stale: Option<Staleness>,
    /// Unreachable voters, if the others have no majority.
    pub missing_voters: Vec<NodeId>,
    /// For how long this node has shown entries that its disk has not synced.
    pub unsynced: Duration,
    /// Its disk does not keep pace, so it asks for no lease.
    pub is_disk_late: bool,
    /// A change of membership that this node, as leader, has still to make.
    pub change: Option<String>,
}

/// A reason why a replica is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It does not run yet.
    NotOpen,
    /// The group has not taken this node in yet.
    NotMember,
    /// It has not caught up once.
    NeverCurrent,
    /// The group has no leader, or it has not proved its leadership for longer than a lease.
    NotLed(Lead),
    /// These voters are unreachable, and the others have no majority.
    NoQuorum(Vec<NodeId>),
    /// Its reads are marked.
    Stale(Staleness),
    /// Its disk does not keep pace.
    DiskLate(Duration),
    /// The group's membership is being changed.
    Changing(String),
}

impl Lack {
    /// Whether it prevents this purpose.
    #[must_use]
    pub const fn is_in_the_way_of(&self, purpose: Purpose) -> bool {
        match self {
            Self::NotOpen | Self::NotMember | Self::NeverCurrent => true,
            Self::NotLed(_)
            | Self::NoQuorum(_)
            | Self::Stale(_)
            | Self::DiskLate(_)
            | Self::Changing(_) => matches!(purpose, Purpose::Writes),
        }
    }
}

impl ReplicaHealth {
    /// All that it lacks, the most important first.
    #[must_use]
    pub fn lacks(&self) -> Vec<Lack> {
        if !self.is_open {
            return vec![Lack::NotOpen];
        }
        let disk = self.is_disk_late.then_some(Lack::DiskLate(self.unsynced));
        let quorum =
            (!self.missing_voters.is_empty()).then(|| Lack::NoQuorum(self.missing_voters.clone()));
        [
            (!self.is_member).then_some(Lack::NotMember),
            (self.is_member && !self.has_been_current).then_some(Lack::NeverCurrent),
            disk,
            (!self.lead.is_led()).then_some(Lack::NotLed(self.lead)),
            quorum,
            self.stale.map(Lack::Stale),
            self.change.clone().map(Lack::Changing),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What prevents this purpose.
    #[must_use]
    pub fn blockers(&self, purpose: Purpose) -> Vec<Lack> {
        let mut lacks = self.lacks();
        lacks.retain(|lack| lack.is_in_the_way_of(purpose));
        lacks
    }
}

/// What is in the way of a node's readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The node belongs to no cluster yet.
    NotJoined,
    /// Its replica of a group lacks something.
    Replica {
        /// Which group.
        group: GroupId,
        /// What its replica lacks.
        lack: Lack,
    },
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJoined => f.write_str("this node has not joined a cluster yet"),
            Self::Replica { group, lack } => write!(f, "group {group}: {lack}"),
        }
    }
}

/// What is in the way of a purpose at a node; nothing when the node is ready for it.
#[must_use]
pub fn hindrances(
    has_joined: bool,
    replicas: &[ReplicaHealth],
    purpose: Purpose,
) -> Vec<Hindrance> {
    if !has_joined {
        return vec![Hindrance::NotJoined];
    }
    let of = |replica: &ReplicaHealth| {
        let (group, lacks) = (replica.group, replica.blockers(purpose));
        lacks.into_iter().map(move |lack| Hindrance::Replica { group, lack })
    };
    replicas.iter().flat_map(of).collect()
}

/// Why a node is not ready: at least one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady(pub Vec<Hindrance>);

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, hindrance) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { "; " };
            write!(f, "{before}{hindrance}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}

fn seconds(span: Duration) -> String {
    let tenths = span.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("not started yet"),
            Self::NotMember => f.write_str("this node is not a member yet"),
            Self::NeverCurrent => f.write_str("this node has never been current"),
            Self::NotLed(Lead { leader: None, .. }) => f.write_str("no leader"),
            Self::NotLed(Lead { leader: Some(leader), heard: None, .. }) => {
                write!(f, "leader {leader} has never confirmed its leadership to this node")
            }
            Self::NotLed(Lead { leader: Some(leader), heard: Some(heard), .. }) => {
                write!(f, "leader {leader} last confirmed its leadership {} ago", seconds(*heard))
            }
            Self::NoQuorum(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "no quorum, unreachable voters: {}", nodes.join(", "))
            }
            Self::Stale(Staleness { since: Some(since), .. }) => {
                write!(f, "reads have been stale for {}", seconds(*since))
            }
            Self::Stale(Staleness { since: None, .. }) => {
                f.write_str("reads have been stale since the start of the process")
            }
            Self::DiskLate(late) => {
                write!(f, "the disk has not synced applied entries for {}", seconds(*late))
            }
            Self::Changing(step) => write!(f, "a membership change is in progress: {step}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(500);

    fn healthy() -> ReplicaHealth {
        let lead = Lead { leader: Some(NodeId(1)), heard: Some(LEASE), counts_for: LEASE };
        ReplicaHealth {
            group: GroupId(1),
            region: None,
            is_open: true,
            is_member: true,
            has_been_current: true,
            lead,
            stale: None,
            missing_voters: Vec::new(),
            unsynced: LEASE,
            is_disk_late: false,
            change: None,
        }
    }

    #[test]
    fn reasons_are_told_in_one_line() {
        let of = |has_joined, replicas: &[ReplicaHealth]| {
            NotReady(hindrances(has_joined, replicas, Purpose::Writes)).to_string()
        };
        assert_eq!(of(false, &[healthy()]), "this node has not joined a cluster yet");
        let late = ReplicaHealth { is_disk_late: true, lead: Lead::default(), ..healthy() };
        let closed = ReplicaHealth { group: GroupId(2), is_open: false, ..healthy() };
        assert_eq!(
            of(true, &[late, healthy(), closed]),
            "group 1: the disk has not synced applied entries for 0.5 s; group 1: no leader; \
             group 2: not started yet"
        );
        assert!(hindrances(true, &[healthy()], Purpose::Writes).is_empty());
    }

    fn judged(replica: &ReplicaHealth) -> (usize, usize) {
        (replica.blockers(Purpose::Reads).len(), replica.blockers(Purpose::Writes).len())
    }

    #[test]
    fn what_is_whole_is_ready_for_both() {
        assert_eq!(healthy().lacks(), []);
    }

    #[test]
    fn a_node_that_is_cut_off_is_ready_for_reads_and_not_for_writes() {
        let heard = Some(Duration::from_millis(33_100));
        let stale = Staleness { as_of: LogTime(7), since: Some(Duration::from_secs(33)) };
        let lead = Lead { heard, ..healthy().lead };
        let cut = ReplicaHealth {
            lead,
            stale: Some(stale),
            missing_voters: vec![NodeId(1), NodeId(2)],
            ..healthy()
        };
        assert_eq!(judged(&cut), (0, 3));
        let shown: Vec<String> = cut.lacks().iter().map(ToString::to_string).collect();
        let expected = [
            format!("leader {} last confirmed its leadership 33.1 s ago", NodeId(1)),
            format!("no quorum, unreachable voters: {}, {}", NodeId(1), NodeId(2)),
            "reads have been stale for 33.0 s".to_owned(),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn who_has_never_been_current_is_ready_for_nothing() {
        let fresh = ReplicaHealth { has_been_current: false, ..healthy() };
        assert_eq!(judged(&fresh), (1, 1));
        let stranger = ReplicaHealth { is_member: false, ..fresh };
        assert_eq!(judged(&stranger), (1, 1));
        assert_eq!(judged(&ReplicaHealth { is_open: false, ..stranger }), (1, 1));
    }

    #[test]
    fn a_leader_that_is_only_known_by_name_does_not_lead() {
        let leaders = [None, Some(NodeId(1))];
        for leader in leaders {
            for heard in [None, Some(LEASE + Duration::from_millis(1))] {
                let lead = Lead { leader, heard, counts_for: LEASE };
                assert!(!lead.is_led(), "{lead:?}");
            }
        }
        let nobody = Lead { leader: None, ..healthy().lead };
        assert!(!nobody.is_led() && healthy().lead.is_led());
    }

    #[test]
    fn who_asks_for_no_leases_goes_by_what_it_hears() {
        let (leader, short, long) = (Some(NodeId(1)), LEASE / 2, LEASE * 2);
        let by_lease = |proved| Lead::by_lease(leader, proved, LEASE).is_led();
        assert!(by_lease(Some(short)) && !by_lease(Some(long)) && !by_lease(None));
        let by_hearing = |heard, proved, election_max| {
            Lead::by_hearing(leader, (heard, proved), (LEASE, election_max)).is_led()
        };
        assert!(by_hearing(Some(LIVE_WINDOW), None, LEASE));
        assert!(!by_hearing(Some(LIVE_WINDOW * 2), None, LEASE));
        assert!(by_hearing(Some(LIVE_WINDOW * 2), None, LIVE_WINDOW * 2), "an election waits");
        assert!(by_hearing(Some(LIVE_WINDOW * 2), Some(short), LEASE), "a proof counts, too");
        assert!(!by_hearing(None, None, LEASE));
    }

    #[test]
    fn a_late_disk_and_a_change_are_in_the_way_of_writes_only() {
        let late = ReplicaHealth { is_disk_late: true, ..healthy() };
        assert_eq!(judged(&late), (0, 1));
        let shown = late.lacks()[0].to_string();
        assert_eq!(shown, "the disk has not synced applied entries for 0.5 s");
        let changing = ReplicaHealth { change: Some("AddLearner".to_owned()), ..healthy() };
        assert_eq!(judged(&changing), (0, 1));
    }
}
