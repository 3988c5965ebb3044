//! The writes of a history with everything that is known of each: its fate, its position, its
//! version, and when it was first known. The other checkers use this.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    time::Duration,
};

use super::{
    summary::Summary,
    violation::{Rule, Violation},
};
use crate::clients::history::{
    Action, Change, Found, History, Operation, Outcome, Position, Write,
};

/// A credential of an organization.
pub(super) type Register<'a> = (&'a str, &'a str);

pub(super) fn register(operation: &Operation) -> Register<'_> {
    (&operation.org, &operation.credential)
}

/// The fate of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed(Position),
    Refused(u16, Position),
    Unknown,
    Never,
}

impl Fate {
    pub(super) fn position(self) -> Option<Position> {
        match self {
            Self::Committed(position) | Self::Refused(_, position) => Some(position),
            Self::Unknown | Self::Never => None,
        }
    }
}

/// A write with all its attempts.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) attempts: Vec<&'a Operation>,
    pub(super) write: &'a Write,
    pub(super) fate: Fate,
    /// Its version, once a client has got or seen it.
    pub(super) version: Option<&'a str>,
    /// When its first attempt began.
    pub(super) invoked: Duration,
    /// When its effect was first known, and by which operation.
    pub(super) known: Option<(Duration, &'a Operation)>,
}

impl<'a> Written<'a> {
    /// By real time, this one is ordered before the other one.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.known.is_some_and(|(known, _)| known < other.invoked)
    }

    pub(super) fn register(&self) -> Register<'a> {
        register(self.attempts[0])
    }

    pub(super) fn is_delete(&self) -> bool {
        self.write.change == Change::Delete
    }

    pub(super) fn is_committed(&self) -> bool {
        matches!(self.fate, Fate::Committed(_))
    }

    /// The operations that show it best: the one by which it was first known, else its request.
    pub(super) fn shown(&self) -> [&'a Operation; 2] {
        let told = |it: &&&Operation| {
            matches!(it.outcome, Outcome::Committed { .. } | Outcome::Refused { .. })
        };
        let told = self.attempts.iter().find(told).copied();
        let known = self.known.map(|(_, by)| by);
        let shown = told.or(known).unwrap_or(self.attempts[0]);
        [shown, self.attempts[0]]
    }

    fn on_known(&mut self, by: &'a Operation) {
        if self.known.is_none_or(|(known, _)| by.completed < known) {
            self.known = Some((by.completed, by));
        }
    }
}

/// All writes of a history.
#[derive(Debug, Default)]
pub(super) struct Order<'a> {
    pub(super) writes: Vec<Written<'a>>,
    by_value: BTreeMap<(Register<'a>, &'a str), usize>,
    by_version: BTreeMap<(Register<'a>, &'a str), usize>,
    /// Committed or refused, in order of place.
    placed: BTreeMap<Register<'a>, Vec<usize>>,
    unknown: BTreeMap<Register<'a>, Vec<usize>>,
    /// By organization and place.
    by_place: BTreeMap<(&'a str, Position), usize>,
}

impl<'a> Order<'a> {
    /// Puts attempts and reads together.
    pub(super) fn of(history: &'a History) -> Result<Self, Violation> {
        let mut order = Self::default();
        for attempts in attempts_by_write(history)? {
            order.writes.push(written(attempts)?);
        }
        order.index()?;
        for read in &history.operations {
            if let Outcome::Seen { found: Some(found), unmarked } = &read.outcome {
                order.on_seen(read, found, *unmarked)?;
            }
        }
        order.index_versions()?;
        Ok(order)
    }

    /// The write that made a version.
    pub(super) fn of_version(&self, of: Register<'_>, version: &str) -> Option<&Written<'a>> {
        self.by_version.get(&(of, version)).map(|place| &self.writes[*place])
    }

    /// The write that brought a value.
    pub(super) fn of_value(&self, of: Register<'_>, value: &str) -> Option<&Written<'a>> {
        self.by_value.get(&(of, value)).map(|place| &self.writes[*place])
    }

    /// The write at a place of an organization's order.
    pub(super) fn at(&self, org: &str, position: Position) -> Option<&Written<'a>> {
        self.by_place.get(&(org, position)).map(|place| &self.writes[*place])
    }

    pub(super) fn registers(&self) -> impl Iterator<Item = Register<'a>> {
        self.placed.keys().copied()
    }

