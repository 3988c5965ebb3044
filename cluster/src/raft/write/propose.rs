//! Gets a write committed: proposes at the group's leader, and retries under the same write id
//! after an ambiguous result, until the deadline.
//!
//! It never returns "not proposed" unless every attempt certainly appended nothing.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, NodeId, WriteId},
    lease::StaleReaderSet,
    limits,
    reply::Applied,
    time::LogTime,
    version,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest, ProposeReply},
    },
};
use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::Instant;

use crate::{
    consistency::StaleReaders,
    machine::may_be_proposed,
    raft::{
        core::Core,
        engine::{convert, types::Payload},
        planted,
        replica::Replica,
        transport::{Channel, TransportError},
        write::admission::Admitted,
    },
};

/// The pause before the next attempt when no leader is known.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The time limit of one attempt at another node.
const ATTEMPT_MAX: Duration = Duration::from_secs(3);
/// For an entry of the system group that the cluster itself proposes.
const PROPOSE_LIMIT: Duration = Duration::from_secs(5);
/// How long one attempt may wait for its turn at the leader.
const TURN_WAIT_MAX: Duration = Duration::from_secs(2);
/// The time that an attempt needs beside the wait for its turn. When less is left, it does not wait
/// any more: then it is known that nothing was proposed.
const TURN_MARGIN: Duration = Duration::from_millis(500);

const _: () = assert!(
    TURN_WAIT_MAX.as_millis() + TURN_MARGIN.as_millis() < ATTEMPT_MAX.as_millis(),
    "an attempt that waits for its turn is answered before it is given up"
);

/// The result of proposing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// It is committed and applied at the leader: it cannot be lost.
    Committed {
        /// Its result.
        applied: Applied,
        /// The stale readers of the entry.
        stale_readers: StaleReaders,
    },
    /// Every attempt certainly ended without an entry in any log.
    NotProposed,
    /// As before: the leader has too many writes under way.
    Busy,
    /// As before: its turn did not come in time.
    Queued {
        /// The number of moves ahead of it.
        ahead: u32,
    },
    /// Not known: it may have happened, or may still.
    Unknown,
    /// The group is closed. The outcome is in its successor's state; a proposal there under the
    /// same write id takes effect at most once.
    Closed,
}

impl Proposed {
    /// At the end of the time, without an answer: whether every attempt certainly appended nothing.
    fn unclear(is_certain: bool) -> Self {
        if planted::on_certainty(is_certain) { Self::NotProposed } else { Self::Unknown }
    }
}

impl Core {
    /// Whether every member has reported that it supports a command.
    pub(crate) fn may_propose(&self, command: &Command) -> bool {
        may_be_proposed(command, self.feature_level())
    }

    /// A proposal of the cluster itself.
    pub(crate) fn own_proposal(
        &self,
        group: GroupId,
        write_id: WriteId,
        command: Command,
    ) -> Proposal {
        let now = self.log_now(group);
        Proposal {
            write_id,
            stamped: now,
            not_after: now.after(limits::NOT_AFTER),
            origin: self.node(),
            idempotency: None,
            authorized_by: None,
            policies: None,
            decided_for: None,
            command,
        }
    }

    /// The time of a group's log, as far as this node knows: limits in log time are counted from
    /// it.
    pub(crate) fn log_now(&self, group: GroupId) -> LogTime {
        let environment = self.environment();
        let now = self.times().now(group, self.agreed_wall(), environment.steady.now());
        planted::on_log_now(now, || environment.clock.now())
    }

