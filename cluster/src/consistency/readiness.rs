//! Whether a node is ready: what its replica of each group lacks, for reads and for writes.
//!
//! Ready for reads is what a load balancer asks: the node has a state worth answering from. A node
//! that is cut off from its leaders is still ready for reads, for logins go on with marked answers;
//! one that has never been current is not, for it would deny what it has not got yet. Ready for
//! writes is what a rolling restart asks, of every node: all groups are led, whole and current as
//! this node sees them, and its own disk keeps pace.
//!
//! A judgement of what one node knows now, no promise. It must never call a group led that no leader
//! has proved its lead of for longer than a lease.

use std::{fmt, time::Duration};

use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
    time::LogTime,
};

/// What somebody wants to do by a node.
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
    /// Wall time of which its state is at least.
    pub as_of: LogTime,
    /// For how long its reads have been marked; none where they have been since the process began.
    pub since: Option<Duration>,
}

/// What is known of a group's lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lead {
    /// Who leads, as far as the replica knows.
    pub leader: Option<NodeId>,
    /// Since a leader last proved its lead to this node by a quorum's answers; for a replica that asks
    /// for no leases, and so for no proof, since it last heard of its leader.
    pub heard: Option<Duration>,
    /// For how long that counts: a lease.
    pub counts_for: Duration,
}

impl Lead {
    /// Whether the group is led now.
    #[must_use]
    pub fn is_led(&self) -> bool {
        self.leader.is_some() && self.heard.is_some_and(|heard| heard <= self.counts_for)
    }
}

/// One group's replica on the node that tells this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaHealth {
    /// Which group.
    pub group: GroupId,
    /// Whose home group it is; none for the system group.
    pub region: Option<Region>,
    /// It runs.
    pub is_open: bool,
    /// The group's membership names this node.
    pub is_member: bool,
    /// It has caught up with its leader once, in this process's life or an earlier one's.
    pub has_been_current: bool,
    /// Who leads.
    pub lead: Lead,
    /// None when reads are unmarked.
    pub stale: Option<Staleness>,
    /// Voters that are not heard of, where the others are no majority.
    pub missing_voters: Vec<NodeId>,
    /// For how long this node has shown what its disk has not synced.
    pub unsynced: Duration,
    /// Its disk does not keep pace, so it asks for no lease.
    pub is_disk_late: bool,
    /// A change of membership that this node, as leader, has still to make.
    pub change: Option<String>,
}

/// What a replica lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It does not run yet.
    NotOpen,
    /// The group has not taken this node in yet.
    NotMember,
    /// It has not caught up once.
    NeverCurrent,
    /// Nobody leads, or has proved to for longer than a lease.
    NotLed(Lead),
    /// These voters are not heard of, and the others are no majority.
    NoQuorum(Vec<NodeId>),
    /// Its reads are marked.
    Stale(Staleness),
    /// Its disk does not keep pace.
    DiskLate(Duration),
    /// The group's membership is being changed.
    Changing(String),
}

impl Lack {
    /// Whether it is in the way of this.
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
    /// All that it lacks, the most telling first.
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

    /// What is in the way of this.
    #[must_use]
    pub fn obstacles(&self, purpose: Purpose) -> Vec<Lack> {
        let mut lacks = self.lacks();
        lacks.retain(|lack| lack.is_in_the_way_of(purpose));
        lacks
    }
}

fn seconds(span: Duration) -> String {
    let tenths = span.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("it is not open yet"),
            Self::NotMember => f.write_str("this node is not yet a member of it"),
            Self::NeverCurrent => f.write_str("this node has never been current"),
            Self::NotLed(Lead { leader: None, .. }) => f.write_str("it has no leader"),
            Self::NotLed(Lead { leader: Some(leader), heard: None, .. }) => {
                write!(f, "its leader {leader} has never proved its lead to this node")
            }
            Self::NotLed(Lead { leader: Some(leader), heard: Some(heard), .. }) => {
                write!(f, "its leader {leader} last proved its lead {} ago", seconds(*heard))
            }
            Self::NoQuorum(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "voters not heard of: {}", nodes.join(", "))
            }
            Self::Stale(Staleness { since: Some(since), .. }) => {
                write!(f, "reads have been marked for {}", seconds(*since))
            }
            Self::Stale(Staleness { since: None, .. }) => {
                f.write_str("reads have been marked since the process began")
            }
            Self::DiskLate(late) => {
                write!(f, "the disk has not synced for {} what is shown", seconds(*late))
            }
            Self::Changing(step) => write!(f, "its membership is being changed: {step}"),
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

    fn judged(replica: &ReplicaHealth) -> (usize, usize) {
        (replica.obstacles(Purpose::Reads).len(), replica.obstacles(Purpose::Writes).len())
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
            format!("its leader {} last proved its lead 33.1 s ago", NodeId(1)),
            format!("voters not heard of: {}, {}", NodeId(1), NodeId(2)),
            "reads have been marked for 33.0 s".to_owned(),
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
    fn a_late_disk_and_a_change_are_in_the_way_of_writes_only() {
        let late = ReplicaHealth { is_disk_late: true, ..healthy() };
        assert_eq!(judged(&late), (0, 1));
        let shown = late.lacks()[0].to_string();
        assert_eq!(shown, "the disk has not synced for 0.5 s what is shown");
        let changing = ReplicaHealth { change: Some("AddLearner".to_owned()), ..healthy() };
        assert_eq!(judged(&changing), (0, 1));
    }
}