    /// Those of a register that have a place, in its order.
    pub(super) fn placed<'s>(
        &'s self,
        of: Register<'s>,
    ) -> impl DoubleEndedIterator<Item = &'s Written<'a>> {
        self.placed.get(&of).into_iter().flatten().map(|place| &self.writes[*place])
    }

    /// Those of a register whose outcome no client knows.
    pub(super) fn unknown<'s>(&'s self, of: Register<'s>) -> impl Iterator<Item = &'s Written<'a>> {
        self.unknown.get(&of).into_iter().flatten().map(|place| &self.writes[*place])
    }

    /// Whether an unknown write can be ordered after one that has a place.
    pub(super) fn may_follow(&self, unknown: &Written<'_>, placed: &Written<'_>) -> bool {
        let based_on = unknown.write.if_match.as_deref();
        let base = based_on.and_then(|version| self.of_version(unknown.register(), version));
        // It follows its base directly, so it can follow nothing that comes after its base.
        let base = base.and_then(|base| base.fate.position());
        let is_too_early = base.is_some_and(|base| Some(base) < placed.fate.position());
        !is_too_early && !unknown.is_before(placed)
    }

    pub(super) fn summary(&self, history: &History) -> Summary {
        let mut summary = Summary { writes: self.writes.len(), ..Summary::default() };
        for write in &self.writes {
            summary.attempts += write.attempts.len();
            match write.fate {
                Fate::Committed(_) => summary.committed += 1,
                Fate::Refused(..) => summary.refused += 1,
                Fate::Unknown => summary.unknown += 1,
                Fate::Never => {}
            }
        }
        for operation in &history.operations {
            if let Outcome::Seen { unmarked, .. } = operation.outcome {
                summary.reads += 1;
                summary.unmarked += usize::from(unmarked);
            }
        }
        summary
    }

    fn index(&mut self) -> Result<(), Violation> {
        for (number, write) in self.writes.iter().enumerate() {
            let of = write.register();
            if let Some(value) = write.write.change.value()
                && let Some(other) = self.by_value.insert((of, value), number)
            {
                let shown = [self.writes[other].attempts[0], write.attempts[0]];
                let what = format!("two writes bring the value {value:?}");
                return Err(Violation::new(Rule::History, what, shown));
            }
            if let Some(position) = write.fate.position() {
                self.placed.entry(of).or_default().push(number);
                if let Some(other) = self.by_place.insert((of.0, position), number) {
                    let shown = [self.writes[other].shown(), write.shown()].concat();
                    let what = format!("two writes stand at {position}");
                    return Err(Violation::new(Rule::Once, what, shown));
                }
            } else {
                self.placed.entry(of).or_default();
            }
            if write.fate == Fate::Unknown {
                self.unknown.entry(of).or_default().push(number);
            }
        }
        for placed in self.placed.values_mut() {
            placed.sort_by_key(|number| self.writes[*number].fate.position());
        }
        Ok(())
    }

    /// A read is evidence: that its write has happened, under which name, and since when.
    fn on_seen(
        &mut self,
        read: &'a Operation,
        found: &'a Found,
        is_unmarked: bool,
    ) -> Result<(), Violation> {
        let Some(number) = self.by_value.get(&(register(read), found.value.as_str())) else {
            return Err(Violation::new(Rule::Origin, "nobody wrote this", [read]));
        };
        let write = &mut self.writes[*number];
        let wrong = |rule, what: &str| {
            let shown =
                [read].into_iter().chain(write.attempts.iter().copied()).chain(write.shown());
            Err(Violation::new(rule, what, shown))
        };
        if read.completed < write.invoked {
            return wrong(Rule::Origin, "it was read before it was written");
        }
        // A region that was failed over may be back, alone, and execute there what its successor never
        // had: a write that its successor refused, or has under another name since it was repeated there.
        // What the region shows of it is marked. An answered write with two names still has two positions.
        let is_lost_copy = !is_unmarked
            && match write.fate {
                Fate::Committed(_) => write.version.is_some_and(|it| it != found.version),
                Fate::Refused(..) => true,
                Fate::Never | Fate::Unknown => false,
            };
        if is_lost_copy {
            return Ok(());
        }
        match write.fate {
            Fate::Never => return wrong(Rule::Origin, "it was read, and had failed for certain"),
            Fate::Refused(..) => return wrong(Rule::Once, "it was refused, and was read"),
            Fate::Committed(_) | Fate::Unknown => {}
        }
        if write.version.is_some_and(|version| version != found.version) {
            return wrong(Rule::Once, "one write has made two versions");
        }
        write.version = Some(&found.version);
        write.on_known(read);
        Ok(())
    }

    fn index_versions(&mut self) -> Result<(), Violation> {
        for (number, write) in self.writes.iter().enumerate() {
            let Some(version) = write.version else { continue };
            match self.by_version.entry((write.register(), version)) {
                Slot::Vacant(slot) => {
                    slot.insert(number);
                }
                Slot::Occupied(other) => {
                    let shown = [self.writes[*other.get()].shown(), write.shown()].concat();
                    return Err(Violation::new(Rule::Once, "two writes made one version", shown));
                }
            }
        }
        Ok(())
    }
}