    /// Proposes at the group's leader until the outcome is known or the deadline has passed.
    pub(crate) async fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
        deadline: Instant,
    ) -> Proposed {
        let mut certain = true;
        let mut hint: Option<NodeId> = None;
        loop {
            if self.is_closed(group) {
                return Proposed::Closed;
            }
            let reply = match hint.take().or_else(|| self.leader_of(group)) {
                None => ProposeReply::NotLeader { leader: None },
                Some(leader) => {
                    let attempt = self.attempt(group, leader, &proposal, deadline);
                    match tokio::time::timeout_at(deadline, attempt).await {
                        Ok(reply) => reply,
                        Err(_) => return Proposed::unclear(false),
                    }
                }
            };
            match reply {
                ProposeReply::Done { applied, stale_readers } => {
                    let stale_readers = self.readers_from_leader(group, &stale_readers);
                    return Proposed::Committed { applied, stale_readers };
                }
                ProposeReply::Committed(applied) => {
                    let stale_readers = self.stale_readers(group, applied.index);
                    return Proposed::Committed { applied, stale_readers };
                }
                ProposeReply::NotLeader { leader } => hint = leader,
                ProposeReply::Queued { ahead } if certain && turn_wait(deadline).is_zero() => {
                    return Proposed::Queued { ahead };
                }
                ProposeReply::Busy if certain => return Proposed::Busy,
                ProposeReply::Queued { .. } | ProposeReply::Busy => {}
                ProposeReply::Unknown => certain = false,
            }
            let pause = if hint.is_some() { Duration::from_millis(1) } else { RETRY_PAUSE };
            if Instant::now() + pause >= deadline {
                tokio::time::sleep_until(deadline).await;
                return Proposed::unclear(certain);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The stale readers from a leader's set, from this moment on.
    fn readers_from_leader(&self, group: GroupId, stale_readers: &StaleReaderSet) -> StaleReaders {
        let facts = self.tracker().group_config(group);
        StaleReaders::from_leader(stale_readers, &facts.leases, self.environment().steady.now())
    }

    async fn attempt(
        &self,
        group: GroupId,
        leader: NodeId,
        proposal: &Proposal,
        deadline: Instant,
    ) -> ProposeReply {
        let wait = turn_wait(deadline);
        if leader == self.node() {
            return self.propose_in_turn(group, proposal.clone(), wait).await;
        }
        let Some(replica) = self.replica(group) else {
            return ProposeReply::NotLeader { leader: None };
        };
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT_MAX);
        tokio::select! {
            reply = self.ask(group, leader, proposal, wait, limit) => reply,
            // It leads no longer: do not wait for an answer that may never come.
            _ = replica.other_leader(leader) => ProposeReply::Unknown,
        }
    }

    async fn ask(
        &self,
        group: GroupId,
        leader: NodeId,
        proposal: &Proposal,
        wait: Duration,
        limit: Duration,
    ) -> ProposeReply {
        let transport = &self.environment().transport;
        let channel = self.channel_of(group, &proposal.command);
        let encoded = proposal.encode();
        if takes_turns(&proposal.command) {
            let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            let in_turn = PeerRequest::ProposeInTurn { group, proposal: encoded.clone(), wait_ms };
            let body = Bytes::from(in_turn.encode());
            let reply = transport.request(leader, channel, body, limit).await;
            if !is_refused(&reply) {
                return read_reply(reply);
            }
            // It is of a version that knows no turns.
        }
        let request = PeerRequest::Propose { group, proposal: encoded };
        let body = Bytes::from(request.encode());
        read_reply(transport.request(leader, channel, body, limit).await)
    }

    /// Appends on this node, if it leads the group, and answers once applied: of what takes turns when
    /// it is its turn, if that is in time.
    pub(crate) async fn propose_in_turn(
        &self,
        group: GroupId,
        proposal: Proposal,
        wait: Duration,
    ) -> ProposeReply {
        let Command::MoveFreeze { org, to, .. } = &proposal.command else {
            return self.propose_here(group, proposal).await;
        };
        let leader = self.leader_of(group);
        if leader != Some(self.node()) {
            return ProposeReply::NotLeader { leader };
        }
        match self.turn(group, *org, self.successor(*to), wait.min(TURN_WAIT_MAX)).await {
            Ok(turn) => {
                // A canceled request may have appended its freeze. So the slot is held by a task of
                // its own, until that is applied or certainly never will be under this leader.
                let core = self.clone();
                let proposing = tokio::spawn(async move {
                    let reply = core.propose_here(group, proposal).await;
                    drop(turn);
                    reply
                });
                proposing.await.unwrap_or(ProposeReply::Unknown)
            }
            Err(ahead) => ProposeReply::Queued { ahead: u32::try_from(ahead).unwrap_or(u32::MAX) },
        }
    }

    /// Writes of organizations have a channel of their own, once every member knows it.
    fn channel_of(&self, group: GroupId, command: &Command) -> Channel {
        let is_known = self.feature_level() >= version::LEVEL_OF_PROPOSE_CHANNEL;
        let is_apart = is_known && is_of_client(group, command);
        if planted::on_own_channel(is_apart) { Channel::Propose } else { Channel::Control }
    }

    /// Appends on this node, if it leads the group, and answers once applied.
    pub(crate) async fn propose_here(
        &self,
        group: GroupId,
        mut proposal: Proposal,
    ) -> ProposeReply {
        let not_appended = ProposeReply::NotLeader { leader: None };
        let Some(replica) = self.replica(group).filter(|it| self.may_append(it, &proposal.command))
        else {
            return not_appended;
        };
        let Some(payload) = self.payload(group, &mut proposal) else { return not_appended };
        if !is_of_client(group, &proposal.command) {
            return self.append(&replica, &proposal, payload).await;
        }
        match replica.admission.admit(proposal.write_id, payload.0.len()) {
            Admitted::First(place) => {
                let reply = self.append(&replica, &proposal, payload).await;
                place.answer(&reply);
                reply
            }
            Admitted::Again(result) => result.await.unwrap_or(ProposeReply::Unknown),
            Admitted::Busy if self.feature_level() >= version::LEVEL_OF_PROPOSE_CHANNEL => {
                ProposeReply::Busy
            }
            Admitted::Busy => not_appended,
        }
    }

    /// Whether a command may be appended here now. Otherwise the proposer retries in a moment, at the leader of
    /// that time.
    fn may_append(&self, replica: &Replica, command: &Command) -> bool {
        if replica.handing_over.load(Ordering::Acquire) || !self.may_lead(replica.group) {
            return false;
        }
        let of_org = command.org().is_some();
        // A member could not read a command that not all know.
        if (of_org && self.is_founding_alone(replica)) || !self.may_propose(command) {
            return false;
        }
        // Nor while no region counts, which is over once the leader's own mark is applied: there is
        // nowhere yet that the write could be said to have arrived.
        let counts_any = self.tracker().group_config(replica.group).counts_any();
        !of_org || crate::planted::on_counting(counts_any)
    }

    /// A proposal as an entry of the log; nothing for one that could not be read back.
    fn payload(&self, group: GroupId, proposal: &mut Proposal) -> Option<Payload> {
        proposal.stamped = self.log_now(group);
        // Limits that the organization's writes got in its earlier home do not end earlier here.
        if let Command::ImportBegin { dedup_horizon, .. } = &proposal.command {
            proposal.stamped = proposal.stamped.max(*dedup_horizon);
        }
        let payload = Payload(Bytes::from(proposal.encode()));
        // The one gate to a log: an entry that cannot be read back would stop every replica.
        match Proposal::decode(&payload.0) {
            Ok(_) => Some(payload),
            Err(error) => {
                tracing::error!(%group, %error, "a proposal that could not be decoded");
                None
            }
        }
    }

    async fn append(
        &self,
        replica: &Replica,
        proposal: &Proposal,
        payload: Payload,
    ) -> ProposeReply {
        let group = replica.group;
        let guess = planted::guessed_index(|| replica.metrics().last_log_index);
        let written = replica.raft.client_write(payload).await;
        // By now its successor may be active, and this entry not part of it.
        if !self.may_lead(group) {
            return ProposeReply::Unknown;
        }
        match written {
            Ok(written) => match written.data.0 {
                Some(applied) => {
                    // The library answers after apply; a reader on this node sees it already.
                    debug_assert!(replica.visible.load(Ordering::Acquire) >= applied.index.0);
                    let term = convert::log_id(written.log_id).term;
                    let facts = self.tracker().group_config(group);
                    let now = self.environment().steady.now();
                    let stale_readers =
                        replica.leasing.stale_readers(applied.index, term, &facts, now);
                    ProposeReply::Done { applied, stale_readers }
                }
                None => ProposeReply::Unknown,
            },
            Err(RaftError::APIError(error)) => match error {
                ClientWriteError::ForwardToLeader(to) => {
                    ProposeReply::NotLeader { leader: to.leader_id.map(NodeId) }
                }
                ClientWriteError::LogEntryDiscarded(_) => planted::on_discarded(proposal, guess),
                ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_) => ProposeReply::Unknown,
            },
            Err(RaftError::Fatal(_)) => ProposeReply::Unknown,
        }
    }
}

