//! The audit trail of what changes who may open an organization: its keys, and its end. Each is a line of the log
//! target `audit`, with what came of it, also where it was refused or its caller went away. A line has ids only,
//! never the text of a key.

use concordat_proto::id::{KeyId, OrgId, WriteId};
use tracing::field::display;

use crate::{
    api::{
        draft::KeyDraft,
        outcome::{Answer, Outcome, Unavailable, Written},
    },
    auth::OrgPrincipal,
    observe::log,
    request::unavailable::unavailable,
};

/// What is done, and by which key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    organization: OrgId,
    name: &'static str,
    key: KeyId,
    is_operator: bool,
    /// The key that ends.
    about: Option<KeyId>,
}

impl Action {
    /// A change of an organization's keys, by one of them.
    pub(super) fn of_keys(org: &OrgPrincipal, draft: &KeyDraft) -> Self {
        let (name, about) = match draft {
            KeyDraft::Issue { .. } => ("key_issue", None),
            KeyDraft::Rotate => ("key_rotate", None),
            KeyDraft::Revoke(key) => ("key_revoke", Some(*key)),
        };
        let (organization, key) = (org.id(), org.key);
        Self { organization, name, key, is_operator: false, about }
    }

    /// The end of an organization, by one of its keys.
    pub(super) fn of_end(org: &OrgPrincipal) -> Self {
        let (organization, key) = (org.id(), org.key);
        Self { organization, name: "own_org_delete", key, is_operator: false, about: None }
    }

    /// The end of an organization, by an operator's key.
    pub(super) const fn of_end_by_operator(organization: OrgId, key: KeyId) -> Self {
        Self { organization, name: "org_delete", key, is_operator: true, about: None }
    }

    /// Whether it must wait while its line would be lost. A revocation never does: a key that has leaked must
    /// end, even where the line of that is lost.
    const fn is_held_up(self, takes_audit: bool) -> bool {
        let is_revocation = self.about.is_some();
        !takes_audit && !is_revocation
    }

    /// Begins it. The line is written when the value ends, whatever comes in between.
    ///
    /// # Errors
    /// The answer, while the line would be lost.
    pub(super) fn audited(self) -> Result<Audited, Answer> {
        if self.is_held_up(log::takes_audit()) {
            return Err(unavailable(Unavailable::NotAudited));
        }
        Ok(Audited { action: self, about: self.about, write_id: None, result: UNKNOWN })
    }
}

/// Of one whose caller went away before its end.
const UNKNOWN: &str = "unknown";

/// A line of the audit trail that is still to be written.
#[derive(Debug)]
pub(super) struct Audited {
    action: Action,
    /// The key that is made, or ends.
    about: Option<KeyId>,
    write_id: Option<WriteId>,
    result: &'static str,
}

impl Audited {
    /// Ends it with what came of it.
    pub(super) fn end(mut self, outcome: &Outcome) {
        let receipt = match outcome {
            Outcome::Written { receipt, .. } | Outcome::Pending { receipt, .. } => Some(receipt),
            Outcome::Refused { receipt, .. } => receipt.as_ref(),
            Outcome::Found(_)
            | Outcome::NotModified(_)
            | Outcome::Underway(_)
            | Outcome::Blocked(_)
            | Outcome::Unavailable(_)
            | Outcome::NotFound(_)
            | Outcome::PositionPending
            | Outcome::PositionLost
            | Outcome::Unauthenticated
            | Outcome::KeyMissing
            | Outcome::OtherOrganization
            | Outcome::Forbidden(_)
            | Outcome::Malformed(_) => None,
        };
        self.write_id = receipt.map(|receipt| receipt.write_id);
        self.result = match receipt {
            Some(receipt) => receipt.outcome.as_str(),
            None => "refused",
        };
        if let Outcome::Written { value: Written::Key(new, _), .. } = outcome {
            self.about = Some(new.key.key.id);
        }
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        let Action { organization, name, key, is_operator, .. } = self.action;
        let (about, write_id) = (self.about.map(display), self.write_id.map(display));
        tracing::info!(
            target: "audit", %organization, %key, is_operator, action = name, about, write_id,
            result = self.result, "who may open an organization"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use concordat_proto::{
        consistency::{Outcome as WriteOutcome, Receipt, RequiredConsistency},
        refusal::Refusal,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written in a call.
    fn line(of: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(lines.finish(), of);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    fn receipt(outcome: WriteOutcome) -> Receipt {
        Receipt {
            required: RequiredConsistency::LocalRegion,
            achieved: true,
            outcome,
            write_id: WriteId::from_bytes([9; 16]),
            position: None,
            elapsed: std::time::Duration::ZERO,
            regions: Vec::new(),
        }
    }

    #[test]
    fn a_revocation_alone_is_carried_out_while_its_line_would_be_lost() {
        let (organization, key) = (OrgId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let end = Action::of_end_by_operator(organization, key);
        let revocation = Action { about: Some(key), name: "key_revoke", ..end };
        assert!(end.is_held_up(false) && !end.is_held_up(true));
        assert!(!revocation.is_held_up(false) && !revocation.is_held_up(true));
    }

    #[test]
    fn a_line_has_what_came_of_it_and_there_is_always_one() {
        let (organization, key) = (OrgId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let about = KeyId::from_bytes([3; 16]);
        let revoke = Action {
            organization,
            name: "key_revoke",
            key,
            is_operator: false,
            about: Some(about),
        };
        let ended = |outcome: Outcome| line(|| revoke.audited().expect("a place").end(&outcome));
        let pending = |refusal, outcome| Outcome::Pending { receipt: receipt(outcome), refusal };
        let refused = |receipt| Outcome::Refused { refusal: Refusal::KeyNotFound, receipt };
        let done = Outcome::Written {
            value: Written::Done,
            follows: false,
            receipt: receipt(WriteOutcome::Committed),
        };
        for (outcome, result, has_write) in [
            (done, "committed", true),
            (pending(None, WriteOutcome::Committed), "committed", true),
            (pending(None, WriteOutcome::Unknown), "unknown", true),
            (pending(Some(Refusal::KeyNotFound), WriteOutcome::Refused), "refused", true),
            (refused(Some(receipt(WriteOutcome::Refused))), "refused", true),
            (refused(None), "refused", false),
            (Outcome::Forbidden(Vec::new()), "refused", false),
            (Outcome::Unavailable(Unavailable::NoLeader), "refused", false),
        ] {
            let line = ended(outcome);
            for part in [
                " INFO audit: who may open an organization".to_owned(),
                format!("organization={organization} key={key} is_operator=false"),
                format!("action=\"key_revoke\" about={about}"),
                format!("result=\"{result}\""),
            ] {
                assert!(line.contains(&part), "{part:?} is not in {line}");
            }
            assert_eq!(line.contains("write_id=09090909"), has_write, "{line}");
        }
        // Its request was dropped.
        let line = line(|| drop(revoke.audited().expect("a place")));
        assert!(line.contains("result=\"unknown\"") && line.lines().count() == 1, "{line}");
    }
}
