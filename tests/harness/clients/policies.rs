//! Sets of policies that clients have put in force, and when home groups took note of them: what the judge of
//! policies knows of a run beside its history.
//!
//! A set is described by what it forbids, in terms of the history. Its text is made from that, so nothing
//! here parses or evaluates a policy: a judge that used the product's engine would share its bugs.

use std::{fmt, time::Duration};

use super::history::{Action, Change, Operation, Outcome, Position, Required};

/// What one policy forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ban {
    /// Every change and deletion of this credential. Its creation is about the organization, and stays open.
    Changes(String),
    /// Deletions of all credentials.
    Deletions,
    /// Reads of this credential.
    Reads(String),
}

impl Ban {
    /// The policy.
    #[must_use]
    pub fn text(&self) -> String {
        let (action, resource) = match self {
            Self::Changes(credential) => ("in Action::\"write\"", Some(credential)),
            Self::Deletions => ("in [Action::\"oidc_delete\", Action::\"entry_delete\"]", None),
            Self::Reads(credential) => {
                ("in [Action::\"oidc_get\", Action::\"entry_get\"]", Some(credential))
            }
        };
        let resource = resource.map(|it| format!(" == Credential::\"{it}\"")).unwrap_or_default();
        format!("forbid (principal is Key, action {action}, resource{resource});")
    }

    /// Whether it forbids what an operation has asked for.
    #[must_use]
    pub fn forbids(&self, operation: &Operation) -> bool {
        match (self, &operation.action) {
            (Self::Changes(credential), Action::Write(write)) => {
                operation.credential == *credential
                    && matches!(write.change, Change::Patch(_) | Change::Delete)
            }
            (Self::Deletions, Action::Write(write)) => write.change == Change::Delete,
            (Self::Reads(credential), Action::Read) => operation.credential == *credential,
            (Self::Changes(_) | Self::Deletions, Action::Read)
            | (Self::Reads(_), Action::Write(_)) => false,
        }
    }
}

/// One set that a client has asked to put in force, with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// The organization whose own set it is; none for the cluster-wide set.
    pub org: Option<String>,
    /// What it forbids.
    pub bans: Vec<Ban>,
    /// Its text. That of a cluster-wide set is like no other.
    pub text: String,
    /// How far it had to be replicated.
    pub required: Required,
    /// The region of the node that gave the outcome.
    pub region: String,
    /// Before the first attempt was sent.
    pub invoked: Duration,
    /// After the answer with the outcome was there.
    pub completed: Duration,
    /// The outcome, as of a write.
    pub outcome: Outcome,
}

impl PolicyChange {
    /// Whether it forbids what an operation has asked for.
    #[must_use]
    pub fn forbids(&self, operation: &Operation) -> bool {
        self.concerns(&operation.org) && self.bans.iter().any(|ban| ban.forbids(operation))
    }

    /// Whether an organization's keys are subject to it.
    #[must_use]
    pub fn concerns(&self, org: &str) -> bool {
        self.org.as_deref().is_none_or(|of| of == org)
    }

    /// Its place in the log of its group, if that is known.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self.outcome {
            Outcome::Committed { position, .. } => Some(position),
            Outcome::Seen { .. } | Outcome::Refused { .. } | Outcome::Unknown | Outcome::Failed => {
                None
            }
        }
    }

    /// Whether it has happened, or may have, or may yet.
    #[must_use]
    pub const fn may_happen(&self) -> bool {
        matches!(self.outcome, Outcome::Committed { .. } | Outcome::Unknown)
    }

    /// Whether a fresh answer of a region that begins at some time must know it.
    #[must_use]
    pub fn is_promised(&self, region: &str, since: Duration) -> bool {
        let is_there = match self.required {
            Required::AllRegions => true,
            Required::LocalRegion => self.region == region,
        };
        let is_achieved = matches!(self.outcome, Outcome::Committed { achieved: true, .. });
        is_achieved && is_there && self.completed < since
    }
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.invoked, self.completed].map(|time| time.as_secs_f64());
        let (bans, required, outcome) = (&self.bans, self.required.as_str(), &self.outcome);
        write!(f, "{from:.4}–{to:.4} s, {bans:?} {required} → {outcome}")
    }
}

/// A home group's log had noted a revision of the cluster-wide set by this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The group.
    pub group: u32,
    /// The entry.
    pub index: u64,
    /// The revision.
    pub revision: u64,
}

/// The policies of a run.
#[derive(Debug, Clone, Default)]
pub struct PolicyHistory {
    /// In any order.
    pub changes: Vec<PolicyChange>,
    /// The texts of the cluster-wide set's revisions, as far as they were seen in the nodes' states. Only
    /// the simulation sees these.
    pub revisions: Vec<(u64, String)>,
    /// In any order; seen there too.
    pub noted: Vec<Noted>,
}
