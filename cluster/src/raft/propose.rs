//! Getting a write committed: at the group's leader wherever it is, again under the same write id
//! after every unclear end, until the time is up.
//!
//! It never says "not proposed" unless every attempt certainly appended nothing.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, NodeId, WriteId},
    lease::DangerSet,
    limits,
    log::LogIndex,
    reply::{Applied, Reply},
    time::LogTime,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest, ProposeReply},
    },
};
use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::Instant;

use super::{
    convert,
    groups::Groups,
    transport::{Channel, TransportError},
    types::Payload,
};
use crate::consistency::Danger;
use crate::planted::{self, Bug};

/// Before the next attempt when nobody is known to lead.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// How long one attempt at another node may take before the next one is made.
const ATTEMPT_MAX: Duration = Duration::from_secs(3);
/// How long one attempt may wait for its turn at the leader.
const TURN_WAIT_MAX: Duration = Duration::from_secs(2);
/// What an attempt needs beside the wait for its turn. When less is left, it is not waited any more:
/// then it is known that nothing was proposed.
const TURN_MARGIN: Duration = Duration::from_millis(500);

const _: () = assert!(
    TURN_WAIT_MAX.as_millis() + TURN_MARGIN.as_millis() < ATTEMPT_MAX.as_millis(),
    "an attempt that waits for its turn is answered before it is given up"
);

/// How proposing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// It is committed and applied at the leader: it cannot be lost.
    Committed {
        /// What became of it.
        applied: Applied,
        /// Who may still answer reads without it.
        danger: Danger,
    },
    /// Every attempt certainly ended without an entry in any log.
    NotProposed,
    /// As before: it was not its turn in time.
    Queued {
        /// How many go first.
        ahead: u32,
    },
    /// Not known: it may have happened, or may still.
    Unknown,
    /// The group is closed. What became of it stands in its successor's state; whoever proposes it
    /// there under the same write id has it at most once.
    Closed,
}

