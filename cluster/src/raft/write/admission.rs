//! Which proposals a leader appends: each write once at a time, and no more at a time than it can commit while
//! their clients wait.
//!
//! A proposal whose answer is late is sent again. If each attempt were appended, a leader that is behind would
//! get more work the further behind it is. So an attempt for a write that is being proposed here waits for the
//! result of the first one. It must never refuse what may have been appended: a refusal says that nothing was.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use concordat_proto::{id::WriteId, limits, wire::peer::ProposeReply};
use tokio::sync::oneshot;

use crate::locks::locked;

/// The proposals of one group that its leader has appended, or is about to, and not answered.
#[derive(Debug, Default)]
pub(crate) struct Admission(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those who wait for the same result, by the write's id.
    under_way: BTreeMap<WriteId, Vec<oneshot::Sender<ProposeReply>>>,
    bytes: usize,
}

/// What becomes of a proposal.
#[derive(Debug)]
pub(crate) enum Admitted<'a> {
    /// It is to be appended.
    First(Place<'a>),
    /// The same write is under way: this is its result. When nothing comes, it is not known.
    Again(oneshot::Receiver<ProposeReply>),
    /// There are too many: certainly not appended.
    Busy,
}

/// The place of a proposal that is under way; it is given back with it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    admission: &'a Admission,
    write: WriteId,
    bytes: usize,
}

impl Admission {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }

    /// Decides about a proposal of this size, which has to be there as long as its place.
    pub(crate) fn admit(&self, write: WriteId, bytes: usize) -> Admitted<'_> {
        let mut state = self.state();
        if let Some(waiting) = state.under_way.get_mut(&write) {
            waiting.retain(|waiter| !waiter.is_closed());
            let (result, again) = oneshot::channel();
            waiting.push(result);
            return Admitted::Again(again);
        }
        let is_full = state.under_way.len() >= limits::PROPOSALS_MAX
            || state.bytes + bytes > limits::PROPOSALS_BYTES_MAX;
        if is_full {
            return Admitted::Busy;
        }
        state.under_way.insert(write, Vec::new());
        state.bytes += bytes;
        Admitted::First(Place { admission: self, write, bytes })
    }

    /// The number of writes that are under way.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.state().under_way.len()
    }
}

impl Place<'_> {
    /// Gives all who wait for the write its result.
    pub(crate) fn answer(self, reply: &ProposeReply) {
        let waiting = self.admission.state().under_way.get_mut(&self.write).map(std::mem::take);
        for waiter in waiting.into_iter().flatten() {
            drop(waiter.send(reply.clone())); // It may have given up.
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.under_way.remove(&self.write);
        state.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(number: u8) -> WriteId {
        WriteId::from_bytes([number; 16])
    }

    fn first(admitted: Admitted<'_>) -> Place<'_> {
        match admitted {
            Admitted::First(place) => place,
            other @ (Admitted::Again(_) | Admitted::Busy) => panic!("{other:?}"),
        }
    }

    fn again(admitted: Admitted<'_>) -> oneshot::Receiver<ProposeReply> {
        match admitted {
            Admitted::Again(result) => result,
            other @ (Admitted::First(_) | Admitted::Busy) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_attempt_gets_the_result_of_the_first() {
        let admission = Admission::default();
        let place = first(admission.admit(write(1), 10));
        let mut waiting =
            [again(admission.admit(write(1), 10)), again(admission.admit(write(1), 10))];
        assert_eq!(admission.len(), 1);
        place.answer(&ProposeReply::Unknown);
        for result in &mut waiting {
            assert_eq!(result.try_recv(), Ok(ProposeReply::Unknown));
        }
        assert_eq!(admission.len(), 0);
        drop(first(admission.admit(write(1), 10)));
    }

    #[test]
    fn without_a_result_of_the_first_a_second_attempt_gets_none() {
        let admission = Admission::default();
        let place = first(admission.admit(write(1), 10));
        let mut waiting = again(admission.admit(write(1), 10));
        drop(place);
        assert_eq!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(admission.len(), 0);
    }

    #[test]
    fn those_who_gave_up_leave_nothing() {
        let admission = Admission::default();
        let place = first(admission.admit(write(1), 10));
        for _ in 0..1000 {
            drop(again(admission.admit(write(1), 10)));
        }
        assert!(admission.state().under_way[&write(1)].len() <= 1);
        place.answer(&ProposeReply::Unknown);
    }

    #[test]
    fn too_many_or_too_large_are_refused_until_one_is_answered() {
        let admission = Admission::default();
        let half = limits::PROPOSALS_BYTES_MAX / 2;
        let one = first(admission.admit(write(1), half));
        let other = first(admission.admit(write(2), half));
        assert!(matches!(admission.admit(write(3), 1), Admitted::Busy));
        drop(again(admission.admit(write(2), 1)));
        drop(one);
        drop(first(admission.admit(write(3), 1)));
        drop(other);
        let id = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
            WriteId::from_bytes(bytes)
        };
        let mut places: Vec<Place<'_>> = (0..limits::PROPOSALS_MAX)
            .map(|number| first(admission.admit(id(number), 1)))
            .collect();
        assert!(matches!(admission.admit(write(9), 1), Admitted::Busy));
        places.truncate(limits::PROPOSALS_MAX - 1);
        drop(first(admission.admit(write(9), 1)));
    }
}
