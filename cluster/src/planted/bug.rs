//! The list of planted bugs, and which one is on.
//!
//! Nothing here changes what the product does: the hooks do.

/// The list: each bug once, with its name as the command line takes it.
macro_rules! bugs {
    ($($(#[$doc:meta])+ $bug:ident = $name:literal,)+) => {
        /// A bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])+ $bug,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$bug,)+];

            /// The bug's name, as the command line takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// The log says that entries are on disk when they are queued.
    AckBeforeSync = "ack before sync",
    /// The log's writer leaves the sync out.
    LogNotSynced = "log not synced",
    /// A vote is given and not kept.
    VoteNotSaved = "vote not saved",
    /// A vote is given before it is on disk.
    VoteBeforeSync = "vote before sync",
    /// The log purges more than the state has applied.
    PurgeTooFar = "purge too far",
    /// Entries that a new leader has overwritten stay in the log.
    TruncationForgotten = "truncation forgotten",
    /// The log goes before the state that replaces it is on disk.
    PurgeBeforeStateSync = "purge before state sync",
    /// A log that has failed is read as if it had taken every change.
    FailedLogGoesOn = "failed log goes on",
    /// Entries beyond the age and the bytes that are kept are not purged.
    LogNeverGivenBack = "log never given back",
    /// Limits in log time are counted by the wall clock.
    StampsByWallClock = "stamps by wall clock",
    /// Write ids are not remembered.
    RetryAppliedTwice = "retry applied twice",
    /// Idempotency keys are not looked up.
    KeyForgotten = "key forgotten",
    /// A snapshot leaves the idempotency keys out.
    KeysNotInSnapshot = "keys not in snapshot",
    /// A snapshot leaves its last record out.
    SnapshotLeavesOut = "snapshot leaves out",
    /// A snapshot is received on top of an older one.
    ShadowNotCleared = "spare not cleared",
    /// What was not installed, or a crash left in a spare slot, stays there.
    SpareLeft = "spare left",
    /// A follower passes an entry over now and then.
    EntrySkipped = "entry skipped",
    /// all_regions is answered at the first region.
    AllRegionsAtTheFirst = "all regions at the first",
    /// local_region is answered at any region.
    LocalRegionIsAny = "local region is any",
    /// Reached is judged by acknowledgements alone.
    StaleReadersIgnored = "danger ignored",
    /// A region without a serving replica counts as reached.
    ReachedWithoutReplica = "reached by nobody",
    /// A replica reports what its log has, before it is applied.
    ReportBeforeApply = "report before apply",
    /// A replica reports entries that its own disk has not synced.
    ReportBeforeSync = "report before sync",
    /// The entry at a write's index is taken for the write, whatever its term.
    IndexReused = "index reused",
    /// A lease is counted from the answer.
    LeaseFromAnswer = "lease from answer",
    /// A lease is held for ever.
    LeaseNeverEnds = "lease never ends",
    /// A lease is used by a state that lacks what it covers.
    LeaseIgnoresIndex = "lease ignores index",
    /// A leader does not note the leases that it grants.
    LeasesForgotten = "leases forgotten",
    /// A new leader grants before an entry of its term is committed.
    OwnTermNotAwaited = "own term not awaited",
    /// A new leader takes no account of its predecessors' leases.
    NewLeaderDoesNotWait = "new leader does not wait",
    /// A leader grants on its own belief.
    LeadNotProved = "lead not proved",
    /// A restarted voter votes at once.
    RestartedVoterVotes = "restarted voter votes",
    /// Every read claims to be current.
    AlwaysCurrent = "always current",
    /// A member is removed without a mark, and while it may hold a lease.
    HolderRemoved = "holder removed",
    /// The leader of a closed or fenced group continues to serve.
    FenceIgnored = "fence ignored",
    /// A condition is not looked at.
    IfMatchIgnored = "if-match ignored",
    /// A change keeps the version.
    VersionStays = "version stays",
    /// An organization that a move has frozen is written at its old home.
    ReleaseNotFenced = "release not fenced",
    /// An organization begins at its new home before the old one gave it up.
    ImportBeforeFence = "adopt before fence",
    /// An adoption of an older epoch is taken.
    LateAdoptAccepted = "late adopt accepted",
    /// A write whose outcome is unknown is reported as not done.
    UnknownSaysNo = "unknown says no",
    /// A receipt lists every region as applied.
    ReceiptClaimsAll = "receipt claims all",
    /// An entry that was sent to a follower counts as acknowledged by it.
    CommitByMinority = "commit by minority",
    /// A leader answers unmarked without a lease.
    LeaderReadsFreely = "leader reads freely",
    /// A lease's index is read before the lease is registered.
    IndexBeforeRegistration = "index before registration",
    /// An organization that a move has frozen is read as if its old home were its last one.
    ReleasedIsCurrent = "released is current",
    /// A node continues although peers know entries that its disk has lost.
    ForgottenPastIgnored = "forgotten past ignored",
    /// What is applied and not in the log is forgotten when a node looks whether its disk has lost something.
    StateNotRecalled = "state not recalled",
    /// Records that have expired stay in the state.
    ExpiredKept = "expired kept",
    /// A command is proposed before every member knows it.
    NewCommandTooEarly = "new command too early",
    /// The log is written in a format that the release before cannot read, before the level has risen.
    NewLogTooEarly = "new log too early",
    /// A secret is kept as it came.
    SecretInClear = "secret in clear",
    /// Moves freeze organizations before their new home has a slot for them.
    ReleasedOutOfTurn = "released out of turn",
    /// Addresses that are in the log and not yet in the state are not used for discovery.
    LoggedAddressesUnread = "logged addresses unread",
    /// A node asks its seeds only for addresses that it does not have at all.
    SeedsAskedForMissing = "seeds asked for missing",
    /// What was read of a key and its organization is used again after that has changed.
    ChangesNotCounted = "changes not counted",
    /// A node that registers another node's address ends that node.
    AddressIsIdentity = "address is identity",
    /// A replica that cannot report what it shows continues to renew its leases.
    LateKeepsLease = "late keeps lease",
    /// A group is called led wherever its leader's name is known.
    LedByName = "led by name",
    /// A node that has never been current answers that something does not exist.
    NeverCurrentSaysNo = "never current says no",
    /// An organization may have the id that the store uses for records without an organization.
    NilOrganization = "nil organization",
    /// A refusal is answered before it has reached the required consistency.
    RefusalDoesNotWait = "refusal does not wait",
    /// A write that a closed group may have is proposed elsewhere under its own name.
    ClosedWriteRepeated = "closed write repeated",
    /// Entries that a returning node has beyond its successor are called lost without proof.
    LostUnproved = "lost unproved",
    /// A replica reports an entry though its synced log has none of the leader's own term.
    ReportByOldTerm = "report by old term",
    /// A successor's first state does not have the regions that counted in the closed group.
    RegionsNotInherited = "regions not inherited",
    /// A write is judged though no region counts in its group yet.
    NoRegionCounts = "judged by nobody",
    /// A node of a region that has no name in the cluster may join, and creates that region.
    UnnamedRegionLetIn = "unnamed region let in",
    /// A node whose registration was overwritten announces itself, and does not ask to be admitted again.
    AdmissionNotAskedAgain = "admission not asked again",
    /// A change without a secret removes the stored one.
    SecretWiped = "secret wiped",
    /// After a move the new home gives a credential a number that another one has.
    NumberGivenTwice = "number given twice",
    /// A change resets what its dialect does not know.
    ForeignFieldLost = "foreign field lost",
    /// A key whose place another one has taken lives on.
    ReplacedKeyLives = "replaced key lives",
    /// A write that was authorized under policies that have changed since is carried out.
    StalePolicyAccepted = "stale policy revision accepted",
    /// The leader of a group with an ended organization takes the last step of its end again and again.
    EndNeverSettled = "end never settled",
    /// Forwarded writes have no channel of their own.
    ControlBehindWrites = "control behind writes",
}

#[cfg(feature = "planted")]
static ON: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// Switches a bug on for the life of the process; false when there is none of that name, or another
/// one is on.
#[cfg(feature = "planted")]
pub fn switch_on(name: &str) -> bool {
    let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
    bug.is_some_and(|bug| ON.set(*bug).is_ok())
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
