//! The list of planted bugs, and which one is on.
//!
//! Nothing here changes what the product does: the hooks do.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The log says that entries are on disk when they are queued.
    AckBeforeSync,
    /// The log's writer leaves the sync out.
    LogNotSynced,
    /// A vote is given and not kept.
    VoteNotSaved,
    /// A vote is given before it is on disk.
    VoteBeforeSync,
    /// The log purges more than the state has applied.
    PurgeTooFar,
    /// Entries that a new leader has overwritten stay in the log.
    TruncationForgotten,
    /// The log goes before the state that replaces it is on disk.
    PurgeBeforeStateSync,
    /// A log that has failed is read as if it had taken every change.
    FailedLogGoesOn,
    /// Limits in log time are counted by the wall clock.
    StampsByWallClock,
    /// Write ids are not remembered.
    RetryAppliedTwice,
    /// Idempotency keys are not looked up.
    KeyForgotten,
    /// A snapshot leaves the idempotency keys out.
    KeysNotInSnapshot,
    /// A snapshot leaves its last record out.
    SnapshotLeavesOut,
    /// A snapshot is received on top of an older one.
    ShadowNotCleared,
    /// A follower passes an entry over now and then.
    EntrySkipped,
    /// all_regions is answered at the first region.
    AllRegionsAtTheFirst,
    /// local_region is answered at any region.
    LocalRegionIsAny,
    /// Reached is judged by acknowledgements alone.
    StaleReadersIgnored,
    /// A region without a serving replica counts as reached.
    ReachedWithoutReplica,
    /// A replica reports what its log has, before it is applied.
    ReportBeforeApply,
    /// A replica reports entries that its own disk has not synced.
    ReportBeforeSync,
    /// The entry at a write's index is taken for the write, whatever its term.
    IndexReused,
    /// A lease is counted from the answer.
    LeaseFromAnswer,
    /// A lease is held for ever.
    LeaseNeverEnds,
    /// A lease is used by a state that lacks what it covers.
    LeaseIgnoresIndex,
    /// A leader does not note the leases that it grants.
    LeasesForgotten,
    /// A new leader grants before an entry of its term is committed.
    OwnTermNotAwaited,
    /// A new leader takes no account of its predecessors' leases.
    NewLeaderDoesNotWait,
    /// A leader grants on its own belief.
    LeadNotProved,
    /// A restarted voter votes at once.
    RestartedVoterVotes,
    /// Every read claims to be current.
    AlwaysCurrent,
    /// A member is removed without a mark, and while it may hold a lease.
    HolderRemoved,
    /// The leader of a closed or fenced group continues to serve.
    FenceIgnored,
    /// A condition is not looked at.
    IfMatchIgnored,
    /// A change keeps the version.
    VersionStays,
    /// An organization that a move has frozen is written at its old home.
    ReleaseNotFenced,
    /// An organization begins at its new home before the old one gave it up.
    ImportBeforeFence,
    /// An adoption of an older epoch is taken.
    LateAdoptAccepted,
    /// A write whose outcome is unknown is reported as not done.
    UnknownSaysNo,
    /// A receipt lists every region as applied.
    ReceiptClaimsAll,
    /// An entry that was sent to a follower counts as acknowledged by it.
    CommitByMinority,
    /// A leader answers unmarked without a lease.
    LeaderReadsFreely,
    /// A lease's index is read before the lease is registered.
    IndexBeforeRegistration,
    /// An organization that a move has frozen is read as if its old home were its last one.
    ReleasedIsCurrent,
    /// A node continues although peers know entries that its disk has lost.
    ForgottenPastIgnored,
    /// A command is proposed before every member knows it.
    NewCommandTooEarly,
    /// A secret is kept as it came.
    SecretInClear,
    /// Moves freeze organizations before their new home has a slot for them.
    ReleasedOutOfTurn,
    /// Addresses that are in the log and not yet in the state are not used for discovery.
    LoggedAddressesUnread,
    /// A node asks its seeds only for addresses that it does not have at all.
    SeedsAskedForMissing,
    /// A node that registers another node's address ends that node.
    AddressIsIdentity,
    /// A replica that cannot report what it shows continues to renew its leases.
    LateKeepsLease,
    /// A node that has never been current answers that something does not exist.
    NeverCurrentSaysNo,
    /// An organization may have the id that the store uses for records without an organization.
    NilOrganization,
    /// A refusal is answered before it has reached the required consistency.
    RefusalDoesNotWait,
    /// A write that a closed group may have is proposed elsewhere under its own name.
    ClosedWriteRepeated,
    /// Entries that a returning node has beyond its successor are called lost without proof.
    LostUnproved,
    /// A replica reports an entry though its synced log has none of the leader's own term.
    ReportByOldTerm,
    /// A successor's first state does not have the regions that counted in the closed group.
    RegionsNotInherited,
    /// A write is judged though no region counts in its group yet.
    NoRegionCounts,
    /// A node of a region that has no name in the cluster may join, and creates that region.
    UnnamedRegionLetIn,
    /// A node whose registration was overwritten announces itself, and does not ask to be admitted again.
    AdmissionNotAskedAgain,
    /// A change without a secret removes the stored one.
    SecretWiped,
    /// The number of a credential does not name the group that gave it.
    NumberGivenTwice,
    /// A change resets what its dialect does not know.
    ForeignFieldLost,
    /// A key whose place another one has taken lives on.
    ReplacedKeyLives,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 66] = [
        Self::AckBeforeSync,
        Self::LogNotSynced,
        Self::VoteNotSaved,
        Self::VoteBeforeSync,
        Self::PurgeTooFar,
        Self::TruncationForgotten,
        Self::PurgeBeforeStateSync,
        Self::FailedLogGoesOn,
        Self::StampsByWallClock,
        Self::RetryAppliedTwice,
        Self::KeyForgotten,
        Self::KeysNotInSnapshot,
        Self::SnapshotLeavesOut,
        Self::ShadowNotCleared,
        Self::EntrySkipped,
        Self::AllRegionsAtTheFirst,
        Self::LocalRegionIsAny,
        Self::StaleReadersIgnored,
        Self::ReachedWithoutReplica,
        Self::ReportBeforeApply,
        Self::ReportBeforeSync,
        Self::IndexReused,
        Self::LeaseFromAnswer,
        Self::LeaseNeverEnds,
        Self::LeaseIgnoresIndex,
        Self::LeasesForgotten,
        Self::OwnTermNotAwaited,
        Self::NewLeaderDoesNotWait,
        Self::LeadNotProved,
        Self::RestartedVoterVotes,
        Self::AlwaysCurrent,
        Self::HolderRemoved,
        Self::FenceIgnored,
        Self::IfMatchIgnored,
        Self::VersionStays,
        Self::ReleaseNotFenced,
        Self::ImportBeforeFence,
        Self::LateAdoptAccepted,
        Self::UnknownSaysNo,
        Self::ReceiptClaimsAll,
        Self::CommitByMinority,
        Self::LeaderReadsFreely,
        Self::IndexBeforeRegistration,
        Self::ReleasedIsCurrent,
        Self::ForgottenPastIgnored,
        Self::NewCommandTooEarly,
        Self::SecretInClear,
        Self::ReleasedOutOfTurn,
        Self::LoggedAddressesUnread,
        Self::SeedsAskedForMissing,
        Self::AddressIsIdentity,
        Self::LateKeepsLease,
        Self::NeverCurrentSaysNo,
        Self::NilOrganization,
        Self::RefusalDoesNotWait,
        Self::ClosedWriteRepeated,
        Self::LostUnproved,
        Self::ReportByOldTerm,
        Self::RegionsNotInherited,
        Self::NoRegionCounts,
        Self::UnnamedRegionLetIn,
        Self::AdmissionNotAskedAgain,
        Self::SecretWiped,
        Self::NumberGivenTwice,
        Self::ForeignFieldLost,
        Self::ReplacedKeyLives,
    ];

    /// The bug's name, as the command line takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "ack before sync",
            Self::LogNotSynced => "log not synced",
            Self::VoteNotSaved => "vote not saved",
            Self::VoteBeforeSync => "vote before sync",
            Self::PurgeTooFar => "purge too far",
            Self::TruncationForgotten => "truncation forgotten",
            Self::PurgeBeforeStateSync => "purge before state sync",
            Self::FailedLogGoesOn => "failed log goes on",
            Self::StampsByWallClock => "stamps by wall clock",
            Self::RetryAppliedTwice => "retry applied twice",
            Self::KeyForgotten => "key forgotten",
            Self::KeysNotInSnapshot => "keys not in snapshot",
            Self::SnapshotLeavesOut => "snapshot leaves out",
            Self::ShadowNotCleared => "spare not cleared",
            Self::EntrySkipped => "entry skipped",
            Self::AllRegionsAtTheFirst => "all regions at the first",
            Self::LocalRegionIsAny => "local region is any",
            Self::StaleReadersIgnored => "danger ignored",
            Self::ReachedWithoutReplica => "reached by nobody",
            Self::ReportBeforeApply => "report before apply",
            Self::ReportBeforeSync => "report before sync",
            Self::IndexReused => "index reused",
            Self::LeaseFromAnswer => "lease from answer",
            Self::LeaseNeverEnds => "lease never ends",
            Self::LeaseIgnoresIndex => "lease ignores index",
            Self::LeasesForgotten => "leases forgotten",
            Self::OwnTermNotAwaited => "own term not awaited",
            Self::NewLeaderDoesNotWait => "new leader does not wait",
            Self::LeadNotProved => "lead not proved",
            Self::RestartedVoterVotes => "restarted voter votes",
            Self::AlwaysCurrent => "always current",
            Self::HolderRemoved => "holder removed",
            Self::FenceIgnored => "fence ignored",
            Self::IfMatchIgnored => "if-match ignored",
            Self::VersionStays => "version stays",
            Self::ReleaseNotFenced => "release not fenced",
            Self::ImportBeforeFence => "adopt before fence",
            Self::LateAdoptAccepted => "late adopt accepted",
            Self::UnknownSaysNo => "unknown says no",
            Self::ReceiptClaimsAll => "receipt claims all",
            Self::CommitByMinority => "commit by minority",
            Self::LeaderReadsFreely => "leader reads freely",
            Self::IndexBeforeRegistration => "index before registration",
            Self::ReleasedIsCurrent => "released is current",
            Self::ForgottenPastIgnored => "forgotten past ignored",
            Self::NewCommandTooEarly => "new command too early",
            Self::SecretInClear => "secret in clear",
            Self::ReleasedOutOfTurn => "released out of turn",
            Self::LoggedAddressesUnread => "logged addresses unread",
            Self::SeedsAskedForMissing => "seeds asked for missing",
            Self::AddressIsIdentity => "address is identity",
            Self::LateKeepsLease => "late keeps lease",
            Self::NeverCurrentSaysNo => "never current says no",
            Self::NilOrganization => "nil organization",
            Self::RefusalDoesNotWait => "refusal does not wait",
            Self::ClosedWriteRepeated => "closed write repeated",
            Self::LostUnproved => "lost unproved",
            Self::ReportByOldTerm => "report by old term",
            Self::RegionsNotInherited => "regions not inherited",
            Self::NoRegionCounts => "judged by nobody",
            Self::UnnamedRegionLetIn => "unnamed region let in",
            Self::AdmissionNotAskedAgain => "admission not asked again",
            Self::SecretWiped => "secret wiped",
            Self::NumberGivenTwice => "number given twice",
            Self::ForeignFieldLost => "foreign field lost",
            Self::ReplacedKeyLives => "replaced key lives",
        }
    }
}

#[cfg(feature = "planted")]
static ON: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Switches a bug on for the life of the process; false when there is none of that name, or another
/// one is on.
#[cfg(feature = "planted")]
pub fn switch_on(name: &str) -> bool {
    let bug = Bug::ALL.into_iter().find(|bug| bug.name() == name);
    bug.is_some_and(|bug| ON.set(bug).is_ok())
}

/// Whether the bug is on.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    ON.get() == Some(&bug)
}

/// Whether the bug is on: never.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}
