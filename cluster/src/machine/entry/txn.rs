//! The transaction of one entry: the state that its rules see, and their changes so far.
//!
//! A rule writes only through this type, and its changes are kept only when it succeeds.

use std::rc::Rc;

use concordat_proto::{
    consistency::Position,
    id::{GroupId, WriteId},
    log::{LogIndex, Term},
    movement::HomeRecord,
    refusal::Refusal,
    reply::{Applied, Reply},
    time::LogTime,
    version,
    wire::Wire,
};

use super::{changes::Changes, view::Overlay};
use crate::{
    machine::query,
    store::{Reader, StoreError},
};

/// Why a rule ended without a yes.
#[derive(Debug)]
pub(in crate::machine) enum ApplyError {
    /// An expected no: an answer like any other.
    Refused(Refusal),
    /// A fault: the replica stops.
    Broken(StoreError),
}

impl From<Refusal> for ApplyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

/// The result of a rule.
pub(in crate::machine) type ApplyResult = Result<Reply, ApplyError>;

/// The view and the changes of one entry.
#[derive(Debug)]
pub(in crate::machine) struct ApplyTxn<'a> {
    overlay: Overlay<'a>,
    /// The group whose log the entry is in.
    pub(in crate::machine) group: GroupId,
    /// Its write.
    pub(in crate::machine) write_id: WriteId,
    /// Its place.
    pub(in crate::machine) index: LogIndex,
    /// Its term, where answers may name it: the group's own log has noted that all of its replicas
    /// know such answers.
    pub(in crate::machine) term: Option<Term>,
    /// The feature level that the group's log has noted, for an entry about an organization that is
    /// here; the first one otherwise.
    pub(in crate::machine) level: u32,
    /// Its log time.
    pub(in crate::machine) log_time: LogTime,
    /// The record, before this entry, of the organization that it is about, if that is here.
    pub(in crate::machine) home: Option<Rc<HomeRecord>>,
}

impl<'a> ApplyTxn<'a> {
    pub(in crate::machine) fn new(
        view: &'a dyn Reader,
        group: GroupId,
        write_id: WriteId,
        index: LogIndex,
        log_time: LogTime,
    ) -> Self {
        let overlay = Overlay::new(view);
        let level = version::FEATURE_LEVEL_FIRST;
        Self { overlay, group, write_id, index, term: None, level, log_time, home: None }
    }

    /// In a group whose log has noted this feature level, for an entry whose answers name this term.
    pub(in crate::machine) fn of_level(self, level: u32, term: Option<Term>) -> Self {
        Self { level, term, ..self }
    }

    /// For an entry about an organization.
    pub(in crate::machine) fn about(self, home: Option<HomeRecord>) -> Self {
        Self { home: home.map(Rc::new), ..self }
    }

    /// The state that the entry sees.
    pub(in crate::machine) fn view(&self) -> &Overlay<'a> {
        &self.overlay
    }

    /// Sets a record.
    pub(in crate::machine) fn put<T: Wire>(&mut self, key: Vec<u8>, record: &T) {
        self.overlay.put(key, record.encode());
    }

    /// Sets bytes that are no record.
    pub(in crate::machine) fn put_bytes(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.overlay.put(key, bytes);
    }

    /// Removes a key.
    pub(in crate::machine) fn remove(&mut self, key: Vec<u8>) {
        self.overlay.remove(key);
    }

    /// Removes all keys that begin with a prefix.
    pub(in crate::machine) fn clear(&mut self, prefix: Vec<u8>) {
        self.overlay.clear(prefix);
    }

    /// The record at a key.
    pub(in crate::machine) fn load<T: Wire>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        query::load(&self.overlay, key)
    }

    /// Runs a rule. Its changes are kept when it succeeds, and dropped otherwise.
    pub(in crate::machine) fn attempt(
        &mut self,
        rule: impl FnOnce(&mut ApplyTxn<'_>) -> ApplyResult,
    ) -> Result<Result<Reply, Refusal>, StoreError> {
        let mut inner =
            ApplyTxn::new(&self.overlay, self.group, self.write_id, self.index, self.log_time);
        inner.home.clone_from(&self.home);
        (inner.term, inner.level) = (self.term, self.level);
        match rule(&mut inner) {
            Ok(reply) => {
                let changes = inner.into_changes();
                self.overlay.add(changes);
                Ok(Ok(reply))
            }
            Err(ApplyError::Refused(refusal)) => Ok(Err(refusal)),
            Err(ApplyError::Broken(error)) => Err(error),
        }
    }

    /// The result of this entry itself. It names its organization's epoch, because a repeat may
    /// find the organization here in a later one: moved away and back, or frozen and restored.
    pub(in crate::machine) fn answer(&self, outcome: Result<Reply, Refusal>) -> Applied {
        let position = self.home.as_ref().map(|home| Position {
            epoch: home.org.epoch,
            group: self.group,
            index: self.index,
            term: self.term,
        });
        Applied { write_id: self.write_id, index: self.index, position, outcome }
    }

    pub(in crate::machine) fn into_changes(self) -> Changes {
        self.overlay.into_changes()
    }
}