impl Groups {
    /// What the cluster itself has to say.
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
            authorised_by: None,
            command,
        }
    }

    /// The time of a group's log, as far as this node can tell: what limits in log time are counted
    /// from.
    #[must_use]
    pub fn log_now(&self, group: GroupId) -> LogTime {
        let environment = self.environment();
        if planted::is(Bug::StampsByWallClock) {
            return environment.clock.now();
        }
        self.times().now(group, self.agreed_wall(), environment.steady.now())
    }

    /// Proposes at the group's leader until the outcome is known or the deadline has come.
    pub async fn propose(&self, group: GroupId, proposal: Proposal, deadline: Instant) -> Proposed {
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
                        Err(_) if planted::is(Bug::UnknownSaysNo) => {
                            return Proposed::NotProposed;
                        }
                        Err(_) => return Proposed::Unknown,
                    }
                }
            };
            match reply {
                ProposeReply::Done { applied, danger } => {
                    let danger = self.told(group, &danger);
                    return Proposed::Committed { applied, danger };
                }
                ProposeReply::Committed(applied) => {
                    let danger = self.danger(group, applied.index);
                    return Proposed::Committed { applied, danger };
                }
                ProposeReply::NotLeader { leader } => hint = leader,
                ProposeReply::Queued { ahead } if certain && turn_wait(deadline).is_zero() => {
                    return Proposed::Queued { ahead };
                }
                ProposeReply::Queued { .. } => {}
                ProposeReply::Unknown => certain = false,
            }
            let pause = if hint.is_some() { Duration::from_millis(1) } else { RETRY_PAUSE };
            if Instant::now() + pause >= deadline {
                tokio::time::sleep_until(deadline).await;
                let certain = certain || planted::is(Bug::UnknownSaysNo);
                return if certain { Proposed::NotProposed } else { Proposed::Unknown };
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// A leader's danger set, from this moment on.
    fn told(&self, group: GroupId, danger: &DangerSet) -> Danger {
        let facts = self.tracker().facts(group);
        Danger::told(danger, &facts.leases, self.environment().steady.now())
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
        let encoded = proposal.encode();
        if takes_turns(&proposal.command) {
            let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            let in_turn = PeerRequest::ProposeInTurn { group, proposal: encoded.clone(), wait_ms };
            let body = Bytes::from(in_turn.encode());
            let reply = transport.request(leader, Channel::Control, body, limit).await;
            if !is_refused(&reply) {
                return read_reply(reply);
            }
            // It is of a version that knows no turns.
        }
        let request = PeerRequest::Propose { group, proposal: encoded };
        let body = Bytes::from(request.encode());
        read_reply(transport.request(leader, Channel::Control, body, limit).await)
    }

    /// Appends on this node, if it leads the group, and answers once applied: of what takes turns when
    /// it is its turn, if that is in time.
    pub(crate) async fn propose_in_turn(
        &self,
        group: GroupId,
        proposal: Proposal,
        wait: Duration,
    ) -> ProposeReply {
        let Command::Release { org, to, .. } = &proposal.command else {
            return self.propose_here(group, proposal).await;
        };
        let leader = self.leader_of(group);
        if leader != Some(self.node()) {
            return ProposeReply::NotLeader { leader };
        }
        match self.turn(group, *org, self.successor(*to), wait.min(TURN_WAIT_MAX)).await {
            Ok(turn) => {
                let reply = self.propose_here(group, proposal).await;
                drop(turn);
                reply
            }
            Err(ahead) => ProposeReply::Queued { ahead: u32::try_from(ahead).unwrap_or(u32::MAX) },
        }
    }

    /// Appends on this node, if it leads the group, and answers once applied.
    pub(crate) async fn propose_here(
        &self,
        group: GroupId,
        mut proposal: Proposal,
    ) -> ProposeReply {
        let Some(replica) = self.replica(group) else {
            return ProposeReply::NotLeader { leader: None };
        };
        // Certainly not appended, and asked again in a moment, of whoever leads then.
        if replica.handing_over.load(Ordering::Acquire) || !self.may_act_for(group) {
            return ProposeReply::NotLeader { leader: None };
        }
        if proposal.command.org().is_some() && self.is_founding_alone(&replica) {
            return ProposeReply::NotLeader { leader: None };
        }
        // Certainly not appended: a member could not read it.
        if !self.may_propose(&proposal.command) {
            return ProposeReply::NotLeader { leader: None };
        }
        // Nor while no region counts, which is over once the leader's own mark is applied: there is
        // nowhere yet that the write could be said to have arrived.
        let judged_by_nobody = !planted::is(Bug::JudgedByNobody)
            && !self.tracker().facts(group).members.values().any(|of| of.counts);
        if proposal.command.org().is_some() && judged_by_nobody {
            return ProposeReply::NotLeader { leader: None };
        }
        proposal.stamped = self.log_now(group);
        // What its organisation's writes were given before it came is not over here sooner.
        if let Command::AdoptBegin { floor, .. } = &proposal.command {
            proposal.stamped = proposal.stamped.max(*floor);
        }
        let payload = Payload(Bytes::from(proposal.encode()));
        // The one gate to a log: an entry that cannot be read back would stop every replica.
        if let Err(error) = Proposal::decode(&payload.0) {
            tracing::error!(%group, %error, "a proposal that could not be read back");
            return ProposeReply::NotLeader { leader: None };
        }
        let guess = planted::is(Bug::IndexReused)
            .then(|| LogIndex(1 + replica.metrics().last_log_index.unwrap_or(0)));
        let written = replica.raft.client_write(payload).await;
        // By now its successor may be at work, and this entry be none of its.
        if !self.may_act_for(group) {
            return ProposeReply::Unknown;
        }
        match written {
            Ok(written) => match written.data.0 {
                Some(applied) => {
                    // The library answers after apply; a reader on this node sees it already.
                    debug_assert!(replica.visible.load(Ordering::Acquire) >= applied.index.0);
                    let term = convert::log_id(written.log_id).term;
                    let facts = self.tracker().facts(group);
                    let now = self.environment().steady.now();
                    let danger = replica.leasing.danger(applied.index, term, &facts, now);
                    ProposeReply::Done { applied, danger }
                }
                None => ProposeReply::Unknown,
            },
            Err(RaftError::APIError(error)) => match error {
                ClientWriteError::ForwardToLeader(to) => {
                    ProposeReply::NotLeader { leader: to.leader_id.map(NodeId) }
                }
                ClientWriteError::LogEntryDiscarded(_) if guess.is_some() => {
                    taken_for_it(&proposal, guess)
                }
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_) => ProposeReply::Unknown,
            },
            Err(RaftError::Fatal(_)) => ProposeReply::Unknown,
        }
    }
}

/// How long an attempt may wait for its turn, so that its answer comes before the deadline.
fn turn_wait(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.saturating_sub(TURN_MARGIN).min(TURN_WAIT_MAX)
}

/// Whether a command waits for its turn at the leader.
const fn takes_turns(command: &Command) -> bool {
    matches!(command, Command::Release { .. })
}

/// Whether a peer did not know what it was asked.
fn is_refused(reply: &Result<Bytes, TransportError>) -> bool {
    let decoded = reply.as_ref().ok().and_then(|bytes| PeerReply::decode(bytes).ok());
    matches!(decoded, Some(PeerReply::Refused(_)))
}

/// Takes what stands at a write's index for the write (a planted bug).
fn taken_for_it(proposal: &Proposal, guess: Option<LogIndex>) -> ProposeReply {
    let write_id = proposal.write_id;
    match (&proposal.command, guess) {
        (Command::CreateOidc { .. } | Command::PatchOidc { .. }, Some(index)) => {
            let outcome = Ok(Reply::Version(write_id));
            ProposeReply::Committed(Applied { write_id, index, position: None, outcome })
        }
        _ => ProposeReply::Unknown,
    }
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
