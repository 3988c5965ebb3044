//! The commands that are under way, and what is known by their answers. An answer that no server may give
//! ends the run here; nothing is sent.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::task::JoinSet;

use super::act::Command;

/// What a command's answer tells about.
#[derive(Debug, Clone)]
pub(super) enum About {
    Nothing,
    Organization(String),
    /// A key of one of the clients' organizations, and its id once it has one.
    Key(usize, Option<String>),
}

/// What is known of an organization or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was answered that it is there.
    There,
    /// It was answered that it is gone.
    Gone,
    /// A command for it is under way, or was not answered.
    Unknown,
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: Command,
    pub(super) is_mistyped: bool,
    pub(super) about: About,
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) body: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) order: Order,
    /// Status, whether the answer is current, and body.
    pub(super) answer: Option<(u16, bool, Value)>,
}

/// The commands that are under way, and what is known by their answers.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) under_way: JoinSet<Answered>,
    pub(super) orgs: BTreeMap<String, State>,
    pub(super) keys: BTreeMap<String, (usize, State)>,
}

impl Commands {
    /// Takes the answers that have come.
    ///
    /// # Panics
    /// At an answer that no server may give.
    pub(super) fn look(&mut self) {
        while let Some(answered) = self.under_way.try_join_next() {
            self.take(answered.expect("a command panicked"));
        }
    }

    /// Waits until all are answered, or will not be.
    pub(super) async fn settle(&mut self) {
        while let Some(answered) = self.under_way.join_next().await {
            self.take(answered.expect("a command panicked"));
        }
    }

    fn take(&mut self, Answered { order, answer }: Answered) {
        let Some((status, is_current, body)) = answer else { return };
        let may_be = match status {
            200..300 => !order.is_mistyped,
            408 | 429 | 503 => true,
            // A node that does not know the key yet says that it is not current.
            401 => order.is_mistyped || !is_current,
            400 => order.is_mistyped || order.command == Command::VoterRegion,
            404 | 409 => true,
            _ => false,
        };
        assert!(may_be, "{order:?}: {status}, current: {is_current}: {body}");
        match (&order.about, status) {
            (About::Organization(id), 201) => drop(self.orgs.insert(id.clone(), State::There)),
            (About::Organization(id), 204) => drop(self.orgs.insert(id.clone(), State::Gone)),
            (About::Key(org, _), 201) => {
                let id = body["result"]["id"].as_str().expect("its id").to_owned();
                self.keys.insert(id, (*org, State::There));
            }
            (About::Key(org, Some(id)), 204) => {
                self.keys.insert(id.clone(), (*org, State::Gone));
            }
            (About::Nothing | About::Organization(_) | About::Key(..), _) => {}
        }
    }

    pub(super) fn org(&self, number: u64) -> Option<String> {
        let there: Vec<&String> = self
            .orgs
            .iter()
            .filter(|(_, state)| **state == State::There)
            .map(|(id, _)| id)
            .collect();
        let place = usize::try_from(number).ok()?.checked_rem(there.len())?;
        Some(there[place].clone())
    }

    pub(super) fn key(&self) -> Option<(usize, String)> {
        let is_there = |(_, (_, state)): &(&String, &(usize, State))| *state == State::There;
        self.keys.iter().find(is_there).map(|(id, (org, _))| (*org, id.clone()))
    }
}

/// Whether what was answered is so.
pub(super) fn agrees(state: State, is_there: bool) -> Result<(), String> {
    match (state, is_there) {
        (State::There, false) => Err("it was made, and is not there".to_owned()),
        (State::Gone, true) => Err("it was ended, and is there".to_owned()),
        (State::There, true) | (State::Gone, false) | (State::Unknown, _) => Ok(()),
    }
}
