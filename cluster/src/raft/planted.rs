//! Hooks in the replicas: each returns what the product says, or does what it does,
//! but where its bug is on.
//!
//! A hook must never do anything without its bug.

use std::{collections::BTreeSet, io, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    log::{LogIndex, Term},
    org::NodeRecord,
    reply::{Applied, Reply},
    wire::peer::ProposeReply,
};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use openraft::{
    raft::{AppendEntriesRequest, StreamAppendResult},
    storage::IOFlushed,
};
use tokio::sync::mpsc;

use crate::{
    planted::{Bug, is},
    raft::engine::{
        convert,
        types::{Membership, RaftTypes},
    },
    store::keys::{self, Kind},
};

/// Whether the log has refused a change.
#[inline(always)]
pub(crate) fn on_log_refusal<E>(refused: Option<E>) -> Option<E> {
    refused.filter(|_| !is(Bug::FailedLogGoesOn))
}

/// How far the log is purged because of its age or its bytes.
#[inline(always)]
pub(crate) fn on_retention(up_to: Option<LogIndex>) -> Option<LogIndex> {
    up_to.filter(|_| !is(Bug::LogNeverGivenBack))
}

/// Whether a vote is written at all.
#[inline(always)]
pub(crate) fn saves_votes() -> bool {
    !is(Bug::VoteNotSaved)
}

/// Whether a vote's sync is awaited.
#[inline(always)]
pub(crate) fn awaits_votes() -> bool {
    !is(Bug::VoteBeforeSync)
}

/// Appends entries; the log reports them as flushed once they are on disk. The bug reports them
/// once they are queued, as its name says: entries that the log refuses are not reported.
#[inline(always)]
pub(crate) fn on_append(
    flushed: IOFlushed<RaftTypes>,
    append: impl FnOnce(IOFlushed<RaftTypes>) -> io::Result<()>,
) -> io::Result<()> {
    if !is(Bug::AckBeforeSync) {
        return append(flushed);
    }
    append(IOFlushed::noop())?;
    flushed.io_completed(Ok(()));
    Ok(())
}

/// Whether what a new leader has overruled goes from the log.
#[inline(always)]
pub(crate) fn truncates() -> bool {
    !is(Bug::TruncationForgotten)
}

/// Up to where the log is purged.
#[inline(always)]
pub(crate) fn on_purge(index: u64) -> u64 {
    if is(Bug::PurgeTooFar) { index + 8 } else { index }
}

/// Whether the state is synced before the log that it replaces goes.
#[inline(always)]
pub(crate) fn syncs_before_purge() -> bool {
    !is(Bug::PurgeBeforeStateSync)
}

/// Whether an entry's changes are kept.
#[inline(always)]
pub(crate) fn keeps_entry(index: LogIndex, is_followed: bool) -> bool {
    !(is(Bug::EntrySkipped) && is_followed && index.0.is_multiple_of(16))
}

/// Whether a record is part of a snapshot. `newest`: the last one of its page; `is_end`: of the last page.
#[inline(always)]
pub(crate) fn is_in_snapshot(key: &[u8], newest: Option<&Vec<u8>>, is_end: bool) -> bool {
    let is_key = || keys::parse(key).is_some_and(|it| it.kind == Kind::IdempotencyKey);
    !(is(Bug::KeysNotInSnapshot) && is_key()
        || is(Bug::SnapshotLeavesOut) && is_end && newest.is_some_and(|it| it == key))
}

/// Whether what was sent to a follower counts as taken by it.
#[inline(always)]
pub(crate) fn believes_sent() -> bool {
    is(Bug::CommitByMinority)
}

/// Sends appends, and answers each as if it had been taken.
pub(crate) fn answered_at_once<S, E: Send + 'static>(
    input: S,
    tx: mpsc::Sender<Bytes>,
) -> BoxStream<'static, Result<StreamAppendResult<RaftTypes>, E>>
where
    S: Stream<Item = AppendEntriesRequest<RaftTypes>> + Send + Unpin + 'static,
{
    Box::pin(stream::unfold((input, tx), |(mut input, tx)| async move {
        let request = input.next().await?;
        drop(tx.send(convert::encode_append(&request)).await);
        let last = request.entries.last().map(|entry| entry.log_id);
        Some((Ok(Ok(last.or(request.prev_log_id))), (input, tx)))
    }))
}

/// Whether a replica may have granted a leader lease that it has forgotten.
#[inline(always)]
pub(crate) fn on_forgotten_lease(has_forgotten: bool) -> bool {
    has_forgotten && !is(Bug::RestartedVoterVotes)
}

/// What a report may claim.
#[inline(always)]
pub(crate) fn on_report(
    reportable: LogIndex,
    visible: u64,
    in_log: impl FnOnce() -> Option<u64>,
) -> LogIndex {
    if is(Bug::ReportBeforeApply) {
        return LogIndex(in_log().unwrap_or(visible));
    }
    if is(Bug::ReportBeforeSync) { LogIndex(visible) } else { reportable }
}

/// Whether a report may rise.
#[inline(always)]
pub(crate) fn on_report_rises(may_rise: bool) -> bool {
    may_rise || is(Bug::ReportByOldTerm)
}

/// The moment from which a lease is counted.
#[inline(always)]
pub(crate) fn on_lease_held(asked: Duration, now: impl FnOnce() -> Duration) -> Duration {
    if is(Bug::LeaseFromAnswer) { now() } else { asked }
}

