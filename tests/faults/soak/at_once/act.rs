//! What can be done to a cluster: faults and commands happen beside each other, scenes have it for
//! themselves. It must not list what nothing carries out.

use std::fmt;

/// Anything that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Fault(Fault),
    Command(Command),
    Scene(Scene),
}

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Kill,
    KillLeader,
    KillAll,
    Stop,
    Pause,
    OneWayCut,
    RegionCut,
    SlowLinks,
    FullDisk,
    FailingSyncs,
    SlowSyncs,
    Storm,
}

/// What an operator, or an organization's administrator, asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Command {
    Move,
    MoveBack,
    Leases,
    SurvivalGoal,
    PartitionPolicy,
    Drain,
    VoterRegion,
    MakeOrganization,
    EndOrganization,
    IssueKey,
    RevokeKey,
    Mistype,
}

/// What is lost for good: only a cluster that is whole can afford it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scene {
    RegionLost,
    Damage,
    DiskLost,
}

/// Why an act was not done.
pub(super) enum NotNow {
    /// What it takes is in use.
    Busy,
    /// This machine does not allow it.
    LeftOut(&'static str),
}

impl Fault {
    const ALL: [Self; 12] = [
        Self::Kill,
        Self::KillLeader,
        Self::KillAll,
        Self::Stop,
        Self::Pause,
        Self::OneWayCut,
        Self::RegionCut,
        Self::SlowLinks,
        Self::FullDisk,
        Self::FailingSyncs,
        Self::SlowSyncs,
        Self::Storm,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "a node killed",
            Self::KillLeader => "a leader killed",
            Self::KillAll => "all nodes killed",
            Self::Stop => "a node stopped",
            Self::Pause => "a node paused",
            Self::OneWayCut => "a one-way cut",
            Self::RegionCut => "a region cut off",
            Self::SlowLinks => "slow links",
            Self::FullDisk => "a full disk",
            Self::FailingSyncs => "failing syncs",
            Self::SlowSyncs => "slow syncs",
            Self::Storm => "a storm of clients",
        }
    }
}

impl Command {
    const ALL: [Self; 12] = [
        Self::Move,
        Self::MoveBack,
        Self::Leases,
        Self::SurvivalGoal,
        Self::PartitionPolicy,
        Self::Drain,
        Self::VoterRegion,
        Self::MakeOrganization,
        Self::EndOrganization,
        Self::IssueKey,
        Self::RevokeKey,
        Self::Mistype,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Move => "a move begun",
            Self::MoveBack => "a move canceled",
            Self::Leases => "lease terms set",
            Self::SurvivalGoal => "survival goal set",
            Self::PartitionPolicy => "partition policy set",
            Self::Drain => "a node drained",
            Self::VoterRegion => "voters moved",
            Self::MakeOrganization => "an organization made",
            Self::EndOrganization => "an organization ended",
            Self::IssueKey => "a key issued",
            Self::RevokeKey => "a key revoked",
            Self::Mistype => "a mistyped command",
        }
    }
}

impl Scene {
    pub(super) const ALL: [Self; 3] = [Self::RegionLost, Self::Damage, Self::DiskLost];

    const fn name(self) -> &'static str {
        match self {
            Self::RegionLost => "a region lost",
            Self::Damage => "a damaged file",
            Self::DiskLost => "a disk lost",
        }
    }
}

impl Act {
    /// Those that happen beside each other.
    pub(super) fn beside_others() -> Vec<Self> {
        let faults = Fault::ALL.into_iter().map(Self::Fault);
        faults.chain(Command::ALL.into_iter().map(Self::Command)).collect()
    }

    pub(super) fn all() -> Vec<Self> {
        let scenes = Scene::ALL.into_iter().map(Self::Scene);
        Self::beside_others().into_iter().chain(scenes).collect()
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fault(fault) => fault.name(),
            Self::Command(command) => command.name(),
            Self::Scene(scene) => scene.name(),
        })
    }
}
