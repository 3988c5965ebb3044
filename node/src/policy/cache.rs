//! Compiled sets by their revisions, and decisions by what was asked.
//!
//! A decision is remembered only where the sets read no circumstances beyond those that it is remembered
//! under. Both memories are bounded: a full one is emptied, and later requests fill it again.
//! Nothing else is done while a lock is held, except that a set which is asked for by many is compiled once.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use concordat_proto::{consistency::RequiredConsistency, id::WriteId, limits, log::LogIndex};

use super::{
    compiled::{Compiled, Verdict},
    question::{Asker, Question, Target},
    reads::Reads,
};
use crate::api::operation::Operation;

/// Which sets are in force beside the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revisions {
    /// The revision of the cluster-wide set.
    pub(crate) cluster: u64,
    /// The version of the organization's own set.
    pub(crate) organization: Option<WriteId>,
}

/// The texts of these sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The cluster-wide set.
    pub(crate) cluster: String,
    /// The organization's own set.
    pub(crate) organization: Option<String>,
}

/// What a decision is remembered under; the source address where the sets read it.
type Asked = (Revisions, Asker, Operation, RequiredConsistency, Option<IpAddr>, Target);

/// The memories.
#[derive(Debug, Default)]
pub(crate) struct PolicyCache {
    /// The revision of the cluster-wide set, and the entry of the system group that it was read at.
    revision: Mutex<Option<(LogIndex, u64)>>,
    sets: Mutex<Sets>,
    decisions: Mutex<BTreeMap<Asked, Arc<Verdict>>>,
    evaluations: AtomicU64,
}

#[derive(Debug, Default)]
struct Sets {
    compiled: BTreeMap<Revisions, Arc<Compiled>>,
    /// The bytes of their texts.
    bytes: usize,
}

impl PolicyCache {
    /// The revision of the cluster-wide set as of an entry of the system group, or a newer one. It is read
    /// where another entry was applied since the last time: few are, so that most requests spare a look-up.
    /// `applied` must have been looked at before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn revision<E>(
        &self,
        applied: LogIndex,
        read: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, E> {
        let lock = || self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *lock();
        if let Some((_, revision)) = known.filter(|(index, _)| *index == applied) {
            return Ok(revision);
        }
        let revision = read()?;
        // Without an applied entry there is no replica to tell.
        if applied > LogIndex(0) {
            *lock() = Some((applied, revision));
        }
        Ok(revision)
    }

    /// The compiled sets of some revisions; `texts` is called where they are not remembered.
    ///
    /// # Errors
    /// When the texts cannot be read.
    pub(crate) fn compiled<E>(
        &self,
        revisions: Revisions,
        texts: impl FnOnce() -> Result<Texts, E>,
    ) -> Result<Arc<Compiled>, E> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = sets.compiled.get(&revisions) {
            return Ok(Arc::clone(found));
        }
        let Texts { cluster, organization } = texts()?;
        let bytes = cluster.len() + organization.as_ref().map_or(0, String::len);
        let compiled = Arc::new(Compiled::or_denying(&cluster, organization.as_deref()));
        if sets.bytes + bytes > limits::POLICY_CACHE_BYTES_MAX
            || sets.compiled.len() >= limits::POLICY_CACHE_SETS_MAX
        {
            *sets = Sets::default();
        }
        sets.bytes += bytes;
        sets.compiled.insert(revisions, Arc::clone(&compiled));
        Ok(compiled)
    }

    /// What some sets say of a question.
    pub(crate) fn verdict(
        &self,
        revisions: Revisions,
        compiled: &Compiled,
        question: &Question,
    ) -> Arc<Verdict> {
        let Question { asker, operation, target, circumstances } = question;
        let source = match compiled.reads() {
            Reads::Steady => None,
            Reads::Source => Some(circumstances.source),
            Reads::All => return self.evaluated(compiled, question),
        };
        let required = circumstances.required;
        let asked = (revisions, *asker, *operation, required, source, target.clone());
        let lock = || self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&asked) {
            return Arc::clone(found);
        }
        let verdict = self.evaluated(compiled, question);
        let mut decisions = lock();
        if decisions.len() >= limits::POLICY_DECISIONS_MAX {
            decisions.clear();
        }
        decisions.insert(asked, Arc::clone(&verdict));
        verdict
    }

    fn evaluated(&self, compiled: &Compiled, question: &Question) -> Arc<Verdict> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        Arc::new(compiled.verdict(question))
    }

    /// How often sets were evaluated.
    #[cfg(test)]
    pub(crate) fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_once_for_each_entry() {
        let cache = PolicyCache::default();
        let none = || Err::<u64, _>("it is remembered");
        assert_eq!(cache.revision(LogIndex(0), || Ok::<_, ()>(1)), Ok(1));
        assert_eq!(cache.revision(LogIndex(0), none), Err("it is remembered"), "no replica");
        assert_eq!(cache.revision(LogIndex(7), || Ok::<_, ()>(2)), Ok(2));
        assert_eq!(cache.revision(LogIndex(7), none), Ok(2));
        assert_eq!(cache.revision(LogIndex(8), || Ok::<_, ()>(3)), Ok(3));
        assert_eq!(cache.revision(LogIndex(8), none), Ok(3));
    }
}
