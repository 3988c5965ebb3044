//! One entry's turn: what its rules see, and what they have changed so far.
//!
//! A rule writes only through here, and what it wrote is kept only when it says yes.

use std::rc::Rc;

use concordat_proto::{
    consistency::Position,
    id::{GroupId, WriteId},
    log::{LogIndex, Term},
    movement::HomeRecord,
    refusal::Refusal,
    reply::{Applied, Reply},
    time::LogTime,
    wire::Wire,
};

use super::{changes::Changes, query, view::Overlay};
use crate::store::{Reader, StoreError};

/// Why a rule ended without a yes.
#[derive(Debug)]
pub(super) enum Halt {
    /// An expected no: an answer like any other.
    Refused(Refusal),
    /// A fault: the replica stops.
    Broken(StoreError),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

/// What a rule answers.
pub(super) type Ruling = Result<Reply, Halt>;

/// What an entry sees and changes.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    overlay: Overlay<'a>,
    /// The group whose log the entry is in.
    pub(super) group: GroupId,
    /// Its write.
    pub(super) write_id: WriteId,
    /// Its place.
    pub(super) index: LogIndex,
    /// Its term, where answers may name it.
    pub(super) term: Option<Term>,
    /// Its log time.
    pub(super) log_time: LogTime,
    /// The record, before this entry, of the organisation that it is about, if that is here.
    pub(super) home: Option<Rc<HomeRecord>>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        view: &'a dyn Reader,
        group: GroupId,
        write_id: WriteId,
        index: LogIndex,
        log_time: LogTime,
    ) -> Self {
        let overlay = Overlay::new(view);
        Self { overlay, group, write_id, index, term: None, log_time, home: None }
    }

    /// In a group whose log has noted that all replicas know positions with a term.
    pub(super) fn of_term(self, term: Option<Term>) -> Self {
        Self { term, ..self }
    }

    /// Of an entry about an organisation.
    pub(super) fn about(self, home: Option<HomeRecord>) -> Self {
        Self { home: home.map(Rc::new), ..self }
    }

    /// What the entry sees.
    pub(super) fn view(&self) -> &Overlay<'a> {
        &self.overlay
    }

    /// Sets a record.
    pub(super) fn put<T: Wire>(&mut self, key: Vec<u8>, record: &T) {
        self.overlay.put(key, record.encode());
    }

    /// Sets bytes that are no record.
    pub(super) fn put_bytes(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.overlay.put(key, bytes);
    }

    /// Removes a key.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.overlay.remove(key);
    }

    /// Removes all keys that begin with a prefix.
    pub(super) fn clear(&mut self, prefix: Vec<u8>) {
        self.overlay.clear(prefix);
    }

    /// The record at a key.
    pub(super) fn load<T: Wire>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        query::load(&self.overlay, key)
    }

    /// Lets a rule decide. What it changed is kept when it says yes, and dropped otherwise.
    pub(super) fn attempt(
        &mut self,
        rule: impl FnOnce(&mut Turn<'_>) -> Ruling,
    ) -> Result<Result<Reply, Refusal>, StoreError> {
        let mut inner =
            Turn::new(&self.overlay, self.group, self.write_id, self.index, self.log_time);
        inner.home.clone_from(&self.home);
        inner.term = self.term;
        match rule(&mut inner) {
            Ok(reply) => {
                let changes = inner.into_changes();
                self.overlay.add(changes);
                Ok(Ok(reply))
            }
            Err(Halt::Refused(refusal)) => Ok(Err(refusal)),
            Err(Halt::Broken(error)) => Err(error),
        }
    }

    /// An answer about this entry itself. It names its organisation's epoch, for a repeat may find the
    /// organisation here in a later one: moved away and back, or let go and restored.
    pub(super) fn answer(&self, outcome: Result<Reply, Refusal>) -> Applied {
        let position = self.home.as_ref().map(|home| Position {
            epoch: home.org.epoch,
            group: self.group,
            index: self.index,
            term: self.term,
        });
        Applied { write_id: self.write_id, index: self.index, position, outcome }
    }

    pub(super) fn into_changes(self) -> Changes {
        self.overlay.into_changes()
    }
}