/// Whether a command is a write of an organization that a client or an operator asks for: there may be any
/// number of them.
fn is_of_client(group: GroupId, command: &Command) -> bool {
    command.org().is_some() && command.may_be_forwarded_to(group)
}

/// Proposes a command of the cluster itself.
pub(crate) async fn propose_to_system(core: &Core, command: Command) -> Proposed {
    let id = core.internal_write_id();
    let proposal = core.own_proposal(GroupId::SYSTEM, id, command);
    core.propose(GroupId::SYSTEM, proposal, Instant::now() + PROPOSE_LIMIT).await
}

/// How long an attempt may wait for its turn, so that its answer comes before the deadline.
fn turn_wait(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.saturating_sub(TURN_MARGIN).min(TURN_WAIT_MAX)
}

/// Whether a command waits for its turn at the leader.
const fn takes_turns(command: &Command) -> bool {
    matches!(command, Command::MoveFreeze { .. })
}

/// Whether a peer did not know the request.
fn is_refused(reply: &Result<Bytes, TransportError>) -> bool {
    let decoded = reply.as_ref().ok().and_then(|bytes| PeerReply::decode(bytes).ok());
    matches!(decoded, Some(PeerReply::Refused(_)))
}

fn read_reply(reply: Result<Bytes, TransportError>) -> ProposeReply {
    match reply {
        Ok(bytes) => match PeerReply::decode(&bytes) {
            Ok(PeerReply::Proposed(reply)) => reply,
            Ok(_) | Err(_) => ProposeReply::Unknown,
        },
        Err(TransportError::UnknownPeer(_) | TransportError::Unreachable { .. }) => {
            ProposeReply::NotLeader { leader: None }
        }
        Err(TransportError::Lost | TransportError::TimedOut) => ProposeReply::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_peer_that_knows_no_turns_is_asked_without_them() {
        let said = |reply: PeerReply| Ok(Bytes::from(reply.encode()));
        assert!(is_refused(&said(PeerReply::Refused("an unknown request".to_owned()))));
        let queued = ProposeReply::Queued { ahead: 3 };
        assert!(!is_refused(&said(PeerReply::Proposed(queued.clone()))));
        assert!(!is_refused(&said(PeerReply::Removed { replaced_by: None })));
        assert!(!is_refused(&Err(TransportError::Lost)), "it may have been appended");
        assert_eq!(read_reply(said(PeerReply::Proposed(queued.clone()))), queued);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_answered_before_the_deadline() {
        let now = Instant::now();
        assert_eq!(turn_wait(now + Duration::from_secs(30)), TURN_WAIT_MAX);
        assert_eq!(turn_wait(now + TURN_MARGIN + Duration::from_secs(1)), Duration::from_secs(1));
        assert!(turn_wait(now + TURN_MARGIN).is_zero());
    }
}
