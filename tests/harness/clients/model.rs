//! The possible states of credentials after writes whose outcome may be unknown: for each one the
//! set of all states that it can be in. Naive on purpose, and not the product's machine.
//!
//! An answer or a read that no possible state explains is a violation.

use std::collections::{BTreeMap, BTreeSet};

/// A credential, as far as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// Its label.
    pub label: String,
    /// The write that made it; `None` when its name is unknown.
    pub version: Option<String>,
}

type State = Option<Credential>;

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Its change.
    pub action: WriteAction,
    /// The version that `If-Match` names.
    pub if_match: Option<String>,
}

/// The change of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteAction {
    /// POST.
    Create {
        /// Its label.
        label: String,
    },
    /// PATCH.
    Patch {
        /// Its new label.
        label: String,
    },
    /// DELETE.
    Delete,
}

/// What is known of a write's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This status, decided by the state.
    Status(u16),
    /// It may have happened or not, and may yet.
    Unknown,
}

/// The model.
#[derive(Debug, Clone, Default)]
pub struct Model {
    possible: BTreeMap<String, BTreeSet<State>>,
}

/// The result of a write in one state.
fn carry_out(state: &State, write: &Write, write_id: Option<&str>) -> (u16, State) {
    let made = |label: &String| {
        Some(Credential { label: label.clone(), version: write_id.map(str::to_owned) })
    };
    let matches = |credential: &Credential| match (&write.if_match, &credential.version) {
        (None, _) => true,
        (Some(asked), Some(version)) => asked == version,
        // A version whose name no client has: none can require it.
        (Some(_), None) => false,
    };
    match (&write.action, state) {
        (WriteAction::Create { label }, None) => (201, made(label)),
        (WriteAction::Create { .. }, Some(_)) => (409, state.clone()),
        (WriteAction::Patch { .. } | WriteAction::Delete, None) => (404, None),
        (_, Some(credential)) if !matches(credential) => (412, state.clone()),
        (WriteAction::Patch { label }, Some(_)) => (200, made(label)),
        (WriteAction::Delete, Some(_)) => (200, None),
    }
}

impl Model {
    fn states(&self, id: &str) -> BTreeSet<State> {
        self.possible.get(id).cloned().unwrap_or_else(|| BTreeSet::from([None]))
    }

    /// A write was answered, or not.
    ///
    /// # Errors
    /// When it cannot have been answered so.
    pub fn wrote(
        &mut self,
        id: &str,
        write: &Write,
        answer: Answer,
        write_id: Option<&str>,
    ) -> Result<(), String> {
        let before = self.states(id);
        let mut after = BTreeSet::new();
        for state in &before {
            let (status, next) = carry_out(state, write, write_id);
            match answer {
                Answer::Unknown => after.extend([state.clone(), next]),
                Answer::Status(told) if told == status => {
                    after.insert(next);
                }
                Answer::Status(_) => {}
            }
        }
        if after.is_empty() {
            return Err(format!("{id}: {write:?} was answered {answer:?}, but it was {before:?}"));
        }
        self.possible.insert(id.to_owned(), after);
        Ok(())
    }

    /// A current read showed this.
    ///
    /// # Errors
    /// When it cannot have.
    pub fn read(
        &mut self,
        id: &str,
        label_and_version: Option<(&str, &str)>,
    ) -> Result<(), String> {
        let states = self.states(id);
        let fits = |state: &State| match (state, label_and_version) {
            (None, None) => true,
            (Some(credential), Some((label, version))) => {
                credential.label == label
                    && credential.version.as_deref().is_none_or(|known| known == version)
            }
            _ => false,
        };
        if !states.iter().any(fits) {
            return Err(format!("{id} was read as {label_and_version:?}, but it was {states:?}"));
        }
        let seen = label_and_version.map(|(label, version)| Credential {
            label: label.to_owned(),
            version: Some(version.to_owned()),
        });
        self.possible.insert(id.to_owned(), BTreeSet::from([seen]));
        Ok(())
    }

    /// The version of a credential, where it is certain.
    #[must_use]
    pub fn version(&self, id: &str) -> Option<String> {
        let states = self.states(id);
        let only = states.first().filter(|_| states.len() == 1);
        only.cloned().flatten().and_then(|credential| credential.version)
    }

    /// The ids that certainly exist, in order.
    ///
    /// # Panics
    /// When of one it is not certain.
    #[must_use]
    pub fn existing(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for (id, states) in &self.possible {
            assert_eq!(states.len(), 1, "{id} is uncertain: {states:?}");
            if states.iter().all(Option::is_some) {
                ids.push(id.clone());
            }
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(label: &str) -> Write {
        Write { action: WriteAction::Create { label: label.into() }, if_match: None }
    }

    fn patch(label: &str, if_match: Option<&str>) -> Write {
        let action = WriteAction::Patch { label: label.into() };
        Write { action, if_match: if_match.map(str::to_owned) }
    }

    #[test]
    fn a_lost_write_and_one_applied_twice_are_found() {
        let mut model = Model::default();
        model.wrote("a", &create("1"), Answer::Status(201), Some("w1")).unwrap();
        model.wrote("a", &patch("2", Some("w1")), Answer::Status(200), Some("w2")).unwrap();
        assert!(model.clone().read("a", Some(("1", "w1"))).is_err(), "lost");
        let again = patch("2", Some("w1"));
        assert!(
            model.clone().wrote("a", &again, Answer::Status(200), Some("w3")).is_err(),
            "twice"
        );
        model.wrote("a", &again, Answer::Status(412), None).unwrap();
        assert!(model.clone().wrote("a", &create("3"), Answer::Status(201), None).is_err());
        assert!(model.read("a", None).is_err(), "resurrected the other way round");
    }

    #[test]
    fn the_unknown_stays_unknown_until_it_is_read() {
        let mut model = Model::default();
        model.wrote("a", &create("1"), Answer::Status(201), Some("w1")).unwrap();
        model.wrote("a", &patch("2", None), Answer::Unknown, None).unwrap();
        assert_eq!(model.version("a"), None);
        assert!(model.clone().read("a", Some(("1", "w1"))).is_ok());
        assert!(model.clone().read("a", Some(("2", "w2"))).is_ok());
        assert!(model.clone().read("a", Some(("1", "w2"))).is_err());
        model.read("a", Some(("2", "w2"))).unwrap();
        assert_eq!(
            (model.version("a").as_deref(), model.existing()),
            (Some("w2"), vec!["a".into()])
        );
    }
}