/// The attempts of each write, in order of time.
fn attempts_by_write(history: &History) -> Result<Vec<Vec<&Operation>>, Violation> {
    let mut by_key: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found: Vec<Vec<&Operation>> = Vec::new();
    for operation in &history.operations {
        let Action::Write(write) = &operation.action else { continue };
        let known = write.key.as_deref().map(|key| by_key.entry((&operation.org, key)));
        match known {
            Some(Slot::Occupied(slot)) => found[*slot.get()].push(operation),
            Some(Slot::Vacant(slot)) => {
                slot.insert(found.len());
                found.push(vec![operation]);
            }
            None => found.push(vec![operation]),
        }
    }
    for attempts in &mut found {
        attempts.sort_by_key(|operation| operation.invoked);
        let asked = |it: &Operation| match &it.action {
            Action::Write(write) => Some((write.change.clone(), write.if_match.clone())),
            Action::Read => None,
        };
        let first = attempts[0];
        let differs =
            |it: &&Operation| register(it) != register(first) || asked(it) != asked(first);
        if let Some(other) = attempts.iter().find(|it| differs(it)) {
            let what = "one key on two requests";
            return Err(Violation::new(Rule::History, what, [first, *other]));
        }
    }
    Ok(found)
}

fn written(attempts: Vec<&Operation>) -> Result<Written<'_>, Violation> {
    let first = attempts[0];
    let Action::Write(write) = &first.action else {
        return Err(Violation::new(Rule::History, "a read among writes", [first]));
    };
    let all_failed = attempts.iter().all(|it| it.outcome == Outcome::Failed);
    let mut written = Written {
        write,
        fate: if all_failed { Fate::Never } else { Fate::Unknown },
        version: None,
        invoked: first.invoked,
        known: None,
        attempts: Vec::new(),
    };
    for attempt in &attempts {
        let (fate, version) = match &attempt.outcome {
            Outcome::Committed { version, position, .. } => {
                (Fate::Committed(*position), Some(version.as_str()))
            }
            Outcome::Refused { status, position, .. } => (Fate::Refused(*status, *position), None),
            Outcome::Seen { .. } | Outcome::Unknown | Outcome::Failed => continue,
        };
        let before = (written.fate, written.version);
        if before.0.position().is_some() && before != (fate, version) {
            return Err(Violation::new(Rule::Once, "one write, two fates", attempts));
        }
        (written.fate, written.version) = (fate, version);
        written.on_known(attempt);
    }
    written.attempts = attempts;
    Ok(written)
}