/// A proof of the lead that was made before a lease was registered: none, where the order is kept. The registration
/// comes so much later that an entry is committed in between, and applied elsewhere, before this replica has it.
#[inline(always)]
pub(crate) async fn early_proof<T>(proof: impl Future<Output = T>) -> Option<T> {
    if !is(Bug::IndexBeforeRegistration) {
        return None;
    }
    let proof = proof.await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    Some(proof)
}

/// A lead that is believed without a proof: none, but where its bug is on.
#[inline(always)]
pub(crate) fn believed_lead(
    believes: impl FnOnce() -> bool,
    own: impl FnOnce() -> (Term, LogIndex),
) -> Option<(Term, LogIndex)> {
    (is(Bug::LeadNotProved) && believes()).then(own)
}

/// The index of a proof of the lead, once an entry of the own term is applied.
#[inline(always)]
pub(crate) fn on_established(
    proof: Option<(Term, LogIndex)>,
    (term, visible): (Term, LogIndex),
) -> Option<(Term, LogIndex)> {
    if is(Bug::OwnTermNotAwaited) { Some((term, visible)) } else { proof }
}

/// Whether reads are unmarked.
#[inline(always)]
pub(crate) fn on_is_current(is_current: bool, leads: impl FnOnce() -> bool) -> bool {
    is_current || is(Bug::AlwaysCurrent) || (is(Bug::LeaderReadsFreely) && leads())
}

/// Whether a node may act for a group.
#[inline(always)]
pub(crate) fn on_may_lead(may_lead: bool) -> bool {
    may_lead || is(Bug::FenceIgnored)
}

/// Whether a replica may be taken out of its group.
#[inline(always)]
pub(crate) fn on_removal(may_remove: bool) -> bool {
    may_remove || is(Bug::HolderRemoved)
}

/// Whether the members of a closed group go over to its successor.
#[inline(always)]
pub(crate) fn inherits_members() -> bool {
    !is(Bug::RegionsNotInherited)
}

/// The position of a group's state, for the question whether the disk has lost what it reported.
#[inline(always)]
pub(crate) fn on_state_recalled(applied: LogIndex) -> LogIndex {
    if is(Bug::StateNotRecalled) { LogIndex(0) } else { applied }
}

/// Whether a node that peers remember otherwise must stop.
#[inline(always)]
pub(crate) fn on_past(is_wrong: bool) -> bool {
    is_wrong && !is(Bug::ForgottenPastIgnored)
}

/// Whether a node counts as a member, given whether it votes.
#[inline(always)]
pub(crate) fn on_member(is_member: bool, is_voter: bool) -> bool {
    if is(Bug::SeedsAskedForMissing) { is_voter } else { is_member }
}

/// Whether a node announces itself to its seeds as one that is registered.
#[inline(always)]
pub(crate) fn on_announcement(is_registered: bool) -> bool {
    is_registered || is(Bug::AdmissionNotAskedAgain)
}

/// Whether a node looks for its peers. `view`: its membership of the system group, whether it knows of a
/// leader there, and the nodes that it has an address of.
#[inline(always)]
pub(crate) fn on_needs_peers(
    needs: bool,
    view: impl FnOnce() -> (Option<Membership>, bool, Vec<NodeRecord>),
) -> bool {
    if !is(Bug::SeedsAskedForMissing) {
        return needs;
    }
    let (membership, has_leader, known) = view();
    let known: BTreeSet<u64> = known.into_iter().map(|node| node.id.0).collect();
    let lacks = |it: Membership| it.nodes().any(|(id, _)| !known.contains(id));
    !has_leader && membership.is_some_and(lacks)
}

/// Whether it is noted where a node says it is that asks to join.
#[inline(always)]
pub(crate) fn on_stranger(is_member: bool) -> bool {
    is_member || !is(Bug::SeedsAskedForMissing)
}

/// Whether a group has, or has had, an organization in an epoch.
#[inline(always)]
pub(crate) fn on_epoch_known(is_known: bool) -> bool {
    is_known && !is(Bug::LateAdoptAccepted)
}

/// The time of a group's log.
#[inline(always)]
pub(crate) fn on_log_now<T>(log_now: T, wall: impl FnOnce() -> T) -> T {
    if is(Bug::StampsByWallClock) { wall() } else { log_now }
}

/// Whether every attempt certainly appended nothing.
#[inline(always)]
pub(crate) fn on_certainty(is_certain: bool) -> bool {
    is_certain || is(Bug::UnknownSaysNo)
}

/// Whether an adoption ends without its hand-over.
#[inline(always)]
pub(crate) fn skips_hand_over() -> bool {
    is(Bug::ImportBeforeFence)
}

/// The index that a write would get next: none, but where what stands there is to be taken for it.
#[inline(always)]
pub(crate) fn guessed_index(last: impl FnOnce() -> Option<u64>) -> Option<LogIndex> {
    is(Bug::IndexReused).then(|| LogIndex(1 + last().unwrap_or(0)))
}

/// Whether a forwarded write goes by a channel of its own.
#[inline(always)]
pub(crate) fn on_own_channel(is_apart: bool) -> bool {
    is_apart && !is(Bug::ControlBehindWrites)
}

/// The answer where a write's entry was overruled.
#[inline(always)]
pub(crate) fn on_discarded(proposal: &Proposal, guess: Option<LogIndex>) -> ProposeReply {
    let write_id = proposal.write_id;
    match (&proposal.command, guess) {
        (Command::CreateOidc { .. } | Command::PatchOidc { .. }, Some(index)) => {
            let outcome = Ok(Reply::Version(write_id));
            ProposeReply::Committed(Applied { write_id, index, position: None, outcome })
        }
        _ => ProposeReply::Unknown,
    }
}
